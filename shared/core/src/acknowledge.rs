//! What to do with a message after its change event was processed: acknowledge it, postpone it, or
//! leave its event to the pending change. Pure: consumer and simulation share this function.

use std::time::Duration;

use crate::limits;
use crate::outcome::{Outcome, Reason};

/// One delivery of a message, and what the table holds for its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryState {
    /// How many times the message was received, including this time.
    pub receives: u32,
    /// Whether the table has a pending change of that account.
    pub has_pending: bool,
    /// Whether the work on it panicked. Such a message goes to the dead-letter queue, where an
    /// operator finds it.
    pub panicked: bool,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Delete it.
    Done,
    /// Hide it for this long; then it comes back.
    Back(Duration),
    /// Postpone the pending change for this long, with this reason, and delete the message. If the
    /// back-off cannot be stored, hide the message for this long instead.
    LeaveToPendingChange(Duration, Reason),
}

/// What to do with a message after its event was processed. A `retry` is left to the pending change
/// after a few receives, or if waiting in the queue does not help. So an outage of any length makes
/// no dead letters. The same applies to a wait of more than [`limits::GROUP_BLOCKED_MAX`]: a hidden
/// message blocks its FIFO group, and a disable behind it must not wait (invariant 10).
pub fn acknowledge(outcome: &Outcome, delivery: DeliveryState) -> Acknowledgement {
    let DeliveryState { receives, has_pending, panicked } = delivery;
    let &Outcome::Retry(after, reason) = outcome else { return Acknowledgement::Done };
    let often = is_often(receives);
    // The settle time is known, so a longer wait has no use, even if the message was received many
    // times before, during an outage that is over.
    let after = if reason == Reason::Settling {
        after
    } else if reason == Reason::Busy {
        let wait = after.min(soon(receives));
        if has_pending && !often { wait.min(limits::GROUP_BLOCKED_MAX) } else { wait }
    } else if often {
        growing(after, receives)
    } else {
        growing(after, receives).min(limits::RETRY_SLOWLY.max(after))
    };
    let pointless = matches!(
        reason,
        Reason::Paused | Reason::Restored | Reason::OtherConfiguration | Reason::Complete
    );
    // The message would come back for nothing, or would block the events of its group for too long.
    let too_long = after > limits::GROUP_BLOCKED_MAX;
    if has_pending && !panicked && (often || pointless || too_long) {
        Acknowledgement::LeaveToPendingChange(after, reason)
    } else {
        Acknowledgement::Back(after)
    }
}

/// What to do with a message that the process could not try to process, because it lacks something
/// that it needs for all its work.
pub fn refuse(receives: u32, has_pending: bool) -> Acknowledgement {
    if is_often(receives) && has_pending {
        Acknowledgement::Done
    } else {
        Acknowledgement::Back(growing(limits::RETRY_SOON, receives))
    }
}

const fn is_often(receives: u32) -> bool {
    receives >= limits::LATER_RECEIVES_MAX
}

/// How soon to try again for a person under a lease. A worker usually releases the lease within
/// milliseconds, and only a crash makes it last. So the first waits are short, and each is four
/// times as long as the one before: 1, 4, 16, 64 seconds.
fn soon(receives: u32) -> Duration {
    Duration::from_secs(1 << (2 * receives.saturating_sub(1).min(4)))
}

