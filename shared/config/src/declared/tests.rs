use super::*;

const OLD: &str = "eu-west-1_A";
const NEW: &str = "us-east-1_B";
const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:welcome";
const OTHER: &str = "arn:aws:lambda:us-east-1:111122223333:function:tokens:live";

const WORDS: &str = "arn:aws:lambda:us-east-1:111122223333:function:words";

const GOOD: &str = r#"
name = "acme"
[old]
user_pool_id = "eu-west-1_A"
[old.triggers]
PreSignUp = "arn:aws:lambda:eu-west-1:111122223333:function:welcome"
[new]
user_pool_id = "us-east-1_B"
[new.triggers]
PreTokenGeneration = "arn:aws:lambda:us-east-1:111122223333:function:tokens:live"
CustomMessage = "arn:aws:lambda:us-east-1:111122223333:function:words"
[identity]
match = "email"
[policy]
signup_guard_failure = "closed"
"#;

fn of(text: &str) -> DeclaredTriggers {
    DeclaredTriggers::salvaged(Some(text))
}

fn in_all(declared: &DeclaredTriggers, pool: Option<&str>) -> Vec<&'static str> {
    TriggerSlot::ALL
        .map(|slot| match declared.chained(pool, slot) {
            ChainedFunction::Nothing => "nothing",
            ChainedFunction::Function(_) => "function",
            ChainedFunction::Unknown => "unknown",
        })
        .to_vec()
}

#[test]
fn a_valid_file_and_its_salvage_declare_the_same() {
    let configuration = Configuration::parse("x", GOOD).unwrap();
    let whole = DeclaredTriggers::of(&configuration);
    assert_eq!(whole.guard, Some(GuardFailure::Closed));
    assert_eq!(whole.chained(Some(OLD), TriggerSlot::PreSignUp), ChainedFunction::Function(ARN));
    assert_eq!(
        whole.chained(Some(NEW), TriggerSlot::PreTokenGeneration),
        ChainedFunction::Function(OTHER)
    );
    assert_eq!(
        in_all(&whole, Some(NEW)),
        ["nothing", "nothing", "nothing", "function", "function"]
    );
    assert_eq!(in_all(&whole, Some("us-east-1_C")), ["nothing"; 5]);
    assert_eq!(in_all(&whole, None), ["unknown", "nothing", "nothing", "unknown", "unknown"]);
    let salvaged = of(GOOD);
    for pool in [Some(OLD), Some(NEW), Some("us-east-1_C"), None] {
        assert_eq!(in_all(&whole, pool), in_all(&salvaged, pool), "{pool:?}");
    }
    assert_eq!(salvaged.guard, whole.guard);
    assert_eq!(whole.functions().collect::<Vec<_>>(), [ARN, OTHER, WORDS]);
    assert!(salvaged.functions().eq(whole.functions()));
}

#[test]
fn an_error_elsewhere_hides_no_function() {
    for (good, bad) in [
        ("match = \"email\"", "match = 7"),
        ("name = \"acme\"", "name = \"ACME\"\nunheard = of"),
        ("[identity]", "[identity"),
        ("[policy]", "[policy]\n[policy]"),
    ] {
        let salvaged = of(&GOOD.replace(good, bad));
        let chained = salvaged.chained(Some(OLD), TriggerSlot::PreSignUp);
        assert_eq!(chained, ChainedFunction::Function(ARN), "{bad}");
    }
}

#[test]
fn a_file_without_triggers_declares_none() {
    for text in ["", "name = \"", "[old]\nuser_pool_id = 7", "[old\n# [old.triggers]\nx"] {
        assert_eq!(in_all(&of(text), Some(OLD)), ["nothing"; 5], "{text}");
        assert_eq!(of(text).guard, Some(GuardFailure::Open));
    }
    assert_eq!(of("[policy]\nsignup_guard = false").guard, None);
}

#[test]
fn an_undecodable_trigger_is_unknown_and_not_none() {
    let old = |lines: &str| format!("[old]\nuser_pool_id = \"{OLD}\"\n{lines}");
    for (text, pre_sign_up, others) in [
        (old("[old.triggers]\nPreSignUp = \"welcome\""), "unknown", "nothing"),
        (old("[old.triggers]\nPreSignUp = 7"), "unknown", "nothing"),
        (old(&format!("[old.triggers]\nPreSignup = \"{ARN}\"")), "unknown", "unknown"),
        (old("triggers = \"welcome\""), "unknown", "unknown"),
        (old(&format!("[old.trigers]\nPreSignUp = \"{ARN}\"")), "unknown", "unknown"),
        (old(&format!("[odl.triggers]\nPreSignUp = \"{ARN}\"")), "unknown", "unknown"),
        (old(&format!("[triggers]\nPreSignUp = \"{ARN}\"")), "unknown", "unknown"),
        (old(&format!("[old.triggers\nPreSignUp = \"{ARN}\"")), "unknown", "unknown"),
        (format!("[old.triggers]\nPreSignUp = \"{ARN}\""), "unknown", "nothing"),
    ] {
        let slots = in_all(&of(&text), Some(OLD));
        assert_eq!((slots[0], slots[1]), (pre_sign_up, others), "{text}");
    }
    let unread = DeclaredTriggers::salvaged(None);
    assert_eq!(in_all(&unread, Some(OLD)), ["unknown"; 5]);
    assert_eq!(unread.guard, Some(GuardFailure::Open));
}
