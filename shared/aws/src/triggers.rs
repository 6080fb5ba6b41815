//! Reads what a user pool sends its trigger, and says which change it announces.
//!
//! Real events are looser than their published form (numbers, booleans and nulls where texts are
//! promised, fields missing or new), so nothing is read but the few fields that are needed, and
//! whatever they hold is answered with a code. Refusals carry codes only: an event is full of a
//! person's data.

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::guard::Newcomer;
use poolbridge_core::names::{AttributeName, Sub, Username};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use thiserror::Error;

use crate::config::{Routes, TriggerSlot};

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
                "nothing, where `poolbridge attach` put capture; otherwise attach it as that does"
            }
            Self::OtherPool => "detach capture from that pool, or correct bridge.toml",
            Self::NoSub => "nothing: the account is found by its next change or by the sweep",
        }
    }
}

/// Which hints are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hints {
    /// Those of sign-ins.
    pub post_authentication: bool,
    /// Those of the making of tokens, at refreshes too.
    pub pre_token_generation: bool,
    /// Those of messages with the code for a new address.
    pub custom_message: bool,
}

impl From<&Routes> for Hints {
    fn from(routes: &Routes) -> Self {
        Self {
            post_authentication: routes.post_authentication,
            pre_token_generation: routes.pre_token_generation,
            custom_message: routes.custom_message,
        }
    }
}

/// What kind of event it is that announces something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The account left UNCONFIRMED; its password was chosen at sign-up.
    Confirmed,
    /// A new password was set by somebody who had forgotten theirs.
    NewPassword,
    /// A sign-in changes nothing by itself, but finds drift early.
    SignIn,
    /// So does the making of tokens; the event even shows the groups, which nothing else tells of.
    Tokens,
    /// A code is sent because an address is about to change. It fires before the change, and says
    /// nothing of whether that will come about; and not at all where no message is sent.
    Address,
}

/// What a trigger source announces. In lower case, and compared by their beginnings: sources have
/// grown suffixes before.
///
/// The custom *senders* tell of new addresses too, and are not here: whoever stands in a sender's
/// slot has to deliver the code, and capture does not.
const SOURCES: [(&str, Kind); 6] = [
    ("postconfirmation_confirmsignup", Kind::Confirmed),
    ("postconfirmation_confirmforgotpassword", Kind::NewPassword),
    ("postauthentication_authentication", Kind::SignIn),
    ("tokengeneration_", Kind::Tokens),
    ("custommessage_updateuserattribute", Kind::Address),
    ("custommessage_verifyuserattribute", Kind::Address),
];

/// A token for a program and not for a person, where the events before tokens have version `V3_0`
/// (the page "Pre token generation Lambda trigger"): there is no account that could have changed.
const NOBODY: &str = "tokengeneration_clientcredentials";

impl Kind {
    fn of(source: &str) -> Option<Self> {
        // Sources are short; a long text is none, and is not worth folding.
        let source = source.get(..source.len().min(64))?.to_ascii_lowercase();
        if source.starts_with(NOBODY) {
            return None;
        }
        let mut known = SOURCES.iter().filter(|(known, _)| source.starts_with(known));
        known.next().map(|(_, kind)| *kind)
    }

    /// What is proved, and whether a password was set.
    const fn proof(self) -> (Proof, bool) {
        match self {
            Self::Confirmed => (Proof::Confirmed, true),
            Self::NewPassword => (Proof::Changed, true),
            Self::SignIn | Self::Tokens | Self::Address => (Proof::Hint, false),
        }
    }

    const fn wanted(self, hints: Hints) -> bool {
        match self {
            Self::Confirmed | Self::NewPassword => true,
            Self::Address => hints.custom_message,
            Self::SignIn => hints.post_authentication,
            Self::Tokens => hints.pre_token_generation,
        }
    }
}

/// What of an event decides how it is answered, before anything is known of an account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Heading {
    /// The slot that the trigger stands in, if capture can have one like it.
    pub slot: Option<TriggerSlot>,
    /// Whether somebody is signing up by themselves: what the guard judges.
    pub signs_up: bool,
    /// Whether it is about the making of tokens, whose hints come often.
    pub tokens: bool,
    /// The pool that it says it comes from.
    pub user_pool_id: Option<String>,
}

