//! Decodes a `CloudTrail` event, as `EventBridge` delivers it, and extracts the change that it
//! reports.
//!
//! AWS guarantees little about these events. They arrive late, in any order, perhaps twice or not
//! at all. Values and usernames are hidden, and a call that a person makes with their own token
//! does not name its pool. So this module reads only the few fields that it needs, each from every
//! place where AWS is known to put it. An event that it cannot use gets a code.
//!
//! It never reads a username, hidden or in clear text: a person is identified by `sub` only.

mod fields;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use poolbridge_core::change::Evidence;
use poolbridge_core::names::Sub;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use thiserror::Error;

use poolbridge_config::operations::{Detects, Operation, PoolEvent};
use poolbridge_config::{Configuration, OwnCallers, TriggerSlot};
use poolbridge_core::account_event::{AccountEvent, EventPool};

use fields::Fields;

/// The prefix of a hidden value (the page "Amazon Cognito logging in AWS `CloudTrail`").
const HIDDEN: &str = "HIDDEN_";

/// The operation with which an administrator sets a person's password. Its `permanent` says whether
/// the person must choose another one at the next sign-in.
const BY_ADMINISTRATOR: &str = "AdminSetUserPassword";

/// `eventTime` shows only whole seconds, so the call happened before the end of that second. The
/// time is rounded up: if the call seemed older than it is, a read from before it could settle it.
const EVENT_TIME_RESOLUTION: Duration = Duration::from_millis(999);

/// Why an event leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub(crate) enum Ignored {
    /// It is not a `CloudTrail` event.
    #[error("unreadable")]
    Unreadable,
    /// It comes from another service.
    #[error("other-source")]
    OtherSource,
    /// The call failed.
    #[error("failed-call")]
    FailedCall,
    /// The call only reads.
    #[error("read-only")]
    ReadOnly,
    /// The bridge made the call.
    #[error("own-call")]
    OwnCall,
    /// It concerns a pool outside the bridge.
    #[error("other-pool")]
    OtherPool,
    /// The operation changes nothing that poolbridge copies.
    #[error("other-operation")]
    OtherOperation,
    /// The operation is unknown, and the event does not show that it concerns a person.
    #[error("no-person")]
    NoPerson,
    /// The event names no person, but a trigger reports the same change with its `sub`.
    #[error("told-by-trigger")]
    ToldByTrigger,
    /// The event names no person, and no sweep can find the account, because a password or a factor
    /// changed.
    #[error("unnamed")]
    Unnamed,
}

impl Ignored {
    /// Whether the event cannot be decoded. A change may stay undetected, so an alarm fires.
    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Unreadable)
    }

    /// Whether a change certainly stays undetected until the person changes something else.
    pub(crate) const fn is_unresolved(self) -> bool {
        matches!(self, Self::Unnamed)
    }

    /// What an operator can do about it.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::Unreadable => "trail is a target of EventBridge rules; see who else invokes it",
            Self::Unnamed => "look at one such event in the trail: it names no `sub`",
            Self::OtherSource
            | Self::FailedCall
            | Self::ReadOnly
            | Self::OwnCall
            | Self::OtherPool
            | Self::OtherOperation
            | Self::NoPerson
            | Self::ToldByTrigger => "nothing",
        }
    }
}

/// What an event reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Detection {
    /// A change of one account.
    AccountEvent(AccountEvent),
    /// A change of the pool itself.
    Pool {
        /// The pool.
        place: EventPool,
        /// What happened to it.
        event: PoolEvent,
        /// The latest possible time of the call; never later than now.
        at: Time,
    },
    /// Changes of accounts that the event does not name and that a sweep can find.
    Sweep {
        /// The pool.
        place: EventPool,
        /// Whether it concerns one account, which the event should have named.
        unnamed: bool,
    },
}

/// A decoded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrailEvent {
    /// The operation, as poolbridge's own table names it. No other part of an event belongs in a
    /// log.
    pub(crate) operation: &'static str,
    /// The pool, if the event names one of the two. This shows that the pool's trail works,
    /// whatever the event reports.
    pub(crate) pool: Option<Side>,
    /// The latest possible time of the call, if the event shows it.
    pub(crate) at: Option<Time>,
    /// What the event leads to.
    pub(crate) outcome: Result<Detection, Ignored>,
}

