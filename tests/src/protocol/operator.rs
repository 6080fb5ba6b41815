//! The operator in a small world: switches, with or without `AnnounceThenFlip`.

use std::collections::BTreeSet;

use poolbridge_core::control::Phase;
use poolbridge_core::names::Owner;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::time::Time;

use super::moves::Move;
use super::run::ProtocolRun;
use super::small::Switch;
use crate::world::WorldState;

impl ProtocolRun<'_> {
    /// What the operator may do: announce a switch; then, once every lease held at that time has
    /// expired and no write can land any more, switch. The operator does not wait for later leases:
    /// their workers see the announcement.
    pub(super) fn operator(&self, state: &WorldState) -> Option<Move> {
        let switch = self.left.switch?;
        let over = |record: &PersonRecord, held: &BTreeSet<Owner>| {
            let lease = holder(record, state.now);
            let intent = record.intent.as_ref().map(|intent| intent.until);
            let creation = record.creation.as_ref().map(|creation| creation.until);
            let landed = intent.max(creation).is_none_or(|until| until <= state.now);
            landed && lease.is_none_or(|owner| !held.contains(owner))
        };
        match (switch, &self.left.held) {
            (Switch::WithoutWaiting, _) => Some(Move::Switch),
            (Switch::Announced, None) => Some(Move::Announce),
            (Switch::Announced, Some(held)) => {
                let all = state.table.people.values().all(|record| over(record, held));
                all.then_some(Move::Switch)
            }
        }
    }

    /// The operator announces the switch and notes which workers hold a lease.
    pub(super) fn announce(&mut self) {
        let mut state = self.scheduler.world.lock();
        state.say(|| "a switch is announced".to_owned());
        state.table.control.closing = true;
        let now = state.now;
        let people = state.table.people.values();
        self.left.held = Some(people.filter_map(|record| holder(record, now).cloned()).collect());
    }

    /// The operator no longer waits for a worker that released its lease or let it expire. An owner
    /// value belongs to one worker, which reads the announcement after each further claim.
    pub(super) fn forget_released(&mut self) {
        let Some(held) = &mut self.left.held else { return };
        let state = self.scheduler.world.lock();
        let people = state.table.people.values();
        let holders: BTreeSet<&Owner> =
            people.filter_map(|record| holder(record, state.now)).collect();
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

/// The owner of that person's lease, if it is held.
fn holder(record: &PersonRecord, now: Time) -> Option<&Owner> {
    record.lease.as_ref().filter(|lease| lease.free_at > now).map(|lease| &lease.owner)
}
