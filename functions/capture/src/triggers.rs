//! Decodes the event that a user pool sends to its trigger, and extracts the change that it
//! announces.
//!
//! Real events differ from their published form: they have numbers, booleans and nulls in place of
//! texts, and missing or new fields. So this module reads only the few fields that it needs, and
//! answers unexpected values with a code. A refusal carries codes only, because an event is full of
//! a person's data.

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::guard::SignUpRequest;
use poolbridge_core::names::{AttributeName, Sub, Username};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use thiserror::Error;

use poolbridge_config::{Routes, TriggerSlot};

/// Why an event leads to no change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub(crate) enum NotAChange {
    /// It is not a trigger's event.
    #[error("unreadable")]
    Unreadable,
    /// Its trigger announces nothing that capture stores.
    #[error("other-trigger")]
    OtherTrigger,
    /// Its pool is neither of the two.
    #[error("other-pool")]
    OtherPool,
    /// It does not name its account.
    #[error("no-sub")]
    NoSub,
}

impl NotAChange {
    /// Whether a person's change may stay undetected, so that it must be counted and alarmed.
    pub(crate) const fn is_failure(self) -> bool {
        match self {
            Self::Unreadable | Self::OtherPool | Self::NoSub => true,
            Self::OtherTrigger => false,
        }
    }

    /// What an operator can do about it.
    pub(crate) const fn hint(self) -> &'static str {
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

/// Which hints are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Hints {
    /// Hints of sign-ins.
    pub(crate) post_authentication: bool,
    /// Hints of token generation, token refreshes included.
    pub(crate) pre_token_generation: bool,
    /// Hints of messages with the code for a new address.
    pub(crate) custom_message: bool,
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

/// The kind of an event that announces a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TriggerKind {
    /// The account left UNCONFIRMED; its password was chosen at sign-up.
    Confirmed,
    /// A person who had forgotten the password set a new one.
    NewPassword,
    /// A sign-in changes nothing itself, but helps to find differences early.
    SignIn,
    /// The same holds for token generation. Its event even shows the groups, which no other trigger
    /// does.
    Tokens,
    /// Cognito sends a code because an address is about to change. The trigger fires before the
    /// change, and does not show whether the change will happen. It does not fire if no message is
    /// sent.
    Address,
}

/// The announcement of each trigger source. Sources are in lower case and compared by prefix,
/// because AWS has added suffixes before.
///
/// The custom *senders* also see new addresses. They are not listed, because a function in a
/// sender's slot must deliver the code, and capture does not.
const SOURCES: [(&str, TriggerKind); 6] = [
    ("postconfirmation_confirmsignup", TriggerKind::Confirmed),
    ("postconfirmation_confirmforgotpassword", TriggerKind::NewPassword),
    ("postauthentication_authentication", TriggerKind::SignIn),
    ("tokengeneration_", TriggerKind::Tokens),
    ("custommessage_updateuserattribute", TriggerKind::Address),
    ("custommessage_verifyuserattribute", TriggerKind::Address),
];

/// A token for a program without a person, if the events before token generation have version
/// `V3_0` (the page "Pre token generation Lambda trigger"). No account could have changed.
const CLIENT_CREDENTIALS: &str = "tokengeneration_clientcredentials";

impl TriggerKind {
    fn of(source: &str) -> Option<Self> {
        // Sources are short. A long text is no source, and lower-casing it would waste time.
        let source = source.get(..source.len().min(64))?.to_ascii_lowercase();
        if source.starts_with(CLIENT_CREDENTIALS) {
            return None;
        }
        let mut known = SOURCES.iter().filter(|(known, _)| source.starts_with(known));
        known.next().map(|(_, kind)| *kind)
    }

