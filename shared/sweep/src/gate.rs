//! How many messages the sweep may still send. apply processes hints slower than the sweep finds
//! them, and a hint that waits for long is out of date when apply reads it.

use poolbridge_core::limits;
use poolbridge_core::time::Time;

/// How many more messages may be sent before the counters of the queue are read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    allowance: u64,
    /// Messages that were sent lately, which the counters of the queue may not show yet.
    recent: Vec<(Time, u64)>,
    pub(super) asked: Option<Time>,
}

impl Gate {
    /// Reserves room for `count` messages, if there is enough.
    pub(super) fn take(&mut self, count: u64, now: Time) -> bool {
        let free = self.allowance >= count;
        if free {
            self.allowance -= count;
            self.recent.push((now, count));
        }
        free
    }

    /// Takes over how many messages the queue holds by its counters.
    pub(super) fn learn(&mut self, outstanding: u64, now: Time) {
        self.recent.retain(|(at, _)| now.since(*at) < limits::BULK_COUNTERS_LAG);
        let recent: u64 = self.recent.iter().map(|(_, count)| count).sum();
        let held = outstanding.saturating_add(recent);
        self.allowance = limits::BULK_OUTSTANDING_MAX.saturating_sub(held);
        self.asked = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_sends_no_more_than_the_queue_has_room_for_even_if_its_counters_lag() {
        let mut gate = Gate::default();
        let most = limits::BULK_OUTSTANDING_MAX;
        assert!(!gate.take(1, Time(0)), "the counters were not read yet");
        gate.learn(most - 10, Time(0));
        assert!(gate.take(10, Time(0)) && !gate.take(1, Time(0)));
        // The counters do not show yet what was just sent.
        gate.learn(most - 10, Time(1_000));
        assert!(!gate.take(1, Time(1_000)));
        gate.learn(most - 10, Time(60_000));
        assert!(gate.take(10, Time(60_000)));
        gate.learn(most + 5, Time(200_000));
        assert!(!gate.take(1, Time(200_000)));
    }
}
