mod passwords;
mod places;

use serde_json::{Value, json};

use super::*;
use poolbridge_config::operations::{OPERATIONS, PoolEvent};

const SUB: &str = "8bdb9bd0-8827-4cc8-b640-2087658f1eb6";
const OWN: &str = "arn:aws:iam::111122223333:role/service/acme-apply";
const POOL_ROLE: &str = "arn:aws:iam::444455556666:role/pool";
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// 2026-11-22T10:00:00Z.
const NOW: Time = Time(1_795_341_600_000);

fn decoder() -> TrailDecoder {
    listener_with("")
}

/// A trail whose bridge.toml has these lines as additional lines at its top.
fn listener_with(lines: &str) -> TrailDecoder {
    let file = format!(
        "name = \"acme\"\n{lines}[old]\nuser_pool_id = \"eu-west-1_A\"\nclient_id = \"a\"\n\
         [new]\nuser_pool_id = \"us-east-1_B\"\nclient_id = \"b\"\nrole_arn = \"{POOL_ROLE}\"\n\
         [identity]\nmatch = \"email\"\n[policy]\nprovision = \"lazy\"\n"
    );
    let configuration = Configuration::parse("bridge.toml", &file).unwrap();
    TrailDecoder::new(&configuration, &[OWN.to_owned()])
}

fn hear(event: &Value) -> TrailEvent {
    decoder().hear(&event.to_string(), NOW)
}

fn outcome(event: &Value) -> Result<Detection, Ignored> {
    hear(event).outcome
}

/// A call by an administrator, as AWS documents one.
fn call(name: &str) -> Value {
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail", "source": "aws.cognito-idp",
        "account": "111122223333", "time": "2026-11-22T09:59:01Z", "region": "eu-west-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.10",
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:someone",
                "arn": "arn:aws:sts::111122223333:assumed-role/App/someone",
                "accountId": "111122223333",
                "sessionContext": {"sessionIssuer": {
                    "type": "Role", "arn": "arn:aws:iam::111122223333:role/App",
                }},
            },
            "eventTime": "2026-11-22T09:58:40Z", "eventSource": "cognito-idp.amazonaws.com",
            "eventName": name, "awsRegion": "eu-west-1",
            "requestParameters": {
                "userPoolId": "eu-west-1_A", "username": HIDDEN, "userAttributes": HIDDEN,
            },
            "responseElements": null,
            "additionalEventData": {"sub": SUB},
            "eventID": "ed24f1e5-3f3c-4b2a-9d6e-0f1e2d3c4b5a", "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true,
        },
    })
}

/// A call that a person makes with their own token. It names no pool.
fn own_call(name: &str) -> Value {
    let mut event = call(name);
    event["detail"]["userIdentity"] = json!({"type": "Unknown", "principalId": "Anonymous"});
    event["detail"]["requestParameters"] = json!({"accessToken": HIDDEN});
    event
}

/// A request to a page of managed login.
fn form(name: &str) -> Value {
    let mut event = call(name);
    event["detail-type"] = json!("AWS Service Event via CloudTrail");
    let detail = &mut event["detail"];
    detail["userIdentity"] = json!({"accountId": "111122223333"});
    detail["requestParameters"] = Value::Null;
    detail["errorCode"] = json!("");
    detail["errorMessage"] = json!("");
    detail["eventType"] = json!("AwsServiceEvent");
    detail["additionalEventData"] = json!({
        "responseParameters": {"status": 302.0},
        "requestParameters": {"sub": [SUB], "code": [HIDDEN], "deliveryMedium": ["EMAIL"]},
        "userPoolDomain": "acme.auth.eu-west-1.amazoncognito.com",
        "userPoolId": "eu-west-1_A",
    });
    event
}

fn account_event(event: &Value) -> AccountEvent {
    match outcome(event) {
        Ok(Detection::AccountEvent(event)) => event,
        other => panic!("{other:?} of {event}"),
    }
}

fn with(mut event: Value, place: &str, value: Value) -> Value {
    *event.pointer_mut(place).expect("the place") = value;
    event
}

fn without(mut event: Value, outer: &str, name: &str) -> Value {
    let outer = event.pointer_mut(outer).and_then(Value::as_object_mut).expect("the place");
    outer.remove(name).expect("the field");
    event
}

