//! Reads an event of `CloudTrail`, as `EventBridge` delivers it, and says which change it tells of.
//!
//! AWS promises little of these events: they come late, in any order, perhaps twice or not at all;
//! values and usernames are hidden; a call that a person makes for themselves does not say in which
//! pool. So they are read as loosely as can be: nothing but the few fields that are needed, each
//! from wherever it was ever seen, and whatever else they hold is neither read nor minded. What
//! cannot be used has a code.
//!
//! A username is never read, neither hidden nor in clear: people are known by `sub` alone.

mod caller;
mod fields;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use poolbridge_core::change::Proof;
use poolbridge_core::names::Sub;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use thiserror::Error;

use crate::config::{Configuration, TriggerSlot};
use crate::operations::{Operation, PoolEvent, Told};

pub use caller::{OwnCallers, is_role, role_of};
use fields::Fields;

/// What stands where a value is hidden (the page "Amazon Cognito logging in AWS `CloudTrail`").
const HIDDEN: &str = "HIDDEN_";

/// The operation by which an administrator sets somebody's password. Its `permanent` says whether the
/// person has to choose another one at the next sign-in.
const BY_ADMINISTRATOR: &str = "AdminSetUserPassword";

/// The beginning of the moment's second is all that `eventTime` tells, so the deed was done before
/// its end. Rounded up: a deed taken for older than it is would be settled by a read that was made
/// before it.
const EVENT_TIME_RESOLUTION: Duration = Duration::from_millis(999);

/// Why an event leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum NotHeard {
    /// It is not an event of the trail at all.
    #[error("unreadable")]
    Unreadable,
    /// It tells of another service.
    #[error("other-source")]
    OtherSource,
    /// The call failed.
    #[error("failed-call")]
    FailedCall,
    /// Nothing was to be changed.
    #[error("read-only")]
    ReadOnly,
    /// The bridge did it.
    #[error("own-call")]
    OwnCall,
    /// It was done in a pool that is neither of the two.
    #[error("other-pool")]
    OtherPool,
    /// It changes nothing that travels.
    #[error("other-operation")]
    OtherOperation,
    /// An operation that we do not know, of which nothing says that it is about a person.
    #[error("no-person")]
    NoPerson,
    /// Nobody is named, and a trigger tells of the same deed, with a name.
    #[error("told-by-trigger")]
    ToldByTrigger,
    /// Nobody is named, and no sweep can find out whose it is: a password or a factor.
    #[error("unnamed")]
    Unnamed,
}

impl NotHeard {
    /// Whether the event cannot be understood: something may go unnoticed, so it is alarmed.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Unreadable)
    }

    /// Whether something certainly goes unnoticed until the person does something else.
    pub const fn is_unresolved(self) -> bool {
        matches!(self, Self::Unnamed)
    }

    /// What a person can do about it.
    pub const fn hint(self) -> &'static str {
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

/// Where a deed was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this pool.
    Pool(Side),
    /// The event does not say; these pools are in its Region. At least one is.
    Unsaid(BySide<bool>),
}

impl Place {
    /// The pools that it can have been.
    pub fn sides(self) -> impl Iterator<Item = Side> {
        Side::BOTH.into_iter().filter(move |side| match self {
            Self::Pool(this) => this == *side,
            Self::Unsaid(possible) => *possible.get(*side),
        })
    }
}

/// A deed to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Where.
    pub place: Place,
    /// Whose account.
    pub sub: Sub,
    /// When, at the latest; never later than now.
    pub at: Time,
    /// What is certain, if the place is.
    pub proof: Proof,
    /// A password was set, and not said to be a temporary one.
    pub password: bool,
    /// An administrator set it.
    pub administrator: bool,
    /// The event's own id, where it has one. A second delivery of the same event is the same
    /// capture, so the queue may take it for one (R13): either what the first delivery left
    /// behind still stands, or it was worked off by looking at the account after the deed.
    pub id: Option<u128>,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Of one account.
    Deed(Deed),
    /// Of the pool itself.
    Pool {
        /// Where.
        place: Place,
        /// What became of it.
        event: PoolEvent,
        /// When, at the latest; never later than now.
        at: Time,
    },
    /// Of accounts that it does not name, which a sweep can find.
    Sweep {
        /// Where.
        place: Place,
        /// One account is meant, and should have been named.
        unnamed: bool,
    },
}

/// An event, listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// The operation, as our own table names it; nothing else of an event is fit for a log.
    pub operation: &'static str,
    /// The pool, if the event names one of ours: its trail is alive, whatever the event tells.
    pub pool: Option<Side>,
    /// When the deed was done, at the latest, if the event says so.
    pub at: Option<Time>,
    /// What to do about it.
    pub outcome: Result<Heard, NotHeard>,
}

/// Who listens: what is to be known beforehand.
#[derive(Clone, Debug)]
pub struct Listener {
    pools: BySide<(String, Option<String>)>,
    own: OwnCallers,
}

impl Listener {
    /// Listens for the pools of that configuration, and not to what `own_roles` and the
    /// configuration's `operator_roles` do. A pool's `role_arn` may serve others too, so of its calls
    /// only our own sessions' are.
    pub fn new(configuration: &Configuration, own_roles: &[String]) -> Self {
        let pools = BySide::from_fn(|side| {
            let pool = configuration.pools.get(side);
            (pool.user_pool_id.clone(), pool.region().map(str::to_owned))
        });
        let assumed = Side::BOTH.map(|side| configuration.pools.get(side).role_arn.as_deref());
        let roles = own_roles.iter().chain(&configuration.operator_roles).cloned();
        let own = OwnCallers::new(&roles.collect::<Vec<_>>(), assumed.into_iter().flatten());
        Self { pools, own }
    }