    /// The evidence, and whether a password was set.
    const fn evidence(self) -> (Evidence, bool) {
        match self {
            Self::Confirmed => (Evidence::Confirmed, true),
            Self::NewPassword => (Evidence::Changed, true),
            Self::SignIn | Self::Tokens | Self::Address => (Evidence::Hint, false),
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

/// The parts of an event that decide its answer before the account is known.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Heading {
    /// The trigger's slot, if capture can be attached to it.
    pub(crate) slot: Option<TriggerSlot>,
    /// Whether a person is signing up, which the guard checks.
    pub(crate) signs_up: bool,
    /// Whether it concerns token generation, whose hints come often.
    pub(crate) tokens: bool,
    /// The pool that the event names.
    pub user_pool_id: Option<String>,
}

impl Heading {
    /// Decodes an event's text. A field that cannot be decoded is left out.
    pub(crate) fn of(event: &str) -> Self {
        let Some(top) = fields(event) else { return Self::default() };
        let source = text(&top, "triggerSource").unwrap_or_default();
        Self {
            slot: TriggerSlot::of_source(&source),
            signs_up: source.starts_with("PreSignUp_SignUp"),
            tokens: TriggerKind::of(&source) == Some(TriggerKind::Tokens),
            user_pool_id: text(&top, "userPoolId"),
        }
    }
}

/// The sign-up in the pool of that side, with the fields that are texts in the event.
pub(crate) fn request(event: &str, side: Side) -> Option<SignUpRequest> {
    let top = fields(event)?;
    let request = fields(top.get("request")?.get())?;
    let given = request.get("userAttributes").and_then(|given| fields(given.get()));
    let attribute = |(name, value): (String, &RawValue)| {
        let name = AttributeName::try_from(name.as_str()).ok()?;
        Some((name, serde_json::from_str::<String>(value.get()).ok()?))
    };
    Some(SignUpRequest {
        side,
        username: text(&top, "userName").and_then(|name| Username::try_from(name.as_str()).ok()),
        attributes: given.unwrap_or_default().into_iter().filter_map(attribute).collect(),
    })
}

/// The change that `event` announces, if capture wants it. `now` counts as the time of the change,
/// because the trigger fires after it. `nonce` becomes the change's id.
pub(crate) fn captured(
    event: &Value,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    hints: Hints,
) -> Result<Option<ChangeEvent>, NotAChange> {
    let source = event.get("triggerSource").ok_or(NotAChange::Unreadable)?;
    let kind = source.as_str().and_then(TriggerKind::of).ok_or(NotAChange::OtherTrigger)?;
    if !kind.wanted(hints) {
        return Ok(None);
    }
    let (evidence, password) = kind.evidence();
    let pool = event.get("userPoolId").and_then(Value::as_str);
    let side = pools.iter().find(|(_, id)| Some(*id) == pool);
    let (side, _) = side.ok_or(NotAChange::OtherPool)?;
    let sub = event.pointer("/request/userAttributes/sub").and_then(Value::as_str);
    // The username equals the `sub` in some pools and is an address in others, so it is never used.
    let sub = sub.and_then(|sub| Sub::try_from(sub).ok()).ok_or(NotAChange::NoSub)?;
    // No trigger fires for a password that an administrator sets.
    let (administrator, claimed) = (false, false);
    let (side, at, id) = (*side, now, nonce);
    Ok(Some(ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id }))
}

/// The same as [`captured`], from the event's own text. It decodes only the fields that it needs.
/// So a number that no program can hold, or nesting that overflows the stack, hides nothing
/// elsewhere in the event.
pub(crate) fn captured_text(
    event: &str,
    pools: &[(Side, &str)],
    now: Time,
    nonce: u128,
    hints: Hints,
) -> Result<Option<ChangeEvent>, NotAChange> {
    let top = fields(event).ok_or(NotAChange::Unreadable)?;
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

/// The fields of a JSON object, not decoded.
fn fields(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

/// One field's text, if it is a text.
fn text(fields: &BTreeMap<String, &RawValue>, name: &str) -> Option<String> {
    fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

#[cfg(test)]
mod tests;
