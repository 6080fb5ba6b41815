//! The small worlds of the suite. Each describes what it contains. The module above lists what the
//! worlds leave out.

use poolbridge_core::control::Phase;
use poolbridge_core::side::Side;

use super::small::{ScriptedEdit, SmallWorld};
use crate::simulation::parameters::{Act, WorldParameters};
use crate::world::fault_injection::{CallFate, FaultRates};

pub mod flags;
pub mod links;
pub mod losses;
pub mod phases;
pub mod texts;
pub mod times;
pub mod writes;

/// A person sets a text.
const fn text(side: Side, text: &'static str) -> ScriptedEdit {
    ScriptedEdit { side, act: Act::Text, text }
}

/// A person joins or leaves the group, whichever is possible.
const fn group(side: Side) -> ScriptedEdit {
    ScriptedEdit { side, act: Act::Undo, text: "name" }
}

/// An account is disabled or enabled, whichever is possible.
const fn enabled(side: Side) -> ScriptedEdit {
    ScriptedEdit { side, act: Act::Enabled, text: "name" }
}

/// That many stale reads. As in every world, other tasks get a turn before each call and between
/// each change and its answer.
const fn stale(most: u32) -> FaultRates {
    let mut rates = FaultRates::none();
    rates.stale_one_in = 2;
    rates.stale_max = most;
    rates
}

/// Calls of that operation fail in these ways, that often.
fn failing(operation: &'static str, faults: &[CallFate], most: u32) -> FaultRates {
    FaultRates {
        fault_one_in: 2,
        faults_max: most,
        faults: faults.to_vec(),
        only: Some(operation),
        ..stale(0)
    }
}

/// The same world with that many additional stale reads.
fn stale_reads(name: &'static str, most: u32, small: SmallWorld) -> SmallWorld {
    let rates = FaultRates { stale_one_in: 2, stale_max: most, ..small.parameters.rates.clone() };
    SmallWorld { name, parameters: WorldParameters { rates, ..small.parameters }, ..small }
}

fn minimal(name: &'static str) -> SmallWorld {
    SmallWorld {
        name,
        parameters: WorldParameters { rates: stale(0), ..WorldParameters::minimal() },
        first_values: Vec::new(),
        groups: false,
        phase: Phase::Follow,
        switch: None,
        edits: Vec::new(),
        prompt: false,
        workers: 2,
        receptions: 6,
        crashes: 0,
        repeats: 0,
        losses: 0,
        jumps: 0,
    }
}

/// Two edits of one text, one on each side.
fn both() -> Vec<ScriptedEdit> {
    vec![text(Side::Old, "name"), text(Side::New, "name")]
}
