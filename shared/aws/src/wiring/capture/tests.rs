use super::*;

#[tokio::test]
async fn a_panic_is_nobodys_but_its_own() {
    assert_eq!(unharmed(async { 7 }).await, Some(7));
    let panics = async {
        tokio::task::yield_now().await;
        [1, 2, 3].into_iter().cycle().take(9).nth(9).expect("there are nine only")
    };
    assert_eq!(unharmed(panics).await, None);
}

#[test]
fn what_stands_before_a_deed_is_never_left_out_in_silence() {
    for slot in TriggerSlot::ALL {
        let from = without_function(slot);
        assert!(from.failed);
        let before = matches!(slot, TriggerSlot::PreSignUp | TriggerSlot::PreTokenGeneration);
        assert_eq!(from.answer.is_some_and(|answer| answer.is_err()), before, "{slot:?}");
    }
}

#[test]
fn a_sign_up_that_cannot_be_judged_goes_as_the_team_wants() {
    let open = not_judged(GuardFailure::Open);
    assert_eq!((open.refusal.is_none(), open.figures.guard_failed_open), (true, 1));
    let closed = not_judged(GuardFailure::Closed);
    assert_eq!((closed.refusal.is_some(), closed.figures.guard_refused), (true, 1));
}

#[test]
fn the_functions_time_is_the_platforms_less_a_moment() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let minute = Duration::from_mins(1);
    let waits = patience(u64::try_from((now + minute).as_millis()).unwrap());
    assert!(waits + limits::CHAIN_ANSWER_TIME <= minute);
    assert!(waits > minute / 2);
    assert_eq!(patience(0), limits::CHAIN_TIME_MAX);
}

/// A capture without any configuration but what a text declares.
fn capture(text: Option<&str>) -> CaptureLine {
    let sdk = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .build();
    CaptureLine {
        line: Err(Mistakes { source_name: "x".to_owned(), name: None, list: Vec::new() }),
        triggers: DeclaredTriggers::salvaged(text),
        chain: Chain::new(&sdk),
        own_name: Some("acme-capture".to_owned()),
        clock: SystemClock::new(),
        telemetry: Telemetry::new("acme".to_owned(), Output::Talk),
        unmarked: AtomicU32::new(0),
        recent: Recent::default(),
    }
}

const CALLED: Invocation<'_> = Invocation {
    deadline: 0,
    function_arn: "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture:live",
};

fn event(source: &str) -> Box<RawValue> {
    let text = format!(r#"{{ "triggerSource":"{source}","userPoolId":"eu-west-1_A","n":1.00}}"#);
    RawValue::from_string(text).unwrap()
}

/// Whether the answer is the event's very text.
async fn passes(capture: &CaptureLine, source: &str) -> bool {
    match capture.answer(event(source), &CALLED).await {
        Ok(answer) => {
            assert_eq!(answer.get(), event(source).get());
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn invariant_03_a_broken_configuration_stops_nobody_whom_no_function_could_stop() {
    let plain = capture(Some("name = \""));
    let unread = capture(None);
    for (source, without_file) in [
        ("PreSignUp_SignUp", false),
        ("PreSignUp_AdminCreateUser", false),
        ("TokenGeneration_Authentication", false),
        ("PostConfirmation_ConfirmSignUp", true),
        ("PostAuthentication_Authentication", true),
        ("CustomMessage_SignUp", true),
        ("Anything", true),
    ] {
        assert!(passes(&plain, source).await, "{source}");
        assert_eq!(passes(&unread, source).await, without_file, "{source}");
    }
    let closed = capture(Some("[policy]\nsignup_guard_failure = \"closed\"\nx = ["));
    assert!(!passes(&closed, "PreSignUp_SignUp").await);
    assert!(passes(&closed, "PreSignUp_ExternalProvider").await);
}

#[tokio::test]
async fn capture_never_calls_itself() {
    let text = |name: &str| {
        format!(
            "[old]\nuser_pool_id = \"eu-west-1_A\"\n[old.triggers]\n\
             PreSignUp = \"arn:aws:lambda:eu-west-1:111122223333:function:{name}\"\n\
             PostConfirmation = \"arn:aws:lambda:eu-west-1:111122223333:function:{name}\"\n"
        )
    };
    let capture = capture(Some(&text("acme-capture")));
    assert!(!passes(&capture, "PreSignUp_SignUp").await);
    assert!(passes(&capture, "PostConfirmation_ConfirmSignUp").await);
    let own = |arn: &str, function_arn: &str| {
        capture.is_own(arn, &Invocation { deadline: 0, function_arn })
    };
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture";
    assert!(own(arn, CALLED.function_arn) && own(arn, "acme-capture") && own(arn, ""));
    let elsewhere = "arn:aws:lambda:us-east-1:111122223333:function:acme-capture";
    assert!(!own(elsewhere, CALLED.function_arn));
}
