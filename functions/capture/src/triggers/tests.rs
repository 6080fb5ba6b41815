use serde_json::json;

use super::*;

const POOLS: [(Side, &str); 2] = [(Side::Old, "eu-west-1_A"), (Side::New, "us-east-1_B")];
const ALL: Hints =
    Hints { post_authentication: true, pre_token_generation: true, custom_message: true };
const SUB: &str = "5c4e7a52-6c1f-4a50-b5b0-0e8d1e4f3a11";

fn event(source: &str) -> Value {
    json!({
        "version": "1",
        "triggerSource": source,
        "region": "eu-west-1",
        "userPoolId": "eu-west-1_A",
        "userName": "ada@example.com",
        "callerContext": { "awsSdkVersion": "x", "clientId": "y" },
        "request": { "userAttributes": {
            "sub": SUB, "email": "ada@example.com", "email_verified": true,
            "phone_number": null, "custom:age": 36,
        } },
        "response": {},
    })
}

/// An event before the generation of a token without a person.
fn for_a_program(source: &str) -> Value {
    let mut event = event(source);
    event["version"] = json!("3");
    event["request"] = json!({ "userAttributes": {}, "scopes": ["acme/read"] });
    event
}

/// Checks that both ways of decoding agree.
fn read(event: &Value, hints: Hints) -> Result<Option<ChangeEvent>, NotAChange> {
    let from_value = captured(event, &POOLS, Time(7), 9, hints);
    assert_eq!(from_value, captured_text(&event.to_string(), &POOLS, Time(7), 9, hints));
    from_value
}

#[test]
fn each_source_announces_its_change() {
    let change = |evidence, password| ChangeEvent {
        side: Side::Old,
        sub: Sub::try_from(SUB).unwrap(),
        at: Time(7),
        evidence,
        password,
        administrator: false,
        claimed: false,
        id: 9,
    };
    for (source, expected) in [
        ("PostConfirmation_ConfirmSignUp", change(Evidence::Confirmed, true)),
        ("PostConfirmation_ConfirmForgotPassword", change(Evidence::Changed, true)),
        ("PostConfirmation_ConfirmSignUp_V2", change(Evidence::Confirmed, true)),
        ("PostAuthentication_Authentication", change(Evidence::Hint, false)),
        ("TokenGeneration_RefreshTokens", change(Evidence::Hint, false)),
        ("TokenGeneration_HostedAuth", change(Evidence::Hint, false)),
        ("CustomMessage_UpdateUserAttribute", change(Evidence::Hint, false)),
        ("CustomMessage_VerifyUserAttribute", change(Evidence::Hint, false)),
    ] {
        assert_eq!(read(&event(source), ALL), Ok(Some(expected)), "{source}");
    }
}

#[test]
fn hints_are_captured_only_if_the_configuration_wants_them() {
    for source in [
        "PostAuthentication_Authentication",
        "TokenGeneration_Authentication",
        "CustomMessage_UpdateUserAttribute",
        "CustomMessage_VerifyUserAttribute",
    ] {
        assert_eq!(read(&event(source), Hints::default()), Ok(None), "{source}");
    }
    let tokens = Hints { pre_token_generation: true, ..Hints::default() };
    assert_eq!(read(&event("PostAuthentication_Authentication"), tokens), Ok(None));
    assert!(matches!(read(&event("TokenGeneration_Authentication"), tokens), Ok(Some(_))));
    assert_eq!(read(&event("CustomMessage_VerifyUserAttribute"), tokens), Ok(None));
    let messages = Hints { custom_message: true, ..Hints::default() };
    assert!(matches!(read(&event("CustomMessage_VerifyUserAttribute"), messages), Ok(Some(_))));
    assert_eq!(read(&event("TokenGeneration_Authentication"), messages), Ok(None));
}

