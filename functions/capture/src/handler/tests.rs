use std::sync::Mutex;
use std::sync::atomic::Ordering;

use aws_credential_types::Credentials;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use super::*;
use poolbridge_aws::client::bounded;

#[tokio::test]
async fn a_panic_is_contained() {
    assert_eq!(unharmed(async { 7 }).await, Some(7));
    let panics = async {
        tokio::task::yield_now().await;
        [1, 2, 3].into_iter().cycle().take(9).nth(9).expect("there are only nine")
    };
    assert_eq!(unharmed(panics).await, None);
}

#[test]
fn a_missing_function_before_an_action_makes_the_action_fail() {
    for slot in TriggerSlot::ALL {
        let from = without_function(slot);
        assert!(from.failed);
        let before = matches!(slot, TriggerSlot::PreSignUp | TriggerSlot::PreTokenGeneration);
        assert_eq!(from.answer.is_some_and(|answer| answer.is_err()), before, "{slot:?}");
    }
}

#[test]
fn an_undecided_sign_up_follows_the_configured_failure_mode() {
    let open = not_judged(GuardFailure::Open);
    assert_eq!((open.refusal.is_none(), open.metrics.guard_failed_open), (true, 1));
    let closed = not_judged(GuardFailure::Closed);
    assert_eq!((closed.refusal.is_some(), closed.metrics.guard_refused), (true, 1));
}

#[test]
fn the_chained_function_gets_the_time_left_minus_the_answer_time() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let minute = Duration::from_mins(1);
    let waits = patience(u64::try_from((now + minute).as_millis()).unwrap());
    assert!(waits + limits::CHAIN_ANSWER_TIME <= minute);
    assert!(waits > minute / 2);
    assert_eq!(patience(0), limits::CHAIN_TIME_MAX);
}

