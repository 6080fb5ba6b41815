//! Whether a listed account is a reason to send a hint to apply. Pure.
//!
//! The sweep compares each pool's listing with the baseline, and reads no account, because a read
//! makes its person a billed monthly user of that pool. A listing may be stale, and shows neither
//! memberships nor factors, so it proves nothing. apply reads the accounts that differ.

use std::time::Duration;

use crate::account::{Account, Status};
use crate::entry::{Agreed, Entry, Known, Past, RepeatedFailure, State};
use crate::facts::{Facts, Field, Reading, Value};
use crate::fingerprint::Keyring;
use crate::mapping::Ways;
use crate::names::GroupName;
use crate::plan::View;
use crate::policy::{Policy, StalePasswords};
use crate::side::Side;
use crate::time::Time;

/// A pool may cut its dates to seconds.
pub const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// A pool's date that is older than a time of ours by this much or less may be the later one: dates
/// are cut to seconds, and our clock may be fast.
pub const DATE_GRACE: Duration = DATE_RESOLUTION.saturating_add(crate::limits::CLOCK_ERROR_MAX);

/// The revision of a record that was created and has not been written since.
const FIRST_REVISION: u64 = 1;

/// The input of the comparison of one listed account.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The pool that was listed.
    pub side: Side,
    /// The record of the person who owns the account.
    pub entry: &'a Entry,
    /// The current time.
    pub now: Time,
}

/// The latest time of any change that the listing shows for this account.
pub fn done_by(account: &Account, now: Time) -> Time {
    now.min(account.modified + DATE_RESOLUTION)
}

/// Whether this account of a known person is a reason for a hint.
pub fn differs(question: &Question<'_>, view: &View) -> bool {
    let Question { side, entry, .. } = *question;
    let Some(known) = judged(question, view) else { return false };
    if known.gone.is_some() || left_open(question) || given_up(entry) {
        return true;
    }
    let moved = moved(known, &view.account);
    // The worker that created the record died before its first write; the message may be lost.
    let only_met = entry.revision == FIRST_REVISION;
    let agreed = match &entry.agreed {
        _ if entry.only_side() == Some(side) => return moved || only_met,
        None => return moved || !stands_still(entry),
        Some(_) if entry.state == State::Waiting => return true,
        Some(agreed) => agreed,
    };
    let unnamed = |field: &Field| !entry.obstacles.contains_key(field);
    if moved && view.unsayable.keys().any(unnamed) {
        return true;
    }
    let said = view.facts.held().map(|(field, _)| field);
    said.chain(agreed.fields.keys())
        .any(|field| field_differs(question, agreed, field, &view.facts, moved))
}

/// The other account of this person, if an observation missed it and apply has not finished what
/// follows from that. No listing shows it, so the listing of this account leads to it. An
/// observation that finds no account bills no person.
pub fn missed<'a>(question: &Question<'a>) -> Option<&'a Known> {
    let Question { side, entry, now, .. } = *question;
    let busy = entry.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let owed = entry.tombstone.as_ref().is_some_and(|tombstone| tombstone.owed.is_some());
    let open = !busy && (entry.state != State::Deleted || owed);
    let other = entry.accounts.get(side.other()).as_ref();
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
pub fn joined(question: &Question<'_>, group: &GroupName) -> bool {
    let Question { policy, keys, side, entry, .. } = *question;
    let field = Field::Group(group.clone());
    let (Some(agreed), Some(rule)) = (&entry.agreed, policy.mapping.revision(&field)) else {
        return false;
    };
    let is = |print| keys.is(&entry.salt, &field, &Reading::Held(Value::Flag(true)), print);
    // The field is blocked, and the reason is already recorded for this very membership. The record
    // holds no value for the pool that could not be written.
    let obstacle = entry.obstacles.get(&field);
    if obstacle.is_some_and(|obstacle| obstacle.side == side || is(obstacle.value)) {
        return false;
    }
    match agreed.past(&field, rule) {
        Past::Never => true,
        Past::Was(base) => !is(base.print),
    }
}