impl Heading {
    /// Reads an event's text. What cannot be read is left out.
    pub fn of(event: &str) -> Self {
        let Some(top) = fields(event) else { return Self::default() };
        let source = text(&top, "triggerSource").unwrap_or_default();
        Self {
            slot: TriggerSlot::of_source(&source),
            signs_up: source.starts_with("PreSignUp_SignUp"),
            tokens: Kind::of(&source) == Some(Kind::Tokens),
            user_pool_id: text(&top, "userPoolId"),
        }
    }
}

/// Who is signing up in the pool of that side, as far as the event's text says it in words.
pub fn newcomer(event: &str, side: Side) -> Option<Newcomer> {
    let top = fields(event)?;
    let request = fields(top.get("request")?.get())?;
    let given = request.get("userAttributes").and_then(|given| fields(given.get()));
    let attribute = |(name, value): (String, &RawValue)| {
        let name = AttributeName::try_from(name.as_str()).ok()?;
        Some((name, serde_json::from_str::<String>(value.get()).ok()?))
    };
    Some(Newcomer {
        side,
        username: text(&top, "userName").and_then(|name| Username::try_from(name.as_str()).ok()),
        attributes: given.unwrap_or_default().into_iter().filter_map(attribute).collect(),
    })
}

/// The change that `event` announces, if it announces one that is to be captured. `now` is when the
/// deed is taken to have been done: the trigger fires after it. `nonce` becomes the change's id.
pub fn captured(
    event: &Value,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    hints: Hints,
) -> Result<Option<Change>, NotCaptured> {
    let source = event.get("triggerSource").ok_or(NotCaptured::Unreadable)?;
    let kind = source.as_str().and_then(Kind::of).ok_or(NotCaptured::OtherTrigger)?;
    if !kind.wanted(hints) {
        return Ok(None);
    }
    let (proof, password) = kind.proof();
    let pool = event.get("userPoolId").and_then(Value::as_str);
    let side = pools.iter().find(|(_, id)| Some(*id) == pool);
    let (side, _) = side.ok_or(NotCaptured::OtherPool)?;
    let sub = event.pointer("/request/userAttributes/sub").and_then(Value::as_str);
    // The username equals the `sub` in some pools and is an address in others: it is never taken.
    let sub = sub.and_then(|sub| Sub::try_from(sub).ok()).ok_or(NotCaptured::NoSub)?;
    // No trigger fires for a password that an administrator sets.
    let (administrator, claimed) = (false, false);
    let (side, at, id) = (*side, now, nonce);
    Ok(Some(Change { side, sub, at, proof, password, administrator, claimed, id }))
}

/// [`captured`], from the event's own text. Only the fields that are needed are read, so that a
/// number that no program can hold, or nesting that no stack survives, elsewhere in the event hides
/// nothing.
pub fn captured_text(
    event: &str,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    hints: Hints,
) -> Result<Option<Change>, NotCaptured> {
    let top = fields(event).ok_or(NotCaptured::Unreadable)?;
    let sub = top
        .get("request")
        .and_then(|request| fields(request.get()))
        .and_then(|request| fields(request.get("userAttributes")?.get()))
        .and_then(|attributes| serde_json::from_str::<String>(attributes.get("sub")?.get()).ok());
    let mut reduced = Map::new();
    for name in ["triggerSource", "userPoolId"] {
        if top.contains_key(name) {
            let value = text(&top, name).map_or(Value::Null, Value::String);
            reduced.insert(name.to_owned(), value);
        }
    }
    let sub = sub.map_or(Value::Null, Value::String);
    reduced.insert("request".to_owned(), serde_json::json!({ "userAttributes": { "sub": sub } }));
    captured(&Value::Object(reduced), pools, now, nonce, hints)
}

/// The fields of a JSON object, unread.
fn fields(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

/// One field's text, if it is a text.
fn text(fields: &BTreeMap<String, &RawValue>, name: &str) -> Option<String> {
    fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

#[cfg(test)]
mod tests;