/// A capture whose only configuration is the declared triggers of a text.
fn capture(text: Option<&str>) -> CaptureHandler {
    let sdk = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .build();
    CaptureHandler {
        services: Err(ConfigErrors { source_name: "x".to_owned(), name: None, list: Vec::new() }),
        triggers: DeclaredTriggers::salvaged(text),
        chain: Chain::new(&sdk, None),
        own_name: Some("acme-capture".to_owned()),
        clock: SystemClock::new(),
        telemetry: Telemetry::new("acme".to_owned(), Output::Test),
        lost_captures: AtomicU32::new(0),
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

/// Whether the answer is the event's exact text.
async fn passes(capture: &CaptureHandler, source: &str) -> bool {
    match capture.answer(event(source), &CALLED).await {
        Ok(answer) => {
            assert_eq!(answer.get(), event(source).get());
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn invariant_03_an_invalid_configuration_blocks_only_where_a_function_could_refuse() {
    let plain = capture(Some("name = \""));
    let unread = capture(None);
    for (source, without_file) in [
        ("PreSignUp_SignUp", false),
        ("PreSignUp_AdminCreateUser", false),
        ("TokenGeneration_Authentication", false),
        ("PostConfirmation_ConfirmSignUp", true),
        ("PostAuthentication_Authentication", true),
        ("CustomMessage_SignUp", true),
        ("CustomMessage_UpdateUserAttribute", true),
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

/// A service that closes every connection and counts the connections.
struct Deaf {
    url: String,
    came: Arc<AtomicU32>,
}

impl Deaf {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&came);
        std::thread::spawn(move || {
            for _stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, came }
    }

    fn came(&self) -> u32 {
        self.came.load(Ordering::SeqCst)
    }

    /// A capture whose services are all here, including the roles of both pools.
    async fn capture(&self, more: &str) -> CaptureHandler {
        let role = "role_arn = \"arn:aws:iam::111122223333:role/guest\"";
        let text = format!(
            "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\n{role}\n\
             [new]\nuser_pool_id = \"us-east-1_B\"\n{role}\n[identity]\nmatch = \"email\"\n{more}"
        );
        let configuration = Configuration::parse("bridge.toml", &text).unwrap();
        let queue = format!("{}/000000000000/acme.fifo", self.url);
        let variable = |name: &str| match name {
            "POOLBRIDGE_TABLE" => Some("acme-state".to_owned()),
            "POOLBRIDGE_QUEUE_URL" => Some(queue.clone()),
            _ => None,
        };
        let environment = Environment::read(Component::Capture, true, &variable).unwrap();
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let sdk = bounded(aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12()))
            .empty_test_environment()
            .region(Region::new("eu-west-1"))
            .credentials_provider(credentials)
            .endpoint_url(&self.url)
            .load()
            .await;
        let plain = capture(Some(""));
        let triggers = DeclaredTriggers::of(&configuration);
        let chain = Chain::new(&sdk, triggers.functions());
        let services = CaptureServices::new(&sdk, &plain.clock, configuration, environment).await;
        CaptureHandler { services: Ok(services), triggers, chain, ..plain }
    }
}

#[tokio::test]
async fn the_start_creates_every_client_and_makes_no_call() {
    let unanswering = Deaf::start();
    let chained = "[old.triggers]\n\
                  PreSignUp = \"arn:aws:lambda:us-east-1:111122223333:function:welcome\"\n";
    let capture = unanswering.capture(chained).await;
    assert!(capture.services.as_ref().is_ok_and(|services| services.guard.is_some()));
    assert_eq!(unanswering.came(), 0);
    // A call would reach the listener.
    assert!(!passes(&capture, "PreSignUp_AdminCreateUser").await);
    assert_eq!(unanswering.came(), 1);
}

/// The event that a pool sends before the message with the code for a new address.
fn message(source: &str) -> Box<RawValue> {
    let text = format!(
        r#"{{ "version":1, "triggerSource":"{source}", "userPoolId":"eu-west-1_A",
        "userName":"ada-in-clear", "request":{{"userAttributes":{{
        "sub":"5c4e7a52-6c1f-4a50-b5b0-0e8d1e4f3a11","email":"ada@example.com"}},
        "codeParameter":"816203","usernameParameter":"None"}},
        "response":{{"emailMessage":"your code is near","smsMessage":null,"n":1.00}} }}"#
    );
    RawValue::from_string(text).unwrap()
}

/// Whether capture made a call for each kind of message. Each event must be returned unchanged.
async fn messages_noted(capture: &CaptureHandler, unanswering: &Deaf) -> Vec<bool> {
    let mut noted = Vec::new();
    for source in ["UpdateUserAttribute", "VerifyUserAttribute", "ForgotPassword", "SignUp"] {
        let event = message(&format!("CustomMessage_{source}"));
        let before = unanswering.came();
        let answer = capture.answer(event.clone(), &CALLED).await;
        assert!(answer.is_ok_and(|answer| answer.get() == event.get()), "{source}");
        noted.push(unanswering.came() > before);
    }
    noted
}

/// Collects the lines that poolbridge's own code logs.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn written(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn invariant_09_a_message_event_is_returned_unchanged_and_never_logged() {
    let unanswering = Deaf::start();
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    // Production drops the SDK's own lines too.
    let ours = filter_fn(|metadata| metadata.target().starts_with("poolbridge"));
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours));
    let _written = tracing::subscriber::set_default(subscriber);
    let asked = unanswering.capture("[capture]\ncustom_message = true\n").await;
    let noted = messages_noted(&asked, &unanswering).await;
    assert_eq!(noted, [true, true, false, false], "only address messages are captured");
    let unasked = unanswering.capture("").await;
    assert_eq!(messages_noted(&unasked, &unanswering).await, [false; 4]);
    let lines = lines.written();
    assert!(lines.contains("5c4e7a52"), "{lines}");
    for secret in ["816203", "your code", "ada@example.com", "ada-in-clear"] {
        assert!(!lines.contains(secret), "{secret}: {lines}");
    }
}
