//! Remembers that a pool throttled poolbridge. It delays nothing: callers check it before they
//! start work, and return `retry`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::time::Time;

/// Since when and for how long callers should not start work on a pool.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    state: Mutex<ThrottleState>,
}

#[derive(Debug, Default)]
struct ThrottleState {
    until: Time,
    /// The pause that led to `until`; zero while the pool answers.
    pause: Duration,
}

impl Throttle {
    /// Records how a call ended.
    pub(super) fn note(&self, error: Option<&PortError>, now: Time) {
        match error.map(|error| error.kind) {
            Some(ErrorKind::Throttled) => self.throttled(now),
            // A call without an answer shows nothing about throttling.
            Some(ErrorKind::NoAnswer | ErrorKind::NotSent | ErrorKind::Broken) => {}
            None
            | Some(
                ErrorKind::WritesPaused
                | ErrorKind::Denied
                | ErrorKind::Invalid
                | ErrorKind::AccountGone
                | ErrorKind::Missing
                | ErrorKind::Exists
                | ErrorKind::Lost
                | ErrorKind::Newer
                | ErrorKind::Unreadable,
            ) => self.answered(now),
        }
    }

    /// Until when callers should not start work; `None` if they may.
    pub(super) fn until(&self, now: Time) -> Option<Time> {
        let until = self.state().until;
        (until > now).then_some(until)
    }

    fn throttled(&self, now: Time) {
        let mut state = self.state();
        // Calls in flight together are refused together. They count as one refusal.
        if now < state.until {
            return;
        }
        let longer = state.pause.saturating_mul(2);
        state.pause = longer.clamp(limits::THROTTLE_FIRST, limits::THROTTLE_LONGEST);
        state.until = now + state.pause;
    }

    fn answered(&self, now: Time) {
        let mut state = self.state();
        // A call that began before the refusal proves nothing about the time after it.
        if now >= state.until {
            *state = ThrottleState::default();
        }
    }

    fn state(&self) -> MutexGuard<'_, ThrottleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(throttle: &Throttle, at: i64) {
        let error = PortError::new(ErrorKind::Throttled, "AdminGetUser");
        throttle.note(Some(&error), Time(at));
    }

    #[test]
    fn each_refusal_doubles_the_pause_up_to_the_longest() {
        let throttle = Throttle::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            refuse(&throttle, now);
            let until = throttle.until(Time(now)).unwrap().0;
            pauses.push((until - now) / 1_000);
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(throttle.until(Time(now)), None, "the pause is over");
    }

    #[test]
    fn simultaneous_refusals_count_once_and_an_answer_resets_the_pause() {
        let throttle = Throttle::default();
        refuse(&throttle, 0);
        refuse(&throttle, 10);
        assert_eq!(throttle.until(Time(20)), Some(Time(1_000)));
        throttle.note(None, Time(20));
        assert_eq!(
            throttle.until(Time(20)),
            Some(Time(1_000)),
            "the call began before the refusal"
        );
        throttle.note(None, Time(1_000));
        refuse(&throttle, 2_000);
        assert_eq!(throttle.until(Time(2_000)), Some(Time(3_000)), "the pause starts over");
    }

    #[test]
    fn a_call_without_an_answer_changes_nothing() {
        let throttle = Throttle::default();
        refuse(&throttle, 0);
        let error = PortError::new(ErrorKind::NoAnswer, "AdminGetUser");
        throttle.note(Some(&error), Time(1_000));
        refuse(&throttle, 1_000);
        assert_eq!(throttle.until(Time(1_000)), Some(Time(3_000)));
    }
}
