//! The simulation: the real `reconcile` in a world of faults, people and other workers.
//!
//! A seed decides everything: [`run`] gives the same world for the same seed and profile, turn by
//! turn.

use std::collections::BTreeMap;

pub mod initial_state;
pub mod quiescence;
pub mod checks;
pub mod deletions;
pub mod endurance;
pub mod mixture;
pub mod oracle;
pub mod passwords;
pub mod people;
pub mod parameters;
pub mod rare_moves;
pub mod scheduler;
pub mod schemas;
pub mod setup;
pub mod same_address_accounts;
pub mod counters;
pub mod tasks;

use parameters::WorldParameters;
use scheduler::Scheduler;

use crate::world::chance::{Chooser, Seeded};
use crate::world::trace::Trace;
use crate::world::watch::Violation;

/// The result of one world.
#[derive(Clone, Debug, Default)]
pub struct WorldResult {
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// The trace, if it was recorded.
    pub trace: Trace,
    /// How often each thing happened to the world, by name.
    pub counted: BTreeMap<&'static str, u64>,
    /// The number of edits.
    pub edits: usize,
    /// The edits that fell into a gap that unconditional writes leave ([`oracle::Gap`]).
    pub gaps: u64,
    /// The number of account reads.
    pub reads: u64,
}

/// Runs the world of that seed.
pub fn run(seed: u64, parameters: &WorldParameters) -> WorldResult {
    run_with(Box::new(Seeded::new(seed)), parameters, Trace::default())
}

/// Runs the world of that seed and records its trace.
pub fn run_traced(seed: u64, parameters: &WorldParameters) -> WorldResult {
    run_with(Box::new(Seeded::new(seed)), parameters, Trace::recording())
}

/// Runs a world to its end.
pub fn run_with(
    chooser: Box<dyn Chooser>,
    parameters: &WorldParameters,
    trace: Trace,
) -> WorldResult {
    let mut scheduler = Scheduler::new(chooser, parameters, trace);
    scheduler.run_random_moves();
    scheduler.run_to_quiescence();
    let mut state = scheduler.world.lock();
    let violations = std::mem::take(&mut state.watch.violations);
    for violation in &violations {
        state.say(|| format!("VIOLATION {violation}"));
    }
    let counted = std::mem::take(&mut state.fault_injection.counted);
    WorldResult {
        violations,
        trace: std::mem::take(&mut state.trace),
        gaps: oracle::Gap::ALL.iter().filter_map(|gap| counted.get(gap.name())).sum(),
        edits: state.edits.all().iter().filter(|edit| !edit.initial).count(),
        counted,
        reads: state.watch.reads,
    }
}
