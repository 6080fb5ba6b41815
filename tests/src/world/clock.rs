//! The clocks of a world. Time moves only when the scheduler moves it, and each task's clock may be
//! wrong by as much as the fault rates allow.

use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;

use super::{TaskId, World};

/// A world's clock.
#[derive(Clone)]
pub struct SimulatedClock {
    world: World,
    task: TaskId,
}

impl SimulatedClock {
    /// The clock of that world, as that task reads it.
    pub const fn new(world: World, task: TaskId) -> Self {
        Self { world, task }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Time {
        let mut state = self.world.lock();
        let now = state.clock_of(self.task);
        if let Some(histories) = &mut state.histories {
            histories.remember_time(self.task, now);
        }
        now
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }
}