/// The groups that this person is in, by the baseline of both pools.
pub fn memberships<'a>(policy: &Policy, entry: &'a Entry) -> impl Iterator<Item = &'a GroupName> {
    let fields = entry.agreed.iter().flat_map(|agreed| &agreed.fields);
    fields.filter_map(|(field, base)| match field {
        Field::Group(group) if base.print.is_some() => {
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
pub fn takes_part(entry: &Entry, began: Time) -> bool {
    let there = |known: &Option<Known>| known.as_ref().is_some_and(|it| it.gone.is_none());
    entry.state != State::Deleted
        && there(&entry.accounts.old)
        && there(&entry.accounts.new)
        && entry.linked.is_none_or(|linked| linked < began)
}

/// The known account, unless a worker processes the person now, or this listing concerns another
/// account or a person who needs no comparison.
fn judged<'a>(question: &Question<'a>, view: &View) -> Option<&'a Known> {
    let Question { side, entry, now, .. } = *question;
    let busy = entry.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let gone = entry.accounts.get(side.other()).as_ref().is_some_and(|it| it.gone.is_some());
    let left = entry.state == State::Deleted || busy || gone;
    let unconfirmed = view.account.status == Status::Unconfirmed;
    let known = entry.accounts.get(side).as_ref().filter(|it| it.sub == view.account.sub);
    known.filter(|_| !left && !unconfirmed)
}

/// Whether work was begun and not ended, and no worker can be at it any more.
fn left_open(question: &Question<'_>) -> bool {
    let Question { policy, entry, now, .. } = *question;
    let intent = entry.intent.as_ref().is_some_and(|intent| intent.until < now);
    let birth = entry.birth.as_ref().is_some_and(|birth| birth.until < now);
    let close = policy.stale_passwords == StalePasswords::Close;
    let password =
        entry.owes_password.is_some() || entry.passwords.is_work_left(entry.linked, close);
    !stands_still(entry) && (intent || birth || password)
}

/// Whether the person is held because a call kept failing. poolbridge does not learn when the cause
/// is gone, so each pass sends one hint.
fn given_up(entry: &Entry) -> bool {
    entry.state == State::Held && entry.failure.as_ref().is_some_and(RepeatedFailure::is_hopeless)
}

const fn stands_still(entry: &Entry) -> bool {
    matches!(entry.state, State::Held | State::Conflict)
}

/// Whether the account was modified since apply last observed it, by the dates.
fn moved(known: &Known, account: &Account) -> bool {
    account.modified + DATE_GRACE > known.seen
}

fn field_differs(
    question: &Question<'_>,
    agreed: &Agreed,
    field: &Field,
    facts: &Facts,
    moved: bool,
) -> bool {
    let Question { policy, keys, side, entry, .. } = *question;
    let reading = facts.get(field);
    let Some(rule) = policy.mapping.revision(field).filter(|_| reading != Reading::Unread) else {
        return false;
    };
    // A change in the target of a one-way rule stays there.
    let ways = policy.mapping.ways(field);
    if ways == Ways::Only(side) {
        return false;
    }
    let is = |print| keys.is(&entry.salt, field, &reading, print);
    let differs = match agreed.past(field, rule) {
        // The rule is newer than the baseline: every account with a value is checked once.
        Past::Never => reading != Reading::Absent,
        Past::Was(base) => !is(base.print),
    };
    match entry.obstacles.get(field) {
        None => differs,
        // The field is blocked, and the reason is already recorded for this very value. Of the pool
        // that could not be written, it holds only the time of the last observation.
        Some(obstacle) if obstacle.side == side.other() => differs && !is(obstacle.value),
        Some(_) => differs && moved,
    }
}

#[cfg(test)]
mod tests;
