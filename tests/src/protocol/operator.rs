//! What the operator does in a small world: switches, as the rule has it or not (R28).

use poolbridge_core::entry::Entry;
use poolbridge_core::policy::Phase;

use super::moves::Move;
use super::run::Run;
use super::small::Switch;
use crate::world::State;

impl Run<'_> {
    /// What the operator may do: announce a switch, and, once nobody holds a lease and no write can
    /// land any more, switch.
    pub(super) fn operator(&self, state: &State) -> Option<Move> {
        let switch = self.left.switch?;
        let over = |entry: &Entry| {
            let leased = entry.lease.as_ref().is_some_and(|lease| lease.free_at > state.now);
            let intent = entry.intent.as_ref().map(|intent| intent.until);
            let birth = entry.birth.as_ref().map(|birth| birth.until);
            !leased && intent.max(birth).is_none_or(|until| until <= state.now)
        };
        match switch {
            Switch::Announced if !state.table.control.closing => Some(Move::Announce),
            Switch::Announced if !state.table.people.values().all(over) => None,
            Switch::Announced | Switch::Hasty => Some(Move::Switch),
        }
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