#[test]
fn an_event_that_announces_nothing_has_a_code() {
    let with = |place: &str, value: Value| {
        let mut event = event("PostConfirmation_ConfirmSignUp");
        *event.pointer_mut(place).unwrap() = value;
        event
    };
    let without = |outer: &str, name: &str| {
        let mut event = event("PostConfirmation_ConfirmSignUp");
        event.pointer_mut(outer).unwrap().as_object_mut().unwrap().remove(name);
        event
    };
    let attributes = "/request/userAttributes";
    let table = [
        (event("PreSignUp_SignUp"), NotAChange::OtherTrigger),
        (event("CustomMessage_SignUp"), NotAChange::OtherTrigger),
        (event("CustomMessage_AdminCreateUser"), NotAChange::OtherTrigger),
        (event("CustomMessage_ResendCode"), NotAChange::OtherTrigger),
        (event("CustomMessage_ForgotPassword"), NotAChange::OtherTrigger),
        (event("CustomMessage_Authentication"), NotAChange::OtherTrigger),
        (event("CustomEmailSender_UpdateUserAttribute"), NotAChange::OtherTrigger),
        (event("CustomSMSSender_VerifyUserAttribute"), NotAChange::OtherTrigger),
        (event("CustomSmsSender_UpdateUserAttribute"), NotAChange::OtherTrigger),
        (event("CustomEmailSender_ForgotPassword"), NotAChange::OtherTrigger),
        (for_a_program("TokenGeneration_ClientCredentials"), NotAChange::OtherTrigger),
        (for_a_program("TokenGeneration_ClientCredentials_V4"), NotAChange::OtherTrigger),
        (for_a_program("TokenGeneration_RefreshTokens"), NotAChange::NoSub),
        (event(&"é".repeat(500)), NotAChange::OtherTrigger),
        (event(""), NotAChange::OtherTrigger),
        (with("/triggerSource", json!(7)), NotAChange::OtherTrigger),
        (with("/userPoolId", json!("us-east-1_C")), NotAChange::OtherPool),
        (with("/userPoolId", json!(null)), NotAChange::OtherPool),
        (without("", "userPoolId"), NotAChange::OtherPool),
        (without(attributes, "sub"), NotAChange::NoSub),
        (with("/request/userAttributes/sub", json!(null)), NotAChange::NoSub),
        (with("/request/userAttributes/sub", json!(true)), NotAChange::NoSub),
        (with("/request/userAttributes/sub", json!(36)), NotAChange::NoSub),
        (with("/request/userAttributes/sub", json!("")), NotAChange::NoSub),
        (with("/request/userAttributes/sub", json!(["a"])), NotAChange::NoSub),
        (with(attributes, json!(null)), NotAChange::NoSub),
        (with("/request", json!("x")), NotAChange::NoSub),
        (without("", "triggerSource"), NotAChange::Unreadable),
        (json!(null), NotAChange::Unreadable),
        (json!("x"), NotAChange::Unreadable),
        (json!([1, 2]), NotAChange::Unreadable),
    ];
    for (event, expected) in table {
        assert_eq!(read(&event, ALL), Err(expected), "{event}");
    }
}

#[test]
fn nonsense_in_other_fields_hides_nothing() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for nonsense in ["1e400", "123456789012345678901234567890", "-0.0e-999", &deep] {
        let text = format!(
            r#"{{"triggerSource":"PostConfirmation_ConfirmSignUp","userPoolId":"eu-west-1_A",
            "x":{nonsense},"request":{{"y":{nonsense},"userAttributes":{{"sub":"{SUB}",
            "z":{nonsense}}}}}}}"#
        );
        let change = captured_text(&text, &POOLS, Time(7), 9, Hints::default());
        assert!(matches!(change, Ok(Some(_))), "{}", &nonsense[..8.min(nonsense.len())]);
    }
    for text in ["", "{", "nonsense", &"{\"a\":".repeat(10_000)] {
        let change = captured_text(text, &POOLS, Time(7), 9, Hints::default());
        assert_eq!(change, Err(NotAChange::Unreadable));
    }
}

#[test]
fn a_heading_holds_what_decides_the_answer() {
    let heading = |source: &str| Heading::of(&event(source).to_string());
    let sign_up = heading("PreSignUp_SignUp");
    assert_eq!(sign_up.user_pool_id.as_deref(), Some("eu-west-1_A"));
    assert_eq!((sign_up.slot, sign_up.signs_up), (Some(TriggerSlot::PreSignUp), true));
    for source in ["PreSignUp_AdminCreateUser", "PreSignUp_ExternalProvider"] {
        let other = heading(source);
        assert_eq!((other.slot, other.signs_up), (Some(TriggerSlot::PreSignUp), false));
    }
    let tokens = heading("TokenGeneration_RefreshTokens");
    assert_eq!((tokens.slot, tokens.tokens), (Some(TriggerSlot::PreTokenGeneration), true));
    // The chained function is still attached there and is called. No person's hint is delayed.
    let machine = heading("TokenGeneration_ClientCredentials");
    assert_eq!((machine.slot, machine.tokens), (Some(TriggerSlot::PreTokenGeneration), false));
    assert_eq!(heading("CustomMessage_SignUp").slot, Some(TriggerSlot::CustomMessage));
    assert_eq!(heading("CustomEmailSender_SignUp").slot, None);
    for text in ["", "[]", "null", r#"{"triggerSource":7,"userPoolId":{}}"#] {
        assert_eq!(Heading::of(text), Heading::default(), "{text}");
    }
}

#[test]
fn a_sign_up_keeps_the_fields_that_are_texts() {
    let who = request(&event("PreSignUp_SignUp").to_string(), Side::New).unwrap();
    assert_eq!((who.side, who.username.as_ref().unwrap().reveal()), (Side::New, "ada@example.com"));
    let names: Vec<&str> = who.attributes.keys().map(AttributeName::as_str).collect();
    assert_eq!(names, ["email", "sub"]);
    let bare = request(r#"{"userName":7,"request":{"userAttributes":[]}}"#, Side::Old).unwrap();
    assert_eq!((bare.username, bare.attributes.len()), (None, 0));
    for text in ["", "{}", r#"{"request":7}"#] {
        assert_eq!(request(text, Side::Old), None, "{text}");
    }
}
