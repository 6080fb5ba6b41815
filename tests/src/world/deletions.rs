//! The deletions of a world and the actions that they must not cause. The checks compare
//! the bridge's writes with them.

use std::time::Duration;

use poolbridge_core::names::Sub;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::WorldState;
use super::connection::Call;
use super::edits::Human;
use super::watch::Observations;

/// How long ago an account may have existed that a listing and the read after it still show.
const CANARY_AGE: Duration = Duration::from_mins(2);

/// Added to the number of a human whose address another human signs up with. That human has the
/// same number on both sides.
pub const SIGN_UP_OFFSET: u32 = 600;

/// An outage lasted longer than apply leaves an account of its own to its creation intent.
pub const CREATION_INTENT_EXPIRED: &str = "creation intent open for too long";

/// In a pool of usernames, a username moved from one account to another between an observation and
/// the action that followed.
pub const USERNAME_REUSED: &str = "username reused between read and write";

/// An account that a person or an administrator deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountDeletion {
    /// The human.
    pub human: Human,
    /// The pool.
    pub side: Side,
    /// The account.
    pub sub: Sub,
    /// The time.
    pub at: Time,
    /// The account in the other pool, if the table held both for one person then.
    pub other: Option<Sub>,
    /// Whether the human had an account in the other pool that the table did not know as theirs.
    pub unknown: bool,
    /// Whether `CloudTrail` reports it.
    pub reported: bool,
}

/// Deletes an account, as its owner or an administrator does.
pub fn delete_account(state: &mut WorldState, side: Side, sub: &Sub) {
    let now = state.now;
    let Some(human) = state.account(side, sub).map(|account| account.human) else { return };
    let living = state.pools.get(side.other()).of(human).map(|account| account.sub.clone());
    let known = state.table.find(side, sub).and_then(|record| {
        record.accounts.get(side.other()).as_ref().map(|known| known.sub.clone())
    });
    let other = living.filter(|living| known.as_ref() == Some(living));
    // Deleted or not: two accounts that were not linked yet.
    let there = state.pools.get(side.other()).all().iter().filter(|one| one.human == human);
    let all: Vec<Sub> = there.map(|account| account.sub.clone()).collect();
    let unknown = all.iter().any(|sub| known.as_ref() != Some(sub));
    let sub = sub.clone();
    if let Some(account) = state.pools.get_mut(side).get_mut(&sub) {
        account.change(now, |body| body.exists = false);
    }
    state.fault_injection.count("account deleted");
    state.say(|| format!("{sub} is deleted"));
    state.deletions.push(AccountDeletion {
        human,
        side,
        sub,
        at: now,
        other,
        unknown,
        reported: false,
    });
}

/// Whether the bridge created an account of that human, or of another human with that address, so
/// long ago that no worker waits for its creation intent any more. An outage can last longer than
/// that. Then apply treats the account like any other.
pub fn creation_intent_expired(state: &WorldState, human: Human) -> bool {
    let (old, now) = (poolbridge_core::limits::CREATION_OPEN_MAX, state.now);
    let one = |other: Human| other.0 % SIGN_UP_OFFSET == human.0 % SIGN_UP_OFFSET;
    let mut made = Side::BOTH.into_iter().flat_map(|side| state.pools.get(side).all());
    // The intent's date and its age come from two clocks.
    let old = old.saturating_sub(2 * state.fault_injection.rates.clock_error);
    made.any(|account| account.by_bridge && one(account.human) && now.since(account.created) >= old)
}

/// Whether that human deleted an account on that side.
pub fn has_deleted(state: &WorldState, human: Human, side: Side) -> bool {
    state.deletions.iter().any(|one| one.human == human && one.side == side)
}

/// Whether the pool goes by usernames and that account got its username after the task's last
/// observation. A write names only the username, so no component can know. Counts it.
pub(super) fn username_reused(
    state: &mut WorldState,
    side: Side,
    sub: &Sub,
    observations: &Observations,
) -> bool {
    let observed_before = observations.accounts.keys().any(|(of, seen)| *of == side && seen == sub);
    let again = !state.pools.get(side).by_address() && !observed_before;
    if again {
        state.fault_injection.count(USERNAME_REUSED);
    }
    again
}

/// The bridge may disable or delete an account only if the human's other account was deleted, and
/// only while another account of that other pool can be read.
pub(super) fn check_removal(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    human: Human,
) {
    let there = side.other();
    if !has_deleted(state, human, there) {
        if creation_intent_expired(state, human) {
            state.fault_injection.count(CREATION_INTENT_EXPIRED);
            return;
        }
        let detail = format!("{call} {sub}: human {} still has the other account", human.0);
        state.watch.violated("no account is removed without a cause", detail);
        return;
    }
    // The bridge may do what it owes long after the evidence was complete.
    let record = state.table.find(side, sub);
    let tombstone = record.and_then(|record| record.tombstone.as_ref());
    let proved = tombstone.map_or(state.now, |tombstone| tombstone.at);
    let gone =
        record.and_then(|record| record.accounts.get(there).as_ref()).map(|known| &known.sub);
    let since = proved - CANARY_AGE;
    let canary = state.pools.get(there).all().iter().any(|account| {
        let first = account.version_at(since).unwrap_or(0);
        let there = account.versions().iter().skip(first).any(|version| version.body.exists);
        // Any other account will do, even another one of the same human.
        Some(&account.sub) != gone && there
    });
    if !canary {
        let detail = format!("{call} {sub}: no account is left in the {there} pool");
        state.watch.violated("no account is removed without a canary account", detail);
    }
}

/// A person whose account exists must have no tombstone.
pub(super) fn check_tombstone(state: &mut WorldState, call: Call, record: &PersonRecord) {
    let Some(tombstone) = &record.tombstone else { return };
    let known = record.accounts.get(tombstone.side).as_ref();
    let account = known.and_then(|known| state.account(tombstone.side, &known.sub));
    if let Some(account) = account.filter(|account| account.body().exists) {
        let detail = format!("{call} {}", account.sub);
        state.watch.violated("no living person gets a tombstone", detail);
    }
}

/// A deleted person must not be created again.
pub(super) fn check_creation(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    human: Human,
) {
    let of = |one: &&AccountDeletion| one.human == human && one.side == side;
    let Some(deletion) = state.deletions.iter().find(of).cloned() else { return };
    if creation_intent_expired(state, human) {
        state.fault_injection.count(CREATION_INTENT_EXPIRED);
        return;
    }
    if deletion.unknown {
        // No record said that the two accounts belong to one person.
        state.fault_injection.count("created again, the accounts not linked");
        return;
    }
    let detail = format!("{call} {sub}: human {} had deleted {}", human.0, deletion.sub);
    state.watch.violated("no deleted person is created again", detail);
}