#[test]
fn a_call_gives_account_time_and_evidence() {
    let expected = AccountEvent {
        place: EventPool::Pool(Side::Old),
        sub: Sub::try_from(SUB).unwrap(),
        at: Time(NOW.0 - 80_000 + 999),
        evidence: Evidence::Changed,
        password: false,
        administrator: false,
        id: Some(0xed24_f1e5_3f3c_4b2a_9d6e_0f1e_2d3c_4b5a),
    };
    let event = call("AdminUpdateUserAttributes");
    assert_eq!(account_event(&event), expected);
    let hearing = hear(&event);
    assert_eq!(hearing.operation, "AdminUpdateUserAttributes");
    assert_eq!((hearing.pool, hearing.at), (Some(Side::Old), Some(expected.at)));
}

#[test]
fn every_operation_is_decoded_as_the_table_says() {
    for row in &OPERATIONS {
        let mut event = if row.is_form() { form(row.name) } else { call(row.name) };
        if let Some(challenge) = row.challenge {
            event["detail"]["requestParameters"]["challengeName"] = json!(challenge);
        }
        let heard = outcome(&event);
        let evidence = match row.detects {
            Detects::Nothing | Detects::Read | Detects::Pool(PoolEvent::Unwatched) => {
                assert_eq!(heard, Err(Ignored::OtherOperation), "{}", row.name);
                continue;
            }
            Detects::Pool(event) => {
                let (place, at) = (EventPool::Pool(Side::Old), Time(NOW.0 - 80_000 + 999));
                assert_eq!(heard, Ok(Detection::Pool { place, event, at }), "{}", row.name);
                continue;
            }
            Detects::Many => {
                let place = EventPool::Pool(Side::Old);
                assert_eq!(heard, Ok(Detection::Sweep { place, unnamed: false }), "{}", row.name);
                continue;
            }
            Detects::Hint => Evidence::Hint,
            Detects::Changed => Evidence::Changed,
            Detects::Confirmed => Evidence::Confirmed,
            Detects::Deleted => Evidence::Deleted,
        };
        let found = account_event(&event);
        assert_eq!((found.evidence, found.password), (evidence, row.password), "{}", row.name);
        assert_eq!(found.place, EventPool::Pool(Side::Old), "{}", row.name);
    }
}

#[test]
fn an_event_that_leads_to_nothing_has_a_code() {
    let update = || call("AdminUpdateUserAttributes");
    let detail = |name: &str, value: Value| {
        let mut event = update();
        event["detail"][name] = value;
        event
    };
    let table = [
        (json!(null), Ignored::Unreadable),
        (json!([1]), Ignored::Unreadable),
        (json!({}), Ignored::Unreadable),
        (json!({"detail": "x"}), Ignored::Unreadable),
        (detail("eventName", json!(7)), Ignored::Unreadable),
        (without(update(), "/detail", "eventName"), Ignored::Unreadable),
        (detail("eventSource", json!("iam.amazonaws.com")), Ignored::OtherSource),
        (detail("errorCode", json!("NotAuthorizedException")), Ignored::FailedCall),
        (detail("errorCode", json!(7)), Ignored::FailedCall),
        (
            with(update(), "/detail/requestParameters/userPoolId", json!("eu-west-1_C")),
            Ignored::OtherPool,
        ),
        (with(call("DescribeUserPool"), "/detail/readOnly", json!(true)), Ignored::OtherOperation),
        (with(call("DescribeSomethingNew"), "/detail/readOnly", json!(true)), Ignored::ReadOnly),
        (call("ForgotPassword"), Ignored::OtherOperation),
        (call("RespondToAuthChallenge"), Ignored::OtherOperation),
        (
            with(own_call("UpdateUserAttributes"), "/detail/awsRegion", json!("sa-east-1")),
            Ignored::OtherPool,
        ),
    ];
    for (event, expected) in table {
        assert_eq!(outcome(&event), Err(expected), "{event}");
    }
    // None of these says that the call failed, or that it changes nothing.
    for (name, value) in
        [("errorCode", json!(null)), ("errorCode", json!("")), ("readOnly", json!(true))]
    {
        assert!(outcome(&detail(name, value.clone())).is_ok(), "{name} {value}");
    }
}

