//! Reads what a user pool sends its trigger, and says which change it announces.
//!
//! Real events are looser than their published form (numbers, booleans and nulls where texts are
//! promised, fields missing or new), so nothing is read but the few fields that are needed, and
//! whatever they hold is answered with a code. Refusals carry codes only: an event is full of a
//! person's data.

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why an event left no change behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum NotCaptured {
    /// It is not a trigger's event at all.
    #[error("unreadable")]
    Unreadable,
    /// It comes from a trigger that announces nothing to be captured.
    #[error("other-trigger")]
    OtherTrigger,
    /// It comes from a pool that is neither of the two.
    #[error("other-pool")]
    OtherPool,
    /// It does not say whose account it is about.
    #[error("no-sub")]
    NoSub,
}

impl NotCaptured {
    /// Whether somebody's change goes unnoticed by this, so that it has to be counted and alarmed.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Unreadable | Self::OtherPool | Self::NoSub => true,
            Self::OtherTrigger => false,
        }
    }

    /// What a person can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Unreadable => "capture is a user pool's trigger; see who else invokes it",
            Self::OtherTrigger => {
                "attach capture to PostConfirmation (and PostAuthentication) only"
            }
            Self::OtherPool => "detach capture from that pool, or correct bridge.toml",
            Self::NoSub => "nothing: the account is found by its next change or by the sweep",
        }
    }
}

/// What a trigger source announces: what is proved, and whether a password was set.
///
/// Compared by their beginnings, since sources have grown suffixes before.
const SOURCES: [(&str, Proof, bool); 3] = [
    // The account left UNCONFIRMED; its password was chosen at sign-up.
    ("PostConfirmation_ConfirmSignUp", Proof::Confirmed, true),
    ("PostConfirmation_ConfirmForgotPassword", Proof::Changed, true),
    // A sign-in changes nothing by itself, but finds drift early.
    ("PostAuthentication_Authentication", Proof::Hint, false),
];

/// The change that `event` announces, if it announces one that is to be captured. `now` is when the
/// deed is taken to have been done: the trigger fires after it. `nonce` becomes the change's id.
pub fn captured(
    event: &Value,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    post_authentication: bool,
) -> Result<Option<Change>, NotCaptured> {
    let source = event.get("triggerSource").ok_or(NotCaptured::Unreadable)?;
    let source = source.as_str().unwrap_or_default();
    let known = SOURCES.iter().find(|(known, ..)| source.starts_with(known));
    let Some((_, proof, password)) = known else { return Err(NotCaptured::OtherTrigger) };
    if *proof == Proof::Hint && !post_authentication {
        return Ok(None);
    }
    let pool = event.get("userPoolId").and_then(Value::as_str);
    let side = pools.iter().find(|(_, id)| Some(*id) == pool);
    let (side, _) = side.ok_or(NotCaptured::OtherPool)?;
    let sub = event.pointer("/request/userAttributes/sub").and_then(Value::as_str);
    // The username equals the `sub` in some pools and is an address in others: it is never taken.
    let sub = sub.and_then(|sub| Sub::try_from(sub).ok()).ok_or(NotCaptured::NoSub)?;
    let change =
        Change { side: *side, sub, at: now, proof: *proof, password: *password, id: nonce };
    Ok(Some(change))
}

/// [`captured`], from the event's own text. Only the fields that are needed are read, so that a
/// number that no program can hold, or nesting that no stack survives, elsewhere in the event hides
/// nothing.
pub fn captured_text(
    event: &str,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    post_authentication: bool,
) -> Result<Option<Change>, NotCaptured> {
    let top = fields(event).ok_or(NotCaptured::Unreadable)?;
    let text = |name: &str| {
        let value = top.get(name)?;
        serde_json::from_str::<String>(value.get()).ok().map(Value::String)
    };
    let sub = top
        .get("request")
        .and_then(|request| fields(request.get()))
        .and_then(|request| fields(request.get("userAttributes")?.get()))
        .and_then(|attributes| serde_json::from_str::<String>(attributes.get("sub")?.get()).ok());
    let mut reduced = Map::new();
    for name in ["triggerSource", "userPoolId"] {
        if top.contains_key(name) {
            reduced.insert(name.to_owned(), text(name).unwrap_or(Value::Null));
        }
    }
    let sub = sub.map_or(Value::Null, Value::String);
    reduced.insert("request".to_owned(), serde_json::json!({ "userAttributes": { "sub": sub } }));
    captured(&Value::Object(reduced), pools, now, nonce, post_authentication)
}

