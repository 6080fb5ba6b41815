//! The small worlds of the suite. Each describes what it contains. The module above lists what the
//! worlds leave out.

use poolbridge_core::policy::Phase;
use poolbridge_core::side::Side;

use super::small::{Deed, Small};
use crate::simulation::profile::{Act, Profile};
use crate::world::weather::{Climate, Fate};

pub mod flags;
pub mod links;
pub mod losses;
pub mod phases;
pub mod texts;
pub mod times;
pub mod writes;

/// A person sets a text.
const fn text(side: Side, text: &'static str) -> Deed {
    Deed { side, act: Act::Text, text }
}

/// A person joins or leaves the group, whichever is possible.
const fn group(side: Side) -> Deed {
    Deed { side, act: Act::Undo, text: "name" }
}

/// An account is disabled or enabled, whichever is possible.
const fn enabled(side: Side) -> Deed {
    Deed { side, act: Act::Enabled, text: "name" }
}

/// That many stale reads. As in every world, other tasks get a turn before each call and between
/// each change and its answer.
const fn stale(most: u32) -> Climate {
    let mut climate = Climate::calm();
    climate.stale_one_in = 2;
    climate.stale_max = most;
    climate
}

/// Calls of that operation fail in these ways, that often.
fn failing(operation: &'static str, faults: &[Fate], most: u32) -> Climate {
    Climate {
        fault_one_in: 2,
        faults_max: most,
        faults: faults.to_vec(),
        only: Some(operation),
        ..stale(0)
    }
}

/// The same world with that many additional stale reads.
fn looking_back(name: &'static str, most: u32, small: Small) -> Small {
    let climate = Climate { stale_one_in: 2, stale_max: most, ..small.profile.climate.clone() };
    Small { name, profile: Profile { climate, ..small.profile }, ..small }
}

fn quiet(name: &'static str) -> Small {
    Small {
        name,
        profile: Profile { climate: stale(0), ..Profile::quiet() },
        first_values: Vec::new(),
        groups: false,
        phase: Phase::Follow,
        switch: None,
        deeds: Vec::new(),
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
fn both() -> Vec<Deed> {
    vec![text(Side::Old, "name"), text(Side::New, "name")]
}