/// Decodes events, given the pools and the bridge's own callers.
#[derive(Clone, Debug)]
pub(crate) struct TrailDecoder {
    pools: BySide<(String, Option<String>)>,
    own: OwnCallers,
}

impl TrailDecoder {
    /// Decodes events of the pools in that configuration, except calls by `own_roles` and the
    /// configuration's `operator_roles`. Others may use a pool's `role_arn` too, so only calls by
    /// the bridge's own sessions under that role are ignored.
    pub(crate) fn new(configuration: &Configuration, own_roles: &[String]) -> Self {
        let pools = BySide::from_fn(|side| {
            let pool = configuration.pools.get(side);
            (pool.user_pool_id.clone(), pool.region().map(str::to_owned))
        });
        let assumed = Side::BOTH.map(|side| configuration.pools.get(side).role_arn.as_deref());
        let roles = own_roles.iter().chain(&configuration.operator_roles).cloned();
        let own = OwnCallers::new(&roles.collect::<Vec<_>>(), assumed.into_iter().flatten());
        Self { pools, own }
    }

    /// Decodes an event's text, received at `now`.
    pub(crate) fn hear(&self, event: &str, now: Time) -> TrailEvent {
        let mut hearing = TrailEvent {
            operation: "unknown",
            pool: None,
            at: None,
            outcome: Err(Ignored::Unreadable),
        };
        let Some(detail) = Fields::read(event).and_then(|envelope| envelope.object("detail"))
        else {
            return hearing;
        };
        let request = detail.object("requestParameters").unwrap_or_default();
        let challenge = request.text("challengeName");
        let Some(name) = detail.text("eventName") else { return hearing };
        let operation = Operation::find(&name, challenge.as_deref());
        hearing.operation = operation.map_or("unknown", |operation| operation.name);
        hearing.at = detail.text("eventTime").and_then(|text| moment(&text, now));
        let at = hearing.at.unwrap_or(now);
        let place = self.place(&detail, &request);
        if let Ok(EventPool::Pool(side)) = place {
            hearing.pool = Some(side);
        }
        hearing.outcome = self.outcome(&detail, &request, operation, place, at);
        hearing
    }

    fn outcome(
        &self,
        detail: &Fields<'_>,
        request: &Fields<'_>,
        operation: Option<&'static Operation>,
        place: Result<EventPool, Ignored>,
        at: Time,
    ) -> Result<Detection, Ignored> {
        // Other services also have a `ChangePassword` and a `CreateGroup`.
        let source = detail.text("eventSource");
        if source.is_some_and(|source| !source.starts_with("cognito-idp.")) {
            return Err(Ignored::OtherSource);
        }
        // The pages of managed login send an empty code for a success.
        if detail.is_given("errorCode") && detail.text("errorCode").as_deref() != Some("") {
            return Err(Ignored::FailedCall);
        }
        // Every operation in the table is known to change something, even a confirmation link,
        // which is a `GET`.
        if operation.is_none() && detail.is_true("readOnly") {
            return Err(Ignored::ReadOnly);
        }
        if detail.object("userIdentity").is_some_and(|identity| is_by(&self.own, &identity)) {
            return Err(Ignored::OwnCall);
        }
        let place = place?;
        let reported = operation.map_or(Detects::Hint, |operation| operation.detects);
        let evidence = match reported {
            Detects::Nothing | Detects::Read | Detects::Pool(PoolEvent::Unwatched) => {
                return Err(Ignored::OtherOperation);
            }
            Detects::Pool(event) => return Ok(Detection::Pool { place, event, at }),
            Detects::Many => return Ok(Detection::Sweep { place, unnamed: false }),
            Detects::Hint => Evidence::Hint,
            Detects::Changed => Evidence::Changed,
            Detects::Confirmed => Evidence::Confirmed,
            Detects::Deleted => Evidence::Deleted,
        };
        let Some(sub) = sub(detail, request) else {
            return unnamed(operation, request, place);
        };
        let administrator = operation.is_some_and(|it| it.name == BY_ADMINISTRATOR);
        // A temporary password is not the person's choice. If the parameter is hidden or missing,
        // apply decides by the account's status when it reads the account.
        let temporary = administrator && request.is_false("permanent");
        let password = operation.is_some_and(|operation| operation.password) && !temporary;
        let administrator = administrator && password;
        let id = detail.text("eventID").and_then(|text| identifier(&text));
        Ok(Detection::AccountEvent(AccountEvent {
            place,
            sub,
            at,
            evidence,
            password,
            administrator,
            id,
        }))
    }

