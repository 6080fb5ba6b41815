//! Small stories of what went wrong once, or nearly did: each on the simulated world in calm weather,
//! through the real `capture` and `converge`, step by step.

#![expect(clippy::unwrap_used, reason = "a test's own names and rules are known to be good")]

#[path = "stories/addresses.rs"]
mod addresses;
#[path = "stories/creation.rs"]
mod creation;
#[path = "stories/factors.rs"]
mod factors;
#[path = "stories/failing.rs"]
mod failing;
#[path = "stories/linking.rs"]
mod linking;
#[path = "stories/marks.rs"]
mod marks;
#[path = "stories/merging.rs"]
mod merging;
#[path = "stories/passwords.rs"]
mod passwords;
#[path = "stories/sweeping.rs"]
mod sweeping;

use poolbridge_tests::world::World;
use poolbridge_tests::world::weather::{Climate, Fate, Weather};

/// From now on the first `times` calls of that operation end so; afterwards all is calm.
fn trouble(world: &World, operation: &'static str, fate: Fate, times: u32) {
    world.lock().weather = Weather::new(Climate {
        fault_one_in: 1,
        faults_max: times,
        faults: vec![fate],
        only: Some(operation),
        ..Climate::calm()
    });
}

/// How often that operation was called so far, and answered.
fn calls(world: &World, operation: &str) -> usize {
    world.lock().trace.lines().iter().filter(|line| line.contains(operation)).count()
}
