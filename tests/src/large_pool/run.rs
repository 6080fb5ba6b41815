//! Runs a sweep over a million people, invocation after invocation, and kills some of them.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::control::ConfigurationStamp;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::{Sweep, SweepSettings, Tick};

use super::ports::LargePool;

/// The settings of a pass.
#[derive(Clone, Copy, Debug)]
pub struct PassSettings {
    /// The share of the listing quota, in percent.
    pub quota_percent: u8,
    /// The length of one invocation.
    pub invocation: Duration,
    /// The maximum number of invocations.
    pub invocations_max: usize,
}

impl Default for PassSettings {
    fn default() -> Self {
        let invocation = Duration::from_mins(15);
        Self { quota_percent: 50, invocation, invocations_max: 50 }
    }
}

/// Runs invocations until a pass has ended. `kill` returns after how many turns to kill the next
/// one, if at all. Returns the number of invocations.
pub fn run(
    large_pool: &LargePool,
    run: PassSettings,
    mut kill: impl FnMut() -> Option<u64>,
) -> usize {
    let passes = large_pool.state().counted.passes.len();
    let every = Duration::ZERO;
    let settings = SweepSettings { every, quota_percent: run.quota_percent, one_quota: false };
    let configuration = ConfigurationStamp {
        hash: "simulated".to_owned(),
        since: Time::ZERO,
        pools: poolbridge_core::side::BySide::default(),
    };
    let people = &large_pool.people;
    let sweep = Sweep {
        ports: large_pool,
        policy: &people.policy,
        keys: &people.keys,
        configuration: &configuration,
        settings,
    };
    for invocation in 1..=run.invocations_max {
        let end = large_pool.state().now + run.invocation;
        let tick = turns(large_pool, sweep.tick(end), kill());
        if let Some(tick) = tick {
            let tick = tick.expect("nothing of this outside fails for good");
            assert!(matches!(tick, Tick::Worked(_)), "{tick:?}");
        }
        if large_pool.state().counted.passes.len() > passes {
            return invocation;
        }
    }
    run.invocations_max
}

/// Polls a future to its end, or drops it after that many turns.
fn turns<T>(
    large_pool: &LargePool,
    future: impl Future<Output = T>,
    most: Option<u64>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    let mut turn = 0;
    loop {
        if most.is_some_and(|most| turn >= most) {
            return None;
        }
        turn += 1;
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        large_pool.state().pass();
    }
}
