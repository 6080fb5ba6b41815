//! People who delete their accounts or sign up again, and what must hold for them at the end.

use std::collections::BTreeMap;

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::names::{AttributeName, Sub, Username};
use poolbridge_core::policy::Deletes;
use poolbridge_core::side::Side;

use super::initial_state::{Setting, eager, fields};
use super::people::change;
use super::same_address_accounts::FEDERATED;
use crate::world::WorldState;
use crate::world::accounts::{Body, SimulatedAccount, Version, attribute};
use crate::world::deletions::{AccountDeletion, SIGN_UP_OFFSET, delete_account, has_deleted};
use crate::world::edits::Human;
use crate::world::pool_reads::LISTING_LAG;

/// Deletes the account. Either no event reports it, or `CloudTrail` does and names the account.
pub fn delete(state: &mut WorldState, side: Side, sub: &Sub) -> Option<(Human, ChangeEvent)> {
    let human = state.account(side, sub)?.human;
    delete_account(state, side, sub);
    let reported = state.chooser.choose(2, "a deletion is reported") == 1;
    if let Some(deletion) = state.deletions.last_mut() {
        deletion.reported = reported;
    }
    reported.then(|| (human, change(state, side, sub.clone(), Evidence::Deleted, false)))
}

/// Another person signs up with the address of a deleted account.
pub fn sign_up_again(state: &mut WorldState, setting: &Setting) -> Option<(Human, ChangeEvent)> {
    // Suppose a person leaves an account behind that no record links to them, and signs up again
    // with a verified address. By all records, they and that account's owner are one person.
    let known = |one: &&AccountDeletion| {
        let unknown = |other: &AccountDeletion| other.human == one.human && other.unknown;
        !state.deletions.iter().any(unknown)
    };
    // The address of the federated account belongs to the first human.
    let own = |one: &&AccountDeletion| one.human < FEDERATED;
    let free = state.deletions.iter().filter(known).filter(own);
    let free: Vec<AccountDeletion> = free.cloned().collect();
    if free.is_empty() {
        return None;
    }
    let deletion = free[state.chooser.choose(free.len(), "whose address")].clone();
    let human = Human(SIGN_UP_OFFSET + deletion.human.0);
    let AccountDeletion { side, sub, .. } = deletion;
    let gone = state.account(side, &sub)?;
    let address = gone.body().attributes.get(&attribute("email"))?.clone();
    // Another sign-up may hold the address in the other pool at this moment. Then two people have
    // one verified address, and nothing distinguishes them.
    let holds = |one: &SimulatedAccount| {
        let theirs = one.body().attributes.get(&attribute("email"));
        let same = theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(&address));
        one.human.0 >= SIGN_UP_OFFSET && one.human != human && same
    };
    if state.pools.get(side.other()).living().any(holds) {
        return None;
    }
    let name = gone.username.clone();
    let own = Username::try_from(format!("newcomer-{}", human.0).as_str()).ok()?;
    let same = state.chooser.choose(2, "the same name") == 1;
    let username = if same { name } else { own };
    let there = has_deleted(state, human, side) || state.pools.get(side).of(human).is_some();
    // With a creation in progress, the person would get a second account, and no component would be
    // at fault.
    let known = Side::BOTH
        .into_iter()
        .any(|side| state.pools.get(side).all().iter().any(|account| account.human == human));
    let there = there || (known && eager(&setting.policy));
    if there || !sign_up(state, setting, side, human, username, address) {
        return None;
    }
    let sub = state.pools.get(side).of(human)?.sub.clone();
    state.fault_injection.count("address used again");
    Some((human, change(state, side, sub, Evidence::Confirmed, false)))
}

/// A person with an account in one pool only signs up in the other too.
pub fn join(
    state: &mut WorldState,
    setting: &Setting,
    side: Side,
    sub: &Sub,
) -> Option<(Human, ChangeEvent)> {
    let account = state.account(side, sub)?;
    if account.human >= FEDERATED {
        return None;
    }
    let (human, to) = (account.human, side.other());
    let address = account.body().attributes.get(&attribute("email"))?.clone();
    let username = Username::try_from(format!("joined-{}", human.0).as_str()).ok()?;
    // With a creation in progress, the person would get a second account, and no component would be
    // at fault.
    let there = state.pools.get(to).of(human).is_some() || has_deleted(state, human, to);
    if there || eager(&setting.policy) || !sign_up(state, setting, to, human, username, address) {
        return None;
    }
    let sub = state.pools.get(to).of(human)?.sub.clone();
    Some((human, change(state, to, sub, Evidence::Confirmed, false)))
}

