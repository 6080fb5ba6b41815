//! The small worlds of the suite. Each says in its words what it is made of; what it leaves out is
//! said in the module above.

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

/// Somebody sets a text.
const fn text(side: Side, text: &'static str) -> Deed {
    Deed { side, act: Act::Text, text }
}

/// Somebody joins or leaves the group, whichever they can.
const fn group(side: Side) -> Deed {
    Deed { side, act: Act::Undo, text: "name" }
}

/// Somebody is disabled or enabled again.
const fn enabled(side: Side) -> Deed {
    Deed { side, act: Act::Enabled, text: "name" }
}

/// So many stale reads. As in every world, others get a turn before each call and between each deed
/// and its answer.
const fn stale(most: u32) -> Climate {
    let mut climate = Climate::calm();
    climate.stale_one_in = 2;
    climate.stale_max = most;
    climate
}

/// Calls of that operation fail in these ways, so often.
fn failing(operation: &'static str, faults: &[Fate], most: u32) -> Climate {
    Climate {
        fault_one_in: 2,
        faults_max: most,
        faults: faults.to_vec(),
        only: Some(operation),
        ..stale(0)
    }
}

/// The same world with so many stale reads on top.
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

/// Two texts of one name, one on each side.
fn both() -> Vec<Deed> {
    vec![text(Side::Old, "name"), text(Side::New, "name")]
}
