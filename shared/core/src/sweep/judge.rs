//! Whether what a listing shows of an account is a reason to look at it. Pure.
//!
//! The listing is compared with what was agreed, each side for itself: no account is read, since a
//! read makes its person a billed monthly user of that pool. A listing may be old, and shows
//! neither memberships nor factors, so it proves nothing: what differs is looked at by apply, which
//! reads.

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

/// Dates of a pool may be cut to seconds.
pub const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// A pool's date that is this much older than a time of ours, or less, may be the newer one: dates are
/// cut to seconds, and our clock may be fast.
pub const DATE_GRACE: Duration = DATE_RESOLUTION.saturating_add(crate::limits::CLOCK_ERROR_MAX);

/// The revision of somebody who was met and of whom nothing was recorded since.
const FIRST_REVISION: u64 = 1;

/// What is asked of one account that was listed.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The pool that was listed.
    pub side: Side,
    /// Whose account it is, as the ledger knows them.
    pub entry: &'a Entry,
    /// Now.
    pub now: Time,
}

/// Until when, at the latest, what is listed of this account was done to it.
pub fn done_by(account: &Account, now: Time) -> Time {
    now.min(account.modified + DATE_RESOLUTION)
}

/// Whether this account of a known person is a reason to look.
pub fn differs(question: &Question<'_>, view: &View) -> bool {
    let Question { side, entry, .. } = *question;
    let Some(known) = judged(question, view) else { return false };
    if known.gone.is_some() || left_open(question) || given_up(entry) {
        return true;
    }
    let moved = moved(known, &view.account);
    // Whoever met them died before anything was recorded, and it may be that their message is lost.
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

/// The other account of this person, if it was missed once and what follows from that is still to be
/// done: nobody lists it, so whoever lists this one asks for it. A look that finds nobody bills nobody.
pub fn missed<'a>(question: &Question<'a>) -> Option<&'a Known> {
    let Question { side, entry, now, .. } = *question;
    let busy = entry.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let owed = entry.tombstone.as_ref().is_some_and(|tombstone| tombstone.owed.is_some());
    let open = !busy && (entry.state != State::Deleted || owed);
    let other = entry.accounts.get(side.other()).as_ref();
    other.filter(|known| open && known.gone.is_some())
}

/// Whether the account of somebody who is not known is a reason to look: only if it was made or
/// changed since the bridge began. To look at everybody who was there before, and never signed in
/// since, would bill them all; the backfill is for them.
pub fn is_news(account: &Account, known_since: Time) -> bool {
    account.status != Status::Unconfirmed && account.created.max(account.modified) >= known_since
}

/// Whether an account that its group's listing shows, of a person who takes part, is news: nothing
/// agreed upon says that it is a member.
pub fn joined(question: &Question<'_>, group: &GroupName) -> bool {
    let Question { policy, keys, side, entry, .. } = *question;
    let field = Field::Group(group.clone());
    let (Some(agreed), Some(rule)) = (&entry.agreed, policy.mapping.revision(&field)) else {
        return false;
    };
    let is = |print| keys.is(&entry.salt, &field, &Reading::Held(Value::Flag(true)), print);
    // What stands in the way of a membership has been said already, of this very membership; of the
    // side that could not be written nothing is on record.
    let obstacle = entry.obstacles.get(&field);
    if obstacle.is_some_and(|obstacle| obstacle.side == side || is(obstacle.value)) {
        return false;
    }
    match agreed.past(&field, rule) {
        Past::Never => true,
        Past::Was(base) => !is(base.print),
    }
}

/// The groups that both sides agree this person is in.
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

/// Whether the absence of one of this person's accounts from a pass that began then would be a
/// reason to look: both accounts were known before it, and neither is known to be gone.
pub fn takes_part(entry: &Entry, began: Time) -> bool {
    let there = |known: &Option<Known>| known.as_ref().is_some_and(|it| it.gone.is_none());
    entry.state != State::Deleted
        && there(&entry.accounts.old)
        && there(&entry.accounts.new)
        && entry.linked.is_none_or(|linked| linked < began)
}

/// The account as the ledger knows it, unless somebody else is at it already or nobody should be.
fn judged<'a>(question: &Question<'a>, view: &View) -> Option<&'a Known> {
    let Question { side, entry, now, .. } = *question;
    let busy = entry.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    let gone = entry.accounts.get(side.other()).as_ref().is_some_and(|it| it.gone.is_some());
    let left = entry.state == State::Deleted || busy || gone;
    let unconfirmed = view.account.status == Status::Unconfirmed;
    let known = entry.accounts.get(side).as_ref().filter(|it| it.sub == view.account.sub);
    known.filter(|_| !left && !unconfirmed)
}

/// Whether something was begun and not ended, and nobody is at it.
fn left_open(question: &Question<'_>) -> bool {
    let Question { policy, entry, now, .. } = *question;
    let intent = entry.intent.as_ref().is_some_and(|intent| intent.until < now);
    let birth = entry.birth.as_ref().is_some_and(|birth| birth.until < now);
    let close = policy.stale_passwords == StalePasswords::Close;
    let password =
        entry.owes_password.is_some() || entry.passwords.is_work_left(entry.linked, close);
    !stands_still(entry) && (intent || birth || password)
}

/// Whether the person is held for a call that kept failing: nothing tells when its cause is gone, so
/// each pass asks for one look.
fn given_up(entry: &Entry) -> bool {
    entry.state == State::Held && entry.failure.as_ref().is_some_and(RepeatedFailure::is_hopeless)
}

const fn stands_still(entry: &Entry) -> bool {
    matches!(entry.state, State::Held | State::Conflict)
}

/// Whether the account was modified since apply last looked at it, as far as it says.
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
    // What changes in the target of a rule that goes one way stays there.
    let ways = policy.mapping.ways(field);
    if ways == Ways::Only(side) {
        return false;
    }
    let is = |print| keys.is(&entry.salt, field, &reading, print);
    let differs = match agreed.past(field, rule) {
        // A rule that is newer than the agreement: whoever holds something is to be looked at once.
        Past::Never => reading != Reading::Absent,
        Past::Was(base) => !is(base.print),
    };
    match entry.obstacles.get(field) {
        None => differs,
        // What stands in the way has been said already, of this very value; of the side that could
        // not be written no value is on record, but what it was when it was last looked at.
        Some(obstacle) if obstacle.side == side.other() => differs && !is(obstacle.value),
        Some(_) => differs && moved,
    }
}

#[cfg(test)]
mod tests;
