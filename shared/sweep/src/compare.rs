//! Whether a listed account is a reason to send a hint to apply. Pure.
//!
//! The sweep compares each pool's listing with the baseline, and reads no account, because a read
//! makes its person a billed monthly user of that pool. A listing may be stale, and shows neither
//! memberships nor factors, so it proves nothing. apply reads the accounts that differ.

use poolbridge_core::account::{Account, Status};
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::limits::DATE_RESOLUTION;
use poolbridge_core::mapping::Ways;
use poolbridge_core::names::GroupName;
use poolbridge_core::plan::Observation;
use poolbridge_core::policy::{Policy, StalePasswords};
use poolbridge_core::profile::{Field, FieldState, Profile, Value};
use poolbridge_core::record::{
    Baseline, KnownAccount, Past, PersonRecord, PersonState, RepeatedFailure,
};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// The revision of a record that was created and has not been written since.
const FIRST_REVISION: u64 = 1;

/// The input of the comparison of one listed account.
#[derive(Clone, Copy, Debug)]
pub struct CompareInput<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The pool that was listed.
    pub side: Side,
    /// The record of the person who owns the account.
    pub record: &'a PersonRecord,
    /// The current time.
    pub now: Time,
}

/// The latest time of any change that the listing shows for this account.
pub fn done_by(account: &Account, now: Time) -> Time {
    now.min(account.modified + DATE_RESOLUTION)
}

/// Whether this account of a known person is a reason for a hint.
pub fn differs(input: &CompareInput<'_>, observation: &Observation) -> bool {
    let CompareInput { side, record, .. } = *input;
    let Some(known) = comparable(input, observation) else { return false };
    if known.gone.is_some() || has_open_work(input) || keeps_failing(record) {
        return true;
    }
    let modified = is_modified(known, &observation.account);
    // The worker that created the record died before its first write; the message may be lost.
    let never_written = record.revision == FIRST_REVISION;
    let baseline = match &record.baseline {
        _ if record.only_side() == Some(side) => return modified || never_written,
        None => return modified || !is_held(record),
        Some(_) if record.state == PersonState::Waiting => return true,
        Some(baseline) => baseline,
    };
    let not_blocked = |field: &Field| !record.blocked_fields.contains_key(field);
    if modified && observation.unsayable.keys().any(not_blocked) {
        return true;
    }
    let fields = observation.profile.present().map(|(field, _)| field);
    fields
        .chain(baseline.fields.keys())
        .any(|field| field_differs(input, baseline, field, &observation.profile, modified))
}

/// The other account of this person, if an observation missed it and apply has not finished what
/// follows from that. No listing shows it, so the listing of this account leads to it. An
/// observation that finds no account bills no person.
pub fn missed<'a>(input: &CompareInput<'a>) -> Option<&'a KnownAccount> {
    let CompareInput { side, record, now, .. } = *input;
    let busy = record.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let owed = record.tombstone.as_ref().is_some_and(|tombstone| tombstone.owed.is_some());
    let open = !busy && (record.state != PersonState::Deleted || owed);
    let other = record.accounts.get(side.other()).as_ref();
    other.filter(|known| open && known.gone.is_some())
}

/// Whether an unknown account is a reason for a hint: only if it was created or changed since the
/// bridge exists. Reads of all the older accounts, which have not signed in since, would bill every
/// person; the backfill is for them.
pub fn is_news(account: &Account, known_since: Time) -> bool {
    account.status != Status::Unconfirmed && account.created.max(account.modified) >= known_since
}

/// Whether a member that a group's listing shows, of a person who takes part, is news: the baseline
/// does not contain the membership.
pub fn joined(input: &CompareInput<'_>, group: &GroupName) -> bool {
    let CompareInput { policy, keys, side, record, .. } = *input;
    let field = Field::Group(group.clone());
    let (Some(baseline), Some(rule)) = (&record.baseline, policy.mapping.revision(&field)) else {
        return false;
    };
    let is = |fingerprint| {
        keys.is(&record.salt, &field, &FieldState::Present(Value::Flag(true)), fingerprint)
    };
    // The field is blocked, and the reason is already recorded for this very membership. The record
    // holds no value for the pool that could not be written.
    let blocked_field = record.blocked_fields.get(&field);
    if blocked_field
        .is_some_and(|blocked_field| blocked_field.side == side || is(blocked_field.value))
    {
        return false;
    }
    match baseline.past(&field, rule) {
        Past::Never => true,
        Past::Was(base) => !is(base.fingerprint),
    }
}