    /// What an event's text tells at `now`.
    pub fn hear(&self, event: &str, now: Time) -> Hearing {
        let mut hearing = Hearing {
            operation: "unknown",
            pool: None,
            at: None,
            outcome: Err(NotHeard::Unreadable),
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
        if let Ok(Place::Pool(side)) = place {
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
        place: Result<Place, NotHeard>,
        at: Time,
    ) -> Result<Heard, NotHeard> {
        // Other services have a `ChangePassword` and a `CreateGroup` as well.
        let source = detail.text("eventSource");
        if source.is_some_and(|source| !source.starts_with("cognito-idp.")) {
            return Err(NotHeard::OtherSource);
        }
        // The pages of managed login answer with an empty code where all went well.
        if detail.is_given("errorCode") && detail.text("errorCode").as_deref() != Some("") {
            return Err(NotHeard::FailedCall);
        }
        // What the table knows is known to change something: a link that confirms is a `GET`.
        if operation.is_none() && detail.is_true("readOnly") {
            return Err(NotHeard::ReadOnly);
        }
        if detail.object("userIdentity").is_some_and(|identity| self.own.did(&identity)) {
            return Err(NotHeard::OwnCall);
        }
        let place = place?;
        let told = operation.map_or(Told::Hint, |operation| operation.told);
        let proof = match told {
            Told::Nothing | Told::Read | Told::Pool(PoolEvent::Unwatched) => {
                return Err(NotHeard::OtherOperation);
            }
            Told::Pool(event) => return Ok(Heard::Pool { place, event, at }),
            Told::Many => return Ok(Heard::Sweep { place, unnamed: false }),
            Told::Hint => Proof::Hint,
            Told::Changed => Proof::Changed,
            Told::Confirmed => Proof::Confirmed,
            Told::Deleted => Proof::Deleted,
        };
        let Some(sub) = sub(detail, request) else {
            return unnamed(operation, request, place);
        };
        let administrator = operation.is_some_and(|it| it.name == BY_ADMINISTRATOR);
        // A temporary password is nobody's choice. Where the parameter is hidden or missing, the
        // account's status tells, once it is read.
        let temporary = administrator && request.is_false("permanent");
        let password = operation.is_some_and(|operation| operation.password) && !temporary;
        let administrator = administrator && password;
        let id = detail.text("eventID").and_then(|text| identifier(&text));
        Ok(Heard::Deed(Deed { place, sub, at, proof, password, administrator, id }))
    }

    /// The pool that is named anywhere, else those of the event's Region.
    fn place(&self, detail: &Fields<'_>, request: &Fields<'_>) -> Result<Place, NotHeard> {
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
            return side.map(Place::Pool).ok_or(NotHeard::OtherPool);
        }
        let region = detail.text("awsRegion");
        let possible = BySide::from_fn(|side| match (&region, &self.pools.get(side).1) {
            (Some(here), Some(there)) => here == there,
            (_, _) => true,
        });
        if possible.old || possible.new {
            return Ok(Place::Unsaid(possible));
        }
        Err(NotHeard::OtherPool)
    }
}

/// Whose account it is, from wherever that was ever seen to stand. What a page was sent is a list
/// of texts.
fn sub(detail: &Fields<'_>, request: &Fields<'_>) -> Option<Sub> {
    let more = detail.object("additionalEventData").unwrap_or_default();
    let form = more.object("requestParameters").unwrap_or_default();
    let answer = detail.object("responseElements").unwrap_or_default();
    let places = [more, form, request.clone(), answer];
    let names = ["sub", "userSub", "UserSub"];
    let texts = places.iter().flat_map(|place| names.iter().filter_map(|name| place.text(name)));
    texts.filter(|text| is_sub(text)).find_map(|text| Sub::try_from(text.as_str()).ok())
}

/// A `sub` is made of these letters; it is not promised to be a UUID. Anything else that stands in
/// its place might be a name or an address, and has no business in a log.
fn is_sub(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    !text.starts_with(HIDDEN) && text.chars().all(plain)
}

/// What an event is worth that names nobody.
fn unnamed(
    operation: Option<&'static Operation>,
    request: &Fields<'_>,
    place: Place,
) -> Result<Heard, NotHeard> {
    let Some(operation) = operation else {
        // Whether there is a name, and not what it is.
        let somebody = ["username", "accessToken"].iter().any(|name| request.is_given(name));
        return if somebody {
            Ok(Heard::Sweep { place, unnamed: true })
        } else {
            Err(NotHeard::NoPerson)
        };
    };
    // Whoever posts a form need not have done anything; the trigger tells if they did.
    if operation.is_form() && operation.trigger == Some(TriggerSlot::PostConfirmation) {
        return Err(NotHeard::ToldByTrigger);
    }
    if operation.sweep { Ok(Heard::Sweep { place, unnamed: true }) } else { Err(NotHeard::Unnamed) }
}

/// The moment that a text says, rounded up to the end of its second and never after `now`. A clock
/// that runs ahead of ours must not make a change that waits for the future.
fn moment(text: &str, now: Time) -> Option<Time> {
    let began = text.parse::<Timestamp>().ok()?.as_second();
    let began = Time(began.checked_mul(1_000)?);
    (began >= Time::ZERO).then(|| (began + EVENT_TIME_RESOLUTION).min(now))
}

/// The number of a UUID, in its usual form.
fn identifier(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    let good = parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
    good.then(|| u128::from_str_radix(&parts.concat(), 16).ok()).flatten()
}