    /// The pool that the event names in any place, otherwise the pools of its Region.
    fn place(&self, detail: &Fields<'_>, request: &Fields<'_>) -> Result<EventPool, Ignored> {
        let more = detail.object("additionalEventData").unwrap_or_default();
        let places = [
            request.text("userPoolId"),
            more.text("userPoolId"),
            more.object("requestParameters").and_then(|form| form.text("userPoolId")),
            detail.object("serviceEventDetails").and_then(|it| it.text("userPoolId")),
            detail.object("responseElements").and_then(|it| it.text("userPoolId")),
            detail.text("userPoolId"),
        ];
        let named = places.into_iter().flatten().find(|id| !id.starts_with(HIDDEN));
        if let Some(id) = named {
            let side = Side::BOTH.into_iter().find(|side| self.pools.get(*side).0 == id);
            return side.map(EventPool::Pool).ok_or(Ignored::OtherPool);
        }
        let region = detail.text("awsRegion");
        let possible = BySide::from_fn(|side| match (&region, &self.pools.get(side).1) {
            (Some(here), Some(there)) => here == there,
            (_, _) => true,
        });
        if possible.old || possible.new {
            return Ok(EventPool::Unsaid(possible));
        }
        Err(Ignored::OtherPool)
    }
}

/// The `sub` of the account, from every place where AWS is known to put it. A request to a page has
/// lists of texts.
fn sub(detail: &Fields<'_>, request: &Fields<'_>) -> Option<Sub> {
    let more = detail.object("additionalEventData").unwrap_or_default();
    let form = more.object("requestParameters").unwrap_or_default();
    let answer = detail.object("responseElements").unwrap_or_default();
    let places = [more, form, request.clone(), answer];
    let names = ["sub", "userSub", "UserSub"];
    let texts = places.iter().flat_map(|place| names.iter().filter_map(|name| place.text(name)));
    texts.filter(|text| is_sub(text)).find_map(|text| Sub::try_from(text.as_str()).ok())
}

/// A `sub` consists of these characters, but AWS does not promise that it is a UUID. Other text in
/// its place could be a name or an address, and must not reach a log.
fn is_sub(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    !text.starts_with(HIDDEN) && text.chars().all(plain)
}

/// The result for an event that names no account.
fn unnamed(
    operation: Option<&'static Operation>,
    request: &Fields<'_>,
    place: EventPool,
) -> Result<Detection, Ignored> {
    let Some(operation) = operation else {
        // Whether the event has a name or token at all; its value is not read.
        let names_person = ["username", "accessToken"].iter().any(|name| request.is_given(name));
        return if names_person {
            Ok(Detection::Sweep { place, unnamed: true })
        } else {
            Err(Ignored::NoPerson)
        };
    };
    // A posted form may have changed nothing. If it did, the trigger reports it.
    if operation.is_form() && operation.trigger == Some(TriggerSlot::PostConfirmation) {
        return Err(Ignored::ToldByTrigger);
    }
    if operation.sweep {
        Ok(Detection::Sweep { place, unnamed: true })
    } else {
        Err(Ignored::Unnamed)
    }
}

/// The time in a text, rounded up to the end of its second and never after `now`. A clock that is
/// fast must not create a change in the future.
fn moment(text: &str, now: Time) -> Option<Time> {
    let began = text.parse::<Timestamp>().ok()?.as_second();
    let began = Time(began.checked_mul(1_000)?);
    (began >= Time::ZERO).then(|| (began + EVENT_TIME_RESOLUTION).min(now))
}

/// The number of a UUID in its usual form.
fn identifier(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    let good = parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
    good.then(|| u128::from_str_radix(&parts.concat(), 16).ok()).flatten()
}

/// Whether the bridge made the call with that `userIdentity`.
fn is_by(own: &OwnCallers, identity: &Fields<'_>) -> bool {
    let issuer = identity.object("sessionContext");
    let issuer = issuer.and_then(|context| context.object("sessionIssuer"));
    let issuer = issuer.and_then(|issuer| issuer.text("arn"));
    let (arn, principal) = (identity.text("arn"), identity.text("principalId"));
    own.made(arn.as_deref(), issuer.as_deref(), principal.as_deref())
}
