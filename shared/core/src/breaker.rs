//! The breaker (invariant 7): a bound on how many accounts may be removed in an hour because their
//! other halves were deleted, and on how many passwords may be closed because a newer one was set.
//! Both count toward one bound. Whatever goes beyond it may be a mistake, of ours or of the team's,
//! or a forgery, and waits for an operator.

use std::time::Duration;

use crate::limits;
use crate::restore::Stage;
use crate::side::Side;
use crate::time::Time;

/// The breaker, once it has tripped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breaker {
    /// When it tripped.
    pub since: Time,
    /// Why: figures, never a person's data.
    pub reason: String,
}

impl Breaker {
    /// The breaker that trips at `now`, because this hour's removals are used up.
    pub fn removals(now: Time) -> Self {
        let reason = "more accounts were deleted within an hour than may be by themselves";
        Self { since: now, reason: reason.to_owned() }
    }

    /// The breaker that trips at `now`, because one more password was to be closed.
    pub fn closings(now: Time) -> Self {
        let reason = "more passwords were to be closed within an hour than the hourly limit allows";
        Self { since: now, reason: reason.to_owned() }
    }

    /// The breaker that trips because an event told of a pool's restore or deletion at `at`.
    pub fn restored(side: Side, stage: Stage, at: Time) -> Self {
        let what =
            if stage == Stage::Deleted { "was deleted" } else { "is restored to a point in time" };
        Self { since: at, reason: format!("the {side} pool {what}") }
    }
}

/// The window that `now` belongs to: hours since the epoch. Two windows that meet can hold twice the
/// bound between them.
pub fn window(now: Time) -> i64 {
    let milliseconds = i64::try_from(limits::REMOVALS_WINDOW.as_millis()).unwrap_or(i64::MAX);
    now.0.div_euclid(milliseconds)
}

/// How many removals and closed passwords one window may hold where that many people are known.
pub const fn removals_max(people: u64) -> u64 {
    let share = people / limits::REMOVALS_ONE_IN;
    if share > limits::REMOVALS_LEAST { share } else { limits::REMOVALS_LEAST }
}

/// How long the count of a window is kept.
pub const KEPT: Duration = Duration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_allowed_and_a_few_in_any_case() {
        let told = [0, 100, 1_999, 2_100, 1_000_000].map(removals_max);
        assert_eq!(told, [20, 20, 20, 21, 10_000]);
    }

    #[test]
    fn windows_are_hours() {
        let hour = 3_600_000;
        let told = [0, hour - 1, hour, 5 * hour + 7].map(|at| window(Time(at)));
        assert_eq!(told, [0, 0, 1, 5]);
    }
}
