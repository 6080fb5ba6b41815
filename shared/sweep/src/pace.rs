//! The rate at which a pool is listed: a share of its quota, and less after a throttled call
//! (additive increase, multiplicative decrease).

use std::time::Duration;

use poolbridge_core::limits;
use poolbridge_core::time::Time;

const MICROSECONDS: u64 = 1_000;

/// How many delayed calls may be made at once afterwards.
const MADE_UP_FOR: u64 = 4;

/// When the next call may be made. Listings of one pool share it, and so do pools with one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Microseconds between two calls at the configured share.
    usual: u64,
    /// Microseconds between two calls now.
    interval: u64,
    /// The time of the next call, in microseconds since the epoch.
    next: u64,
}

impl Pace {
    /// The pace for `percent` of `limits::LIST_CALLS_PER_SECOND`, divided by `sharers`.
    pub fn new(percent: u8, sharers: u64) -> Self {
        let percent = u64::from(percent.clamp(1, 100));
        let calls = limits::LIST_CALLS_PER_SECOND * percent;
        let usual = (100 * 1_000_000 * sharers.max(1)).div_ceil(calls);
        Self { usual, interval: usual, next: 0 }
    }

    /// How many calls fit into that time at the configured share.
    pub fn calls_in(&self, span: Duration) -> u64 {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        span / self.usual
    }

    /// Reserves the next call and returns its time.
    pub fn slot(&mut self, now: Time) -> Time {
        let now = microseconds(now);
        let earliest = if self.next == 0 { now } else { now.saturating_sub(self.slack()) };
        let at = self.next.max(earliest);
        self.next = at.saturating_add(self.interval);
        Time(i64::try_from(at.div_ceil(MICROSECONDS)).unwrap_or(i64::MAX))
    }

    /// How much of a delay is made up for: a few calls, so that the rate is kept although no wait
    /// ends at the exact millisecond.
    const fn slack(&self) -> u64 {
        self.interval.saturating_mul(MADE_UP_FOR)
    }

    /// A call was answered: the interval returns to the usual one in small steps.
    pub fn answered(&mut self) {
        self.interval = (self.interval - self.interval / 16).max(self.usual);
    }

    /// The pool throttled a call.
    pub fn throttled(&mut self, now: Time) {
        let longest = u64::try_from(limits::THROTTLE_LONGEST.as_micros()).unwrap_or(u64::MAX);
        self.interval = self.interval.saturating_mul(2).min(longest).max(self.usual);
        let pause = u64::try_from(limits::THROTTLE_FIRST.as_micros()).unwrap_or(0);
        let pause = microseconds(now).saturating_add(pause.max(self.interval));
        self.next = self.next.max(pause);
    }
}

fn microseconds(time: Time) -> u64 {
    u64::try_from(time.0).unwrap_or(0).saturating_mul(MICROSECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls_in_a_minute(pace: &mut Pace, from: Time) -> usize {
        let end = from + Duration::from_mins(1);
        (0..10_000).take_while(|_| pace.slot(from) < end).count()
    }

    #[test]
    fn calls_stay_within_their_share_of_the_quota() {
        assert_eq!(calls_in_a_minute(&mut Pace::new(100, 1), Time(5_000)), 1_800);
        assert_eq!(calls_in_a_minute(&mut Pace::new(50, 1), Time(5_000)), 900);
        assert_eq!(calls_in_a_minute(&mut Pace::new(50, 2), Time(5_000)), 450);
        assert_eq!(calls_in_a_minute(&mut Pace::new(1, 1), Time(5_000)), 18);
        assert_eq!(Pace::new(50, 1).calls_in(Duration::from_mins(5)), 4_499);
    }

    #[test]
    fn a_delay_is_made_up_for_and_an_idle_time_is_not() {
        let mut pace = Pace::new(50, 1);
        pace.slot(Time(1));
        let late = Time(60_000);
        let at_once = (0..100).take_while(|_| pace.slot(late) <= late).count();
        assert_eq!(at_once, 5, "four delayed calls, and the one that is due");
    }

    #[test]
    fn a_throttled_call_halves_the_pace_and_answers_restore_it() {
        let mut pace = Pace::new(50, 1);
        let now = Time(1_000);
        pace.throttled(now);
        assert!(pace.slot(now) >= now + limits::THROTTLE_FIRST);
        assert_eq!(pace.interval, 2 * pace.usual);
        (0..40).for_each(|_| pace.answered());
        assert_eq!(pace.interval, pace.usual);
        (0..40).for_each(|_| pace.throttled(now));
        assert_eq!(pace.interval, 60_000_000);
    }
}
