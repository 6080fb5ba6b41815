//! What the function `sweep` is made of.

use poolbridge_core::time::Time;

/// The sweep, from the platform's point of view.
#[derive(Debug)]
pub struct SweepLine {}

impl SweepLine {
    /// Reads configuration and environment; never fails.
    pub fn start() -> Self {
        Self {}
    }

    /// Goes on with the pass that is under way, or begins one that is due, until shortly before `end`.
    pub async fn tick(&self, _end: Time) {
        std::future::ready(()).await;
    }
}
