//! The queue message: a [`ChangeEvent`] as versioned JSON. It never holds an attribute value.
//!
//! ```json
//! {"v":1,"side":"old","sub":"…","at":1760000000000,"evidence":"changed","password":false,
//!  "id":"<32 hexadecimal digits>"}
//! ```
//!
//! Unknown fields are ignored, so an optional addition needs no new version. A malformed message
//! stays malformed, so apply records it and drops it. A message of a *newer* version returns to the
//! queue for a consumer that understands it.

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits::{MESSAGE_AHEAD_MAX, MESSAGE_BYTES_MAX};
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The version that poolbridge writes, and the newest that it reads.
pub const VERSION: u64 = 1;

/// The field that shows that an administrator set the password. It is left out otherwise.
const ADMINISTRATOR: &str = "administrator";

/// A decoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The change. Its password fields are claims.
    pub change: ChangeEvent,
    /// Whether its time was further ahead than any sender's clock can be ([`MESSAGE_AHEAD_MAX`]).
    /// The time then becomes now.
    pub from_the_future: bool,
}

/// Why a message cannot be decoded. It holds field names only, and no content of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Larger than any message of poolbridge.
    #[error("reading a message: it is larger than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not a JSON object.
    #[error("reading a message: it is not a JSON object")]
    NotJson,
    /// A newer version of poolbridge wrote it. It must be kept.
    #[error("reading a message: it is of version {0}, newer than {VERSION}")]
    Newer(u64),
    /// A field is missing.
    #[error("reading a message: field {0} is missing")]
    Missing(&'static str),
    /// A field has an invalid value.
    #[error("reading a message: field {0} is not what it must be")]
    Wrong(&'static str),
}

impl Malformed {
    /// The code for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotJson => "not-json",
            Self::Newer(_) => "newer",
            Self::Missing(_) => "missing-field",
            Self::Wrong(_) => "wrong-field",
        }
    }

    /// Whether no version will ever decode it, so that it may be dropped.
    pub const fn is_poison(self) -> bool {
        !matches!(self, Self::Newer(_))
    }
}

/// The body of the message for `change`.
pub fn encode(change: &ChangeEvent) -> String {
    let mut message = json!({
        "v": VERSION,
        "side": change.side.name(),
        "sub": change.sub.as_str(),
        "at": change.at.0,
        "evidence": change.evidence.name(),
        "password": change.password,
        "id": format!("{:032x}", change.id),
    });
    if change.administrator {
        message[ADMINISTRATOR] = json!(true);
    }
    message.to_string()
}

/// The change in a message's body, read at `now`.
pub fn decode(body: &str, now: Time) -> Result<ChangeEvent, Malformed> {
    read(body, now).map(|message| message.change)
}

/// Decodes a message's body at `now`. A time too far ahead becomes now, so that no captured change
/// is lost and none hides newer ones.
pub fn read(body: &str, now: Time) -> Result<Message, Malformed> {
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::TooLarge);
    }
    let value: Value = serde_json::from_str(body).map_err(|_| Malformed::NotJson)?;
    let Value::Object(message) = value else { return Err(Malformed::NotJson) };
    match field(&message, "v", Value::as_u64)? {
        VERSION => {}
        0 => return Err(Malformed::Wrong("v")),
        newer => return Err(Malformed::Newer(newer)),
    }
    let at = Time(field(&message, "at", Value::as_i64)?);
    if at < Time::ZERO {
        return Err(Malformed::Wrong("at"));
    }
    let from_the_future = at.since(now) > MESSAGE_AHEAD_MAX;
    let administrator = match message.get(ADMINISTRATOR) {
        None => false,
        Some(value) => value.as_bool().ok_or(Malformed::Wrong(ADMINISTRATOR))?,
    };
    let change = ChangeEvent {
        side: field(&message, "side", |value| Side::from_name(value.as_str()?))?,
        sub: field(&message, "sub", |value| Sub::try_from(value.as_str()?).ok())?,
        at: if from_the_future { now } else { at },
        evidence: field(&message, "evidence", |value| Evidence::from_name(value.as_str()?))?,
        password: field(&message, "password", Value::as_bool)?,
        administrator,
        claimed: true,
        id: field(&message, "id", |value| identifier(value.as_str()?))?,
    };
    Ok(Message { change, from_the_future })
}

