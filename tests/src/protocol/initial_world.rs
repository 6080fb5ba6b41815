//! The initial state of a small world, from which each of its runs starts.

use std::collections::BTreeMap;

use poolbridge_core::control::Phase;

use super::run::{HINTS, ProtocolRun, RemainingBudget};
use super::small::{FixedAnswers, SmallWorld};
use crate::simulation::scheduler::Scheduler;
use crate::world::chance::{DepthFirst, SharedChooser};
use crate::world::history::Histories;
use crate::world::trace::Trace;

/// The initial state of every run of a small world. It is built once, because a world has some
/// hundred thousand runs.
pub struct InitialWorld<'a> {
    small: &'a SmallWorld,
    scheduler: Scheduler,
    names: BTreeMap<u128, u32>,
}

impl<'a> InitialWorld<'a> {
    /// The initial state of that world.
    pub fn new(small: &'a SmallWorld, trace: Trace) -> Self {
        let phase = usize::from(small.phase == Phase::Switched);
        let values = small.first_values.iter().copied();
        let fixed = FixedAnswers::default().with("first value", values).with("phase", [phase]);
        let scheduler = Scheduler::new(Box::new(fixed), &small.parameters, trace);
        let mut names = BTreeMap::new();
        {
            let mut state = scheduler.world.lock();
            for (at, message) in state.queue.messages().iter().enumerate() {
                names.insert(message.change.id, HINTS + u32::try_from(at).unwrap_or(0));
            }
            if !small.groups {
                state.pools.old.schema.groups.clear();
                state.pools.new.schema.groups.clear();
            }
            state.histories = Some(Histories::default());
        }
        Self { small, scheduler, names }
    }

    /// The run that begins with these choices. With `reduced`, moves that make no difference are
    /// tried in one order only.
    pub fn run(&self, prefix: &[usize], reduced: bool) -> ProtocolRun<'a> {
        let small = self.small;
        let chooser = SharedChooser::new(DepthFirst::replaying(prefix.to_vec()));
        let scheduler = self.scheduler.copied(Box::new(chooser.clone()));
        let left = RemainingBudget {
            edits: vec![true; small.edits.len()],
            receptions: small.receptions,
            crashes: small.crashes,
            repeats: small.repeats,
            losses: small.losses,
            jumps: small.jumps,
            again: 0,
            switch: small.switch,
            held: None,
        };
        ProtocolRun {
            small,
            scheduler,
            chooser,
            prefix: prefix.len(),
            reduced,
            left,
            names: self.names.clone(),
            ended: None,
            gaps: Vec::new(),
            violation: None,
        }
    }
}
