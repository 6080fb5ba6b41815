//! What the operator does in a small world: switches, as the rule has it or not (R28).

use std::collections::BTreeSet;

use poolbridge_core::entry::Entry;
use poolbridge_core::names::Owner;
use poolbridge_core::policy::Phase;
use poolbridge_core::time::Time;

use super::moves::Move;
use super::run::Run;
use super::small::Switch;
use crate::world::State;

impl Run<'_> {
    /// What the operator may do: announce a switch, and, once every lease is over that was held then and
    /// no write can land any more, switch. Leases that are taken later are not waited for: their workers
    /// are to see the announcement.
    pub(super) fn operator(&self, state: &State) -> Option<Move> {
        let switch = self.left.switch?;
        let over = |entry: &Entry, held: &BTreeSet<Owner>| {
            let lease = holder(entry, state.now);
            let intent = entry.intent.as_ref().map(|intent| intent.until);
            let birth = entry.birth.as_ref().map(|birth| birth.until);
            let landed = intent.max(birth).is_none_or(|until| until <= state.now);
            landed && lease.is_none_or(|owner| !held.contains(owner))
        };
        match (switch, &self.left.held) {
            (Switch::Hasty, _) => Some(Move::Switch),
            (Switch::Announced, None) => Some(Move::Announce),
            (Switch::Announced, Some(held)) => {
                let all = state.table.people.values().all(|entry| over(entry, held));
                all.then_some(Move::Switch)
            }
        }
    }

    /// The switch is announced, and the operator looks who is at work.
    pub(super) fn announce(&mut self) {
        let mut state = self.scheduler.world.lock();
        state.say(|| "a switch is announced".to_owned());
        state.table.control.closing = true;
        let now = state.now;
        let people = state.table.people.values();
        self.left.held = Some(people.filter_map(|entry| holder(entry, now).cloned()).collect());
    }

    /// Nobody is waited for who has given the lease back since, or let it run out: an owner is that of
    /// one worker, who reads the announcement after each further claim.
    pub(super) fn forget_released(&mut self) {
        let Some(held) = &mut self.left.held else { return };
        let state = self.scheduler.world.lock();
        let people = state.table.people.values();
        let holders: BTreeSet<&Owner> =
            people.filter_map(|entry| holder(entry, state.now)).collect();
        held.retain(|owner| holders.contains(owner));
    }

    /// The new pool becomes the active one.
    pub(super) fn switch(&mut self) {
        self.left.switch = None;
        self.tick();
        {
            let mut state = self.scheduler.world.lock();
            state.say(|| "the new pool becomes the active one".to_owned());
            let control = &mut state.table.control;
            (control.phase, control.closing) = (Phase::Switched, false);
            let now = state.now;
            state.watch.switched = Some(now);
        }
        self.tick();
    }
}

/// Who holds the lease of that person, if anybody does.
fn holder(entry: &Entry, now: Time) -> Option<&Owner> {
    entry.lease.as_ref().filter(|lease| lease.free_at > now).map(|lease| &lease.owner)
}