#[test]
fn calls_of_the_bridge_itself_are_ignored() {
    let by = |identity: Value| with(call("AdminSetUserPassword"), "/detail/userIdentity", identity);
    let session = |role: &str| format!("arn:aws:sts::{role}");
    let issued = |arn: &str| json!({"sessionContext": {"sessionIssuer": {"arn": arn}}});
    let ours = [
        json!({"arn": session("111122223333:assumed-role/acme-apply/anything")}),
        issued(OWN),
        json!({"arn": session("444455556666:assumed-role/pool/poolbridge")}),
        json!({
            "principalId": "AROA:poolbridge",
            "sessionContext": {"sessionIssuer": {"arn": POOL_ROLE}},
        }),
    ];
    for identity in ours {
        let shown = identity.to_string();
        assert_eq!(outcome(&by(identity)), Err(Ignored::OwnCall), "{shown}");
    }
    let theirs = [
        json!(null),
        json!("acme-apply"),
        json!({"arn": 7}),
        json!({"arn": session("999922223333:assumed-role/acme-apply/anything")}),
        json!({"arn": session("111122223333:assumed-role/acme-apply-2/anything")}),
        json!({"arn": session("111122223333:assumed-role/acme-apply")}),
        json!({"arn": "arn:aws-cn:sts::111122223333:assumed-role/acme-apply/anything"}),
        json!({"userName": "acme-apply"}),
        issued("arn:aws:iam::111122223333:role/acme-apply"),
        json!({"arn": session("444455556666:assumed-role/pool/someone")}),
        json!({"principalId": "AROA:poolbridge"}),
        issued(POOL_ROLE),
    ];
    for identity in theirs {
        let shown = identity.to_string();
        assert!(outcome(&by(identity)).is_ok(), "{shown}");
    }
}

#[test]
fn calls_under_an_operator_role_are_ignored() {
    let identity = json!({"arn": "arn:aws:sts::111122223333:assumed-role/migration/ada"});
    let event = with(call("AdminSetUserPassword"), "/detail/userIdentity", identity).to_string();
    let role = "arn:aws:iam::111122223333:role/migration";
    let declared = listener_with(&format!("operator_roles = [\"{role}\"]\n"));
    assert_eq!(declared.hear(&event, NOW).outcome, Err(Ignored::OwnCall));
    assert!(decoder().hear(&event, NOW).outcome.is_ok(), "any other role may be a person's");
}

#[test]
fn an_unknown_operation_is_a_hint() {
    let event = call("MoveUserElsewhere");
    assert_eq!(
        (account_event(&event).evidence, account_event(&event).password),
        (Evidence::Hint, false)
    );
    assert_eq!(hear(&event).operation, "unknown");
}

#[test]
fn the_time_is_the_end_of_its_second_and_never_in_the_future() {
    let at = |text: Value| {
        let event = with(call("AdminDisableUser"), "/detail/eventTime", text);
        (account_event(&event).at, hear(&event).at)
    };
    let end = Time(NOW.0 - 60_000 + 999);
    assert_eq!(at(json!("2026-11-22T09:59:00Z")), (end, Some(end)));
    assert_eq!(at(json!("2026-11-22T09:59:00.250Z")), (end, Some(end)));
    assert_eq!(at(json!("2026-11-22T10:59:00+01:00")), (end, Some(end)));
    assert_eq!(at(json!("2026-11-22T10:00:00Z")), (NOW, Some(NOW)));
    assert_eq!(at(json!("2027-01-01T00:00:00Z")), (NOW, Some(NOW)));
    for nonsense in [json!(null), json!(7), json!("yesterday"), json!("1960-01-01T00:00:00Z")] {
        assert_eq!(at(nonsense), (NOW, None));
    }
}

#[test]
fn only_a_uuid_is_an_event_id() {
    let id =
        |text: Value| account_event(&with(call("AdminDisableUser"), "/detail/eventID", text)).id;
    assert_eq!(id(json!("00000000-0000-0000-0000-00000000000A")), Some(10));
    for other in [
        json!(null),
        json!(""),
        json!("ed24f1e53f3c4b2a9d6e0f1e2d3c4b5a"),
        json!("ed24f1e5-3f3c-4b2a-9d6e-0f1e2d3c4b5"),
        json!("+d24f1e5-3f3c-4b2a-9d6e-0f1e2d3c4b5a"),
    ] {
        assert_eq!(id(other.clone()), None, "{other}");
    }
}

#[test]
fn nonsense_in_other_fields_hides_nothing() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let event = call("AdminDisableUser").to_string();
    for nonsense in ["1e400", "123456789012345678901234567890", "\"\\ud800\"", &deep] {
        let text = event
            .replace("\"detail\":{", &format!("\"x\":{nonsense},\"detail\":{{\"x\":{nonsense},"))
            .replace("\"resources\":[]", &format!("\"resources\":{nonsense}"));
        assert_ne!(text, event);
        let heard = decoder().hear(&text, NOW).outcome;
        assert!(
            matches!(heard, Ok(Detection::AccountEvent(_))),
            "{}",
            &nonsense[..8.min(nonsense.len())]
        );
    }
    let endless = "{\"detail\":".repeat(10_000);
    for text in ["", "{", "nonsense", &endless, &event[..event.len() - 1]] {
        assert_eq!(decoder().hear(text, NOW).outcome, Err(Ignored::Unreadable));
    }
}