/// The fields of a JSON object, unread.
fn fields(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POOLS: [(Side, &str); 2] = [(Side::Old, "eu-west-1_A"), (Side::New, "us-east-1_B")];
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

    /// Both ways of reading must agree.
    fn read(event: &Value, hints: bool) -> Result<Option<Change>, NotCaptured> {
        let from_value = captured(event, &POOLS, Time(7), 9, hints);
        assert_eq!(from_value, captured_text(&event.to_string(), &POOLS, Time(7), 9, hints));
        from_value
    }

    #[test]
    fn each_source_announces_its_change() {
        let change = |proof, password| Change {
            side: Side::Old,
            sub: Sub::try_from(SUB).unwrap(),
            at: Time(7),
            proof,
            password,
            id: 9,
        };
        for (source, expected) in [
            ("PostConfirmation_ConfirmSignUp", change(Proof::Confirmed, true)),
            ("PostConfirmation_ConfirmForgotPassword", change(Proof::Changed, true)),
            ("PostConfirmation_ConfirmSignUp_V2", change(Proof::Confirmed, true)),
            ("PostAuthentication_Authentication", change(Proof::Hint, false)),
        ] {
            assert_eq!(read(&event(source), true), Ok(Some(expected)), "{source}");
        }
    }

    #[test]
    fn sign_ins_are_captured_only_where_the_team_wants_it() {
        assert_eq!(read(&event("PostAuthentication_Authentication"), false), Ok(None));
    }

    #[test]
    fn what_announces_nothing_has_a_code() {
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
            (event("PreSignUp_SignUp"), NotCaptured::OtherTrigger),
            (event(""), NotCaptured::OtherTrigger),
            (with("/triggerSource", json!(7)), NotCaptured::OtherTrigger),
            (with("/userPoolId", json!("us-east-1_C")), NotCaptured::OtherPool),
            (with("/userPoolId", json!(null)), NotCaptured::OtherPool),
            (without("", "userPoolId"), NotCaptured::OtherPool),
            (without(attributes, "sub"), NotCaptured::NoSub),
            (with("/request/userAttributes/sub", json!(null)), NotCaptured::NoSub),
            (with("/request/userAttributes/sub", json!(true)), NotCaptured::NoSub),
            (with("/request/userAttributes/sub", json!(36)), NotCaptured::NoSub),
            (with("/request/userAttributes/sub", json!("")), NotCaptured::NoSub),
            (with("/request/userAttributes/sub", json!(["a"])), NotCaptured::NoSub),
            (with(attributes, json!(null)), NotCaptured::NoSub),
            (with("/request", json!("x")), NotCaptured::NoSub),
            (without("", "triggerSource"), NotCaptured::Unreadable),
            (json!(null), NotCaptured::Unreadable),
            (json!("x"), NotCaptured::Unreadable),
            (json!([1, 2]), NotCaptured::Unreadable),
        ];
        for (event, expected) in table {
            assert_eq!(read(&event, true), Err(expected), "{event}");
        }
    }

    #[test]
    fn nonsense_elsewhere_in_the_event_hides_nothing() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for nonsense in ["1e400", "123456789012345678901234567890", "-0.0e-999", &deep] {
            let text = format!(
                r#"{{"triggerSource":"PostConfirmation_ConfirmSignUp","userPoolId":"eu-west-1_A",
                "x":{nonsense},"request":{{"y":{nonsense},"userAttributes":{{"sub":"{SUB}",
                "z":{nonsense}}}}}}}"#
            );
            let change = captured_text(&text, &POOLS, Time(7), 9, false);
            assert!(matches!(change, Ok(Some(_))), "{}", &nonsense[..8.min(nonsense.len())]);
        }
        for text in ["", "{", "nonsense", &"{\"a\":".repeat(10_000)] {
            let change = captured_text(text, &POOLS, Time(7), 9, false);
            assert_eq!(change, Err(NotCaptured::Unreadable));
        }
    }
}