/// The groups that this person is in, by the baseline of both pools.
pub fn memberships<'a>(
    policy: &Policy,
    record: &'a PersonRecord,
) -> impl Iterator<Item = &'a GroupName> {
    let fields = record.baseline.iter().flat_map(|baseline| &baseline.fields);
    fields.filter_map(|(field, base)| match field {
        Field::Group(group) if base.fingerprint.is_some() => {
            (policy.mapping.revision(field) == Some(base.rule)).then_some(group)
        }
        Field::Group(_)
        | Field::Enabled
        | Field::Email
        | Field::Phone
        | Field::Attribute(_)
        | Field::Factor(_) => None,
    })
}

/// Whether a pass that began at `began` may report one of this person's accounts as missing: both
/// accounts were known before it, and neither is known to be gone.
pub fn takes_part(record: &PersonRecord, began: Time) -> bool {
    let there = |known: &Option<KnownAccount>| known.as_ref().is_some_and(|it| it.gone.is_none());
    record.state != PersonState::Deleted
        && there(&record.accounts.old)
        && there(&record.accounts.new)
        && record.linked.is_none_or(|linked| linked < began)
}

/// The known account, unless a worker processes the person now, or this listing concerns another
/// account or a person who needs no comparison.
fn comparable<'a>(input: &CompareInput<'a>, observation: &Observation) -> Option<&'a KnownAccount> {
    let CompareInput { side, record, now, .. } = *input;
    let busy = record.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let gone = record.accounts.get(side.other()).as_ref().is_some_and(|it| it.gone.is_some());
    let skipped = record.state == PersonState::Deleted || busy || gone;
    let unconfirmed = observation.account.status == Status::Unconfirmed;
    let known = record.accounts.get(side).as_ref().filter(|it| it.sub == observation.account.sub);
    known.filter(|_| !skipped && !unconfirmed)
}

/// Whether work was begun and not ended, and no worker can continue it.
fn has_open_work(input: &CompareInput<'_>) -> bool {
    let CompareInput { policy, record, now, .. } = *input;
    let intent = record.intent.as_ref().is_some_and(|intent| intent.until < now);
    let creation = record.creation.as_ref().is_some_and(|creation| creation.until < now);
    let close = policy.stale_passwords == StalePasswords::Close;
    let password =
        record.owes_password.is_some() || record.passwords.is_work_left(record.linked, close);
    !is_held(record) && (intent || creation || password)
}

/// Whether the person is held because a call kept failing. poolbridge does not learn when the cause
/// is gone, so each pass sends one hint.
fn keeps_failing(record: &PersonRecord) -> bool {
    record.state == PersonState::Held
        && record.failure.as_ref().is_some_and(RepeatedFailure::is_hopeless)
}

const fn is_held(record: &PersonRecord) -> bool {
    matches!(record.state, PersonState::Held | PersonState::Conflict)
}

/// Whether the account was modified since apply last observed it, by the dates.
fn is_modified(known: &KnownAccount, account: &Account) -> bool {
    account.modified + poolbridge_core::limits::DATE_GRACE > known.seen
}

fn field_differs(
    input: &CompareInput<'_>,
    baseline: &Baseline,
    field: &Field,
    profile: &Profile,
    modified: bool,
) -> bool {
    let CompareInput { policy, keys, side, record, .. } = *input;
    let reading = profile.get(field);
    let Some(rule) = policy.mapping.revision(field).filter(|_| reading != FieldState::Unknown)
    else {
        return false;
    };
    // A change in the target of a one-way rule stays there.
    let ways = policy.mapping.ways(field);
    if ways == Ways::Only(side) {
        return false;
    }
    let is = |fingerprint| keys.is(&record.salt, field, &reading, fingerprint);
    let differs = match baseline.past(field, rule) {
        // The rule is newer than the baseline: every account with a value is checked once.
        Past::Never => reading != FieldState::Absent,
        Past::Was(base) => !is(base.fingerprint),
    };
    match record.blocked_fields.get(field) {
        None => differs,
        // The field is blocked, and the reason is already recorded for this very value. Of the pool
        // that could not be written, it holds only the time of the last observation.
        Some(blocked_field) if blocked_field.side == side.other() => {
            differs && !is(blocked_field.value)
        }
        Some(_) => differs && modified,
    }
}

#[cfg(test)]
mod tests;