fn field<T>(
    message: &Map<String, Value>,
    name: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, Malformed> {
    let value = message.get(name).ok_or(Malformed::Missing(name))?;
    read(value).ok_or(Malformed::Wrong(name))
}

fn identifier(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time(1_760_000_000_000);

    fn changes() -> impl Strategy<Value = ChangeEvent> {
        let sub = "[!-~]{1,128}|[a-z][ é\"\\\\/]{1,20}[0-9]";
        let at = 0..=NOW.0 + 300_000;
        let evidence = prop::sample::select(Evidence::ALL.to_vec());
        let side = prop::sample::select(Side::BOTH.to_vec());
        let passwords = any::<(bool, bool)>();
        (side, sub, at, evidence, passwords, any::<u128>()).prop_map(
            |(side, sub, at, evidence, (password, administrator), id)| {
                let (sub, at) = (Sub::try_from(sub.as_str()).unwrap(), Time(at));
                ChangeEvent { side, sub, at, evidence, password, administrator, claimed: true, id }
            },
        )
    }

    fn good() -> Map<String, Value> {
        let text = r#"{"v":1,"side":"old","sub":"s","at":123,"evidence":"changed","password":false,
            "id":"000000000000000000000000000000ff"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn read(message: &Map<String, Value>) -> Result<ChangeEvent, Malformed> {
        decode(&Value::Object(message.clone()).to_string(), NOW)
    }

    proptest! {
        #[test]
        fn a_message_reads_back_unchanged(change in changes()) {
            let body = encode(&change);
            prop_assert!(body.len() < MESSAGE_BYTES_MAX);
            prop_assert_eq!(decode(&body, NOW), Ok(change));
        }

        #[test]
        fn no_body_causes_a_panic(body in any::<String>()) {
            let _ = decode(&body, NOW);
        }

        #[test]
        fn no_damaged_message_causes_a_panic(change in changes(), cut in 0usize..300, put in ".?") {
            let mut letters: Vec<char> = encode(&change).chars().collect();
            let cut = cut % letters.len();
            letters.splice(cut..=cut, put.chars());
            let _ = decode(&letters.into_iter().collect::<String>(), NOW);
        }

        #[test]
        fn invariant_09_an_error_never_repeats_the_message(
            name in prop::sample::select(
                vec!["v", "side", "sub", "at", "evidence", "password", "id"]
            ),
        ) {
            let mut message = good();
            message.insert(name.to_owned(), json!({"QQ-private-QQ": ["QQ-private-QQ\u{7}"]}));
            let error = read(&message).unwrap_err();
            prop_assert_eq!(error, Malformed::Wrong(name));
            let printed = format!("{error} {error:?} {}", error.code());
            prop_assert!(!printed.contains("QQ"));
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        for name in ["v", "side", "sub", "at", "evidence", "password", "id"] {
            let mut message = good();
            message.remove(name);
            assert_eq!(read(&message), Err(Malformed::Missing(name)));
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        let wrong = [
            ("v", json!(0)),
            ("v", json!("1")),
            ("v", json!(-1)),
            ("side", json!("Old")),
            ("sub", json!("")),
            ("sub", json!("x".repeat(129))),
            ("at", json!(1.5)),
            ("at", json!(-1)),
            ("at", json!(u64::MAX)),
            ("evidence", json!("perhaps")),
            ("password", json!("false")),
            ("password", json!(null)),
            ("administrator", json!("true")),
            ("id", json!("ff")),
            ("id", json!("+0000000000000000000000000000001")),
        ];
        for (name, value) in wrong {
            let mut message = good();
            message.insert(name.to_owned(), value);
            assert_eq!(read(&message), Err(Malformed::Wrong(name)), "{message:?}");
        }
    }

    #[test]
    fn a_time_minutes_ahead_is_kept_and_a_later_one_becomes_now() {
        let at = |ahead: i64| {
            let mut message = good();
            message.insert("at".to_owned(), json!(NOW.0 + ahead));
            let body = Value::Object(message).to_string();
            let message = super::read(&body, NOW).unwrap();
            (message.change.at.0 - NOW.0, message.from_the_future)
        };
        assert_eq!([at(-5), at(0), at(300_000)], [(-5, false), (0, false), (300_000, false)]);
        assert_eq!([at(300_001), at(86_400_000)], [(0, true), (0, true)]);
    }

    #[test]
    fn a_message_alone_only_claims_that_a_password_was_set() {
        let sub = Sub::try_from("s").unwrap();
        let (side, at, evidence) = (Side::Old, Time(1), Evidence::Changed);
        let (password, administrator, claimed) = (true, true, false);
        let change =
            ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id: 7 };
        let read = decode(&encode(&change), NOW).unwrap();
        assert_eq!(read, ChangeEvent { claimed: true, ..change });
    }

    #[test]
    fn a_newer_version_is_never_dropped_as_undecodable() {
        let error = decode(r#"{"v":2,"who":"knows"}"#, NOW).unwrap_err();
        assert_eq!(error, Malformed::Newer(2));
        assert!(!error.is_poison());
        assert!(Malformed::NotJson.is_poison());
    }

    #[test]
    fn an_unknown_field_is_ignored() {
        let mut message = good();
        message.insert("later".to_owned(), json!("addition"));
        assert!(read(&message).is_ok());
    }

    #[test]
    fn a_message_that_is_too_large_is_not_parsed() {
        let body = " ".repeat(MESSAGE_BYTES_MAX + 1);
        assert_eq!(decode(&body, NOW), Err(Malformed::TooLarge));
        for body in ["", "null", "[]", "7", "{", "\"text\"", "{\"v\":1"] {
            assert_eq!(decode(body, NOW), Err(Malformed::NotJson), "{body}");
        }
    }
}