/// Creates a confirmed account with that verified address. Returns whether the pool accepted it.
fn sign_up(
    state: &mut WorldState,
    setting: &Setting,
    side: Side,
    human: Human,
    username: Username,
    address: String,
) -> bool {
    let now = state.now;
    let pool = state.pools.get_mut(side);
    let sub = pool.next_sub();
    let by_address = pool.by_address();
    let named = |one: &SimulatedAccount| pool.same(one.username.reveal(), username.reveal());
    if pool.taken(&address, None) || (!by_address && pool.living().any(named)) {
        return false;
    }
    let username = if by_address { Username::try_from(sub.as_str()).ok() } else { Some(username) };
    let Some(username) = username else { return false };
    let name = format!("newcomer-{}", human.0);
    let attributes: BTreeMap<AttributeName, String> = BTreeMap::from([
        (attribute("email"), address),
        (attribute("email_verified"), "true".to_owned()),
        (attribute("name"), name),
    ]);
    let body = Body::confirmed(attributes, now);
    let first = Version { at: now, body };
    pool.add(SimulatedAccount::new(sub.clone(), username, human, false, first));
    state.say(|| format!("{sub} signs up, human {}", human.0));
    label(state, setting, side, &sub, human);
    true
}

/// The first values of an account count as edits; so do its absent fields.
pub fn label(state: &mut WorldState, setting: &Setting, side: Side, sub: &Sub, human: Human) {
    let Some(account) = state.account(side, sub) else { return };
    let (profile, now) = (setting.profile(&state.pools, side, account), account.created);
    for field in fields(state, setting) {
        let value = profile.get(&field).value().map(poolbridge_core::profile::Value::canonical);
        let id = state.edits.note(human, Some(side), field.clone(), now, value, None, true);
        if let Some(account) = state.pools.get_mut(side).get_mut(sub) {
            account.relabel(field, id);
        }
    }
}

/// What must hold at the end for every person who deleted an account.
pub fn check_all(state: &WorldState, setting: &Setting, found: &mut Vec<(&'static str, String)>) {
    let pool_is_empty = |one: &AccountDeletion| state.pools.get(one.side).living().next().is_none();
    check_deletions(state, setting, |_| true, pool_is_empty, found);
}

/// The world is quiescent, and no sweep was needed for a reported and captured deletion.
pub fn reported_deletions_travelled(state: &mut WorldState, setting: &Setting) {
    let mut found = Vec::new();
    let reported = |one: &AccountDeletion| one.reported && state.edits.captured(one.human);
    // A deletion is proved by another account that a listing shows and that can be read. If there
    // was none at some moment, however old the listing, this person waits for the next sweep.
    let lag = state.settle * LISTING_LAG;
    let ever = |one: &AccountDeletion| {
        let pool = state.pools.get(one.side);
        let from = one.at - lag;
        let changes = pool.all().iter().flat_map(SimulatedAccount::versions).map(|it| it.at);
        // Listed and readable accounts change only at these moments.
        let moments = changes.flat_map(|at| [at, at - lag]).filter(|at| *at >= from);
        let mut moments = moments.chain([from]);
        let proves = |account: &SimulatedAccount, listed| {
            account.there_at(listed) && account.there_at((listed + lag).max(one.at))
        };
        moments.any(|listed| !pool.all().iter().any(|account| proves(account, listed)))
    };
    check_deletions(state, setting, reported, ever, &mut found);
    if !found.is_empty() {
        let found: Vec<String> =
            found.into_iter().map(|(what, who)| format!("{what}: {who}")).collect();
        state.watch.violated("a reported deletion needs no sweep", found.join(", "));
    }
}

fn check_deletions(
    state: &WorldState,
    setting: &Setting,
    which: impl Fn(&AccountDeletion) -> bool,
    silent: impl Fn(&AccountDeletion) -> bool,
    found: &mut Vec<(&'static str, String)>,
) {
    for deletion in state.deletions.iter().filter(|one| which(one)) {
        let AccountDeletion { human, side, sub, other, .. } = deletion;
        let Some(other) = other else { continue };
        let to = side.other();
        let Some(account) = state.account(to, other) else { continue };
        // With no account left in that pool as canary, nothing may be done, and nothing was.
        if silent(deletion) {
            continue;
        }
        let (deletes, body) = (setting.policy.deletes, account.body());
        let record = state.table.find(*side, sub);
        let Some(tombstone) = record.and_then(|record| record.tombstone.as_ref()) else {
            // Both accounts are gone, and no listing leads to them any more.
            if body.exists {
                found.push(("every deleted person has a tombstone", format!("human {}", human.0)));
            }
            continue;
        };
        // The clock of the worker that wrote the tombstone may have been fast.
        let since = tombstone.at - state.fault_injection.rates.clock_error;
        // The version at that time counts, and so do later ones.
        let first = account.version_at(since).unwrap_or(0);
        let mut after = account.versions().iter().skip(first);
        let done = match deletes {
            Deletes::Delete => !body.exists,
            // An account that was enabled later stays enabled.
            Deletes::Disable => after.any(|version| !version.body.exists || !version.body.enabled),
            Deletes::Keep => true,
        };
        let both = has_deleted(state, *human, to);
        if !done && !both {
            let detail = format!("human {}: {deletes:?} of {other}", human.0);
            found.push(("a deletion travels", detail));
        }
        if tombstone.owed.is_some() && body.exists {
            found.push(("no tombstone owes anything", format!("human {}", human.0)));
        }
    }
}