/// The wait doubles with each receive. So an outage of hours stays below the queue's
/// `maxReceiveCount` and makes no dead letters.
pub fn growing(first: Duration, receives: u32) -> Duration {
    let doublings = receives.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(limits::RETRY_LONGEST).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const SOON: Duration = limits::RETRY_SOON;

    fn ask(reason: Reason, receives: u32, has_pending: bool) -> Acknowledgement {
        let delivery = DeliveryState { receives, has_pending, panicked: false };
        acknowledge(&Outcome::Retry(SOON, reason), delivery)
    }

    #[test]
    fn message_of_a_finished_event_is_deleted() {
        let delivery = DeliveryState { receives: 1, has_pending: false, panicked: false };
        for outcome in [
            Outcome::Applied,
            Outcome::Unchanged,
            Outcome::Held(Reason::Conflict),
            Outcome::Rejected(Reason::TooLong),
        ] {
            assert_eq!(acknowledge(&outcome, delivery), Acknowledgement::Done);
        }
    }

    #[test]
    fn only_an_event_with_a_pending_change_is_left_to_the_table() {
        let outside = Reason::PortError(ErrorKind::NoAnswer);
        let often = limits::LATER_RECEIVES_MAX;
        assert!(matches!(ask(outside, often, true), Acknowledgement::LeaveToPendingChange(..)));
        assert!(matches!(ask(outside, often, false), Acknowledgement::Back(_)));
        assert!(matches!(ask(outside, often - 1, true), Acknowledgement::Back(_)));
        for reason in [Reason::Paused, Reason::Restored, Reason::OtherConfiguration] {
            assert!(
                matches!(ask(reason, 1, true), Acknowledgement::LeaveToPendingChange(..)),
                "{reason}"
            );
        }
        assert!(matches!(ask(Reason::Paused, 1, false), Acknowledgement::Back(_)));
    }

    #[test]
    fn hidden_message_of_a_pending_change_blocks_its_group_for_a_minute_at_most() {
        let reasons = [
            Reason::Busy,
            Reason::Settling,
            Reason::Closing,
            Reason::AddressWaits,
            Reason::PortError(ErrorKind::Denied),
            Reason::PortError(ErrorKind::NoAnswer),
        ];
        let waits = [SOON, limits::GROUP_BLOCKED_MAX, limits::RETRY_SLOWLY, limits::RETRY_LONGEST];
        for reason in reasons {
            for (after, receives) in waits.into_iter().zip(1..).chain([(waits[2], 1)]) {
                let delivery = DeliveryState { receives, has_pending: true, panicked: false };
                let what = acknowledge(&Outcome::Retry(after, reason), delivery);
                let hidden = match what {
                    Acknowledgement::Back(hidden) => hidden,
                    Acknowledgement::Done | Acknowledgement::LeaveToPendingChange(..) => {
                        Duration::ZERO
                    }
                };
                let allowed = limits::GROUP_BLOCKED_MAX;
                assert!(hidden <= allowed, "{reason}, {after:?}, {receives}: {what:?}");
            }
        }
        // Without a pending change the message is the only trace of the event, so it comes back.
        let long = Outcome::Retry(limits::RETRY_SLOWLY, Reason::Closing);
        let delivery = DeliveryState { receives: 1, has_pending: false, panicked: false };
        assert_eq!(acknowledge(&long, delivery), Acknowledgement::Back(limits::RETRY_SLOWLY));
    }

    #[test]
    fn a_panic_is_never_left_to_the_table() {
        let delivery =
            DeliveryState { receives: limits::RECEIVES_MAX, has_pending: true, panicked: true };
        let outcome = Outcome::Retry(SOON, Reason::Contended);
        assert!(matches!(acknowledge(&outcome, delivery), Acknowledgement::Back(_)));
    }

    #[test]
    fn settling_waits_exactly_as_long_as_it_takes() {
        for receives in 1..limits::LATER_RECEIVES_MAX {
            assert_eq!(ask(Reason::Settling, receives, true), Acknowledgement::Back(SOON));
        }
    }

    #[test]
    fn first_waits_for_a_lease_are_short() {
        let long = Outcome::Retry(limits::RETRY_SLOWLY, Reason::Busy);
        let wait = |receives| {
            acknowledge(&long, DeliveryState { receives, has_pending: false, panicked: false })
        };
        assert_eq!(wait(1), Acknowledgement::Back(Duration::from_secs(1)));
        assert_eq!(wait(3), Acknowledgement::Back(Duration::from_secs(16)));
        assert_eq!(wait(9), Acknowledgement::Back(Duration::from_secs(256)));
    }

    #[test]
    fn waits_grow_to_an_hour_and_are_never_shorter_than_the_first() {
        assert_eq!(growing(SOON, 1), SOON);
        assert_eq!(growing(SOON, 3), 4 * SOON);
        assert_eq!(growing(SOON, 60), limits::RETRY_LONGEST);
        let day = Duration::from_hours(24);
        assert_eq!(growing(day, 3), day);
    }

    #[test]
    fn a_process_that_cannot_work_keeps_messages_without_a_pending_change() {
        let often = limits::LATER_RECEIVES_MAX;
        assert_eq!(refuse(often, true), Acknowledgement::Done);
        assert!(matches!(refuse(often, false), Acknowledgement::Back(_)));
        assert!(matches!(refuse(1, true), Acknowledgement::Back(_)));
    }
}
