//! The circuit breaker (invariant 7): one hourly limit for two things that poolbridge does by
//! itself. It limits the accounts that it removes because the other account was deleted, and the
//! passwords that it closes because a newer one was set. Both count toward the same limit. What
//! exceeds it may be a mistake or a forgery, and waits for an operator.

use std::time::Duration;

use crate::limits;
use crate::restore::RestoreStage;
use crate::side::Side;
use crate::time::Time;

/// The circuit breaker after it opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breaker {
    /// When it opened.
    pub since: Time,
    /// Why it opened: numbers, never a person's data.
    pub reason: String,
}

impl Breaker {
    /// The breaker that opens at `now` because the removals of this hour are used up.
    pub fn removals(now: Time) -> Self {
        let reason = "hourly deletion limit exceeded";
        Self { since: now, reason: reason.to_owned() }
    }

    /// The breaker that opens at `now` because one password more than the limit was to be closed.
    pub fn closings(now: Time) -> Self {
        let reason = "hourly limit of closed passwords exceeded";
        Self { since: now, reason: reason.to_owned() }
    }

    /// The breaker that opens because an event reported a pool's restore or deletion at `at`.
    pub fn restored(side: Side, stage: RestoreStage, at: Time) -> Self {
        let what = if stage == RestoreStage::Deleted {
            "was deleted"
        } else {
            "is restored to a point in time"
        };
        Self { since: at, reason: format!("the {side} pool {what}") }
    }
}

/// The window of `now`: hours since the epoch. Two adjacent windows can hold twice the limit.
pub fn window(now: Time) -> i64 {
    let milliseconds = i64::try_from(limits::REMOVALS_WINDOW.as_millis()).unwrap_or(i64::MAX);
    now.0.div_euclid(milliseconds)
}

/// How many removals and closed passwords one window may hold if the bridge knows that many people.
pub const fn removals_max(people: u64) -> u64 {
    let share = people / limits::REMOVALS_ONE_IN;
    if share > limits::REMOVALS_LEAST { share } else { limits::REMOVALS_LEAST }
}

/// How long the counter of a window is kept.
pub const KEPT: Duration = Duration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hourly_limit_is_a_share_of_the_people_and_at_least_twenty() {
        let reported = [0, 100, 1_999, 2_100, 1_000_000].map(removals_max);
        assert_eq!(reported, [20, 20, 20, 21, 10_000]);
    }

    #[test]
    fn a_window_is_one_hour() {
        let hour = 3_600_000;
        let reported = [0, hour - 1, hour, 5 * hour + 7].map(|at| window(Time(at)));
        assert_eq!(reported, [0, 0, 1, 5]);
    }
}
