//! The clock of a world: time moves only when the scheduler says so.

use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;

use super::World;

/// A world's clock.
#[derive(Clone)]
pub struct SimulatedClock {
    world: World,
}

impl SimulatedClock {
    /// The clock of that world.
    pub const fn new(world: World) -> Self {
        Self { world }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Time {
        self.world.lock().now
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }
}
