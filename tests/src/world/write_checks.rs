//! Limits on what the bridge writes. It writes a verified flag only with an address that was
//! verified, and an address only in its own spelling. It never creates a federated
//! account, writes only under a lease, and copies values only between accounts of one human.

use std::collections::BTreeSet;

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::profile::Field;
use poolbridge_core::side::Side;

use super::WorldState;
use super::accounts::{Body, SimulatedAccount, attribute};
use super::connection::Call;
use super::deletions::{CREATION_INTENT_EXPIRED, creation_intent_expired};
use super::edits::Human;
use super::observations::{Observations, ObservedVersion};

/// The number of the federated person. Only an identity provider creates such an account.
pub const FEDERATED: Human = Human(700);

/// The address and the flag of each kind of address.
const ADDRESSES: [(&str, &str); 2] =
    [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// The address of that name, in lower case, if it is verified.
fn verified(body: &Body, (address, flag): (&str, &str)) -> Option<String> {
    let proved = body.attributes.get(&attribute(flag)).is_some_and(|flag| flag == "true");
    let address = body.attributes.get(&attribute(address)).filter(|_| proved)?;
    Some(address.to_lowercase())
}

/// A verified flag may be written only with an address that was verified on the other side at some
/// time. Checks the addresses that the call gives (`given`): the others are the person's own.
pub(super) fn check_verified_flags(
    state: &mut WorldState,
    call: Call,
    side: Side,
    human: Human,
    after: &Body,
    given: impl Fn(&Field) -> bool,
) {
    for (field, kind) in [(Field::Email, ADDRESSES[0]), (Field::Phone, ADDRESSES[1])] {
        if !given(&field) {
            continue;
        }
        let Some(address) = verified(after, kind) else { continue };
        let other = state.pools.get(side.other()).all().iter().filter(|one| one.human == human);
        let mut versions = other.flat_map(SimulatedAccount::versions);
        if !versions.any(|version| verified(&version.body, kind).as_ref() == Some(&address)) {
            if creation_intent_expired(state, human) {
                // The account in the other pool is one that the bridge made for another person.
                state.fault_injection.count(CREATION_INTENT_EXPIRED);
                continue;
            }
            let detail = format!("{call}: a flag with {} that was never verified", kind.0);
            state.watch.violated("nothing is weakened", detail);
        }
    }
}

/// In a case-sensitive pool, an address that stays the same keeps its spelling.
pub(super) fn check_spelling(
    state: &mut WorldState,
    call: Call,
    side: Side,
    before: &Body,
    after: &Body,
) {
    let email = attribute("email");
    let (was, is) = (before.attributes.get(&email), after.attributes.get(&email));
    let (Some(was), Some(is)) = (was, is) else { return };
    let respelled = was != is && was.eq_ignore_ascii_case(is);
    if state.pools.get(side).schema.case_sensitive && respelled {
        state.watch.violated(
            "an address keeps its spelling",
            format!("{call}: the spelling of an address changed"),
        );
    }
}

/// The bridge never creates a federated account: the identity provider does.
pub(super) fn check_not_federated(state: &mut WorldState, call: Call, human: Human) {
    if human == FEDERATED {
        state.watch.violated("a federated account is never created", format!("{call}"));
    }
}

pub(super) fn check_lease_holder(state: &mut WorldState, call: Call, mut person: PersonId) {
    while let Some(next) = state.table.forwards.get(&person) {
        person = next.clone();
    }
    let holder = state.watch.holders.get(&person).copied();
    if holder.is_some_and(|holder| holder != call.task) {
        let detail = format!("{call} landed after {} took the lease", holder.unwrap_or(call.task));
        state.watch.violated("no two writers", detail);
    }
}

/// Whether another account took that username since the moment that the writer's last observation
/// of its owner showed: after that observation, or within the bound on stale reads before it. In a
/// pool that accepts only usernames, no component can distinguish the two then. An account that was
/// observed can be distinguished (`SameSub`).
pub(super) fn username_taken_since(
    side: Side,
    target: &SimulatedAccount,
    state: &WorldState,
    observations: &Observations,
) -> bool {
    let pool = state.pools.get(side);
    let had_the_username = |sub: &Sub| {
        let other = pool.get(sub).filter(|_| !pool.by_address());
        other.is_some_and(|it| pool.same(it.username.reveal(), target.username.reveal()))
    };
    let observed_accounts =
        observations.accounts.iter().filter(|((of, sub), _)| *of == side && had_the_username(sub));
    let mut observed_accounts = observed_accounts.peekable();
    let had_observed = observed_accounts.peek().is_some();
    let other_human = |sub: &Sub| pool.get(sub).is_some_and(|it| it.human != target.human);
    let created = target.created;
    let unseen = |seen: &ObservedVersion| seen.moment < created && seen.at < created + state.settle;
    had_observed && observed_accounts.all(|((_, sub), seen)| unseen(seen) && other_human(sub))
}

pub(super) fn check_same_human(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    human: Human,
    observations: &Observations,
) {
    // A written value must come from an account of the same human, if one was observed on the other
    // side.
    let there = side.other();
    let looked_at = observations.accounts.keys().filter(|(of, _)| *of == there);
    let humans: BTreeSet<Human> = looked_at
        .filter_map(|(_, sub)| state.pools.get(there).get(sub))
        .map(|account| account.human)
        .collect();
    if !humans.is_empty() && !humans.contains(&human) {
        if creation_intent_expired(state, human) {
            state.fault_injection.count(CREATION_INTENT_EXPIRED);
            return;
        }
        let detail = format!("{call} {sub}: human {} receives what {humans:?} has", human.0);
        state.watch.violated("no person receives another person's values", detail);
    }
}
