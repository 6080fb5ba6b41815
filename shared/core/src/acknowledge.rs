//! What becomes of a message once its change was worked on: acknowledged, put off, or left to the
//! pending change alone. Pure: the consumer of the queue and the simulation ask the same function.

use std::time::Duration;

use crate::limits;
use crate::verdict::{Reason, Verdict};

/// One delivery of a message, and what is left of its change in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How often the message was received, this time included.
    pub receives: u32,
    /// Whether the table has a pending change of that account.
    pub marked: bool,
    /// Whether the work on it panicked: such a message goes on to the dead-letter queue, where an
    /// operator looks.
    pub panicked: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It is deleted.
    Done,
    /// It is hidden for that long and comes back.
    Back(Duration),
    /// The pending change is put off for that long, for that reason, and the message is deleted. If
    /// the pending change does not take the back-off, the message is hidden for that long instead.
    LeaveToMark(Duration, Reason),
}

/// What becomes of a message whose change was worked on. A `later` after a few receives, or for a
/// reason that waiting in the queue does not cure, is left to the pending change, so that an outage
/// of any length makes no dead letters. So is a wait of more than [`limits::GROUP_BLOCKED_MAX`]: a
/// hidden message blocks its FIFO group, and a disable behind it must not wait (invariant 10).
pub fn acknowledge(verdict: &Verdict, delivery: Delivery) -> Acknowledgement {
    let Delivery { receives, marked, panicked } = delivery;
    let &Verdict::Later(after, reason) = verdict else { return Acknowledgement::Done };
    let often = is_often(receives);
    // How long settling takes is known, so there is nothing to be gained by waiting longer, however
    // often the message was received before, in an outage that is over.
    let after = if reason == Reason::Settling {
        after
    } else if reason == Reason::Busy {
        let wait = after.min(soon(receives));
        if marked && !often { wait.min(limits::GROUP_BLOCKED_MAX) } else { wait }
    } else if often {
        growing(after, receives)
    } else {
        growing(after, receives).min(limits::RETRY_SLOWLY.max(after))
    };
    let pointless = matches!(
        reason,
        Reason::Paused | Reason::Restored | Reason::OtherConfiguration | Reason::Complete
    );
    // The message comes back for nothing, or blocks the changes of its group for too long.
    let too_long = after > limits::GROUP_BLOCKED_MAX;
    if marked && !panicked && (often || pointless || too_long) {
        Acknowledgement::LeaveToMark(after, reason)
    } else {
        Acknowledgement::Back(after)
    }
}

/// What becomes of a message that nothing could be tried for, because the process lacks what it
/// needs to work at all.
pub fn refuse(receives: u32, marked: bool) -> Acknowledgement {
    if is_often(receives) && marked {
        Acknowledgement::Done
    } else {
        Acknowledgement::Back(growing(limits::RETRY_SOON, receives))
    }
}

const fn is_often(receives: u32) -> bool {
    receives >= limits::LATER_RECEIVES_MAX
}

/// How soon to look again at a person who is leased. The lease is given back within milliseconds as
/// a rule, and only a crash makes it last; so the first waits are short, and four times as long
/// each: 1, 4, 16, 64 seconds.
fn soon(receives: u32) -> Duration {
    Duration::from_secs(1 << (2 * receives.saturating_sub(1).min(4)))
}

/// Waits double with each receive, so that an outage of hours stays below the queue's
/// `maxReceiveCount` and nothing ends among the dead letters for it.
pub fn growing(first: Duration, receives: u32) -> Duration {
    let doublings = receives.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(limits::RETRY_LONGEST).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    const SOON: Duration = limits::RETRY_SOON;

    fn ask(reason: Reason, receives: u32, marked: bool) -> Acknowledgement {
        let delivery = Delivery { receives, marked, panicked: false };
        acknowledge(&Verdict::Later(SOON, reason), delivery)
    }

    #[test]
    fn what_is_finished_is_deleted() {
        let delivery = Delivery { receives: 1, marked: false, panicked: false };
        for verdict in [
            Verdict::Applied,
            Verdict::AlreadyTrue,
            Verdict::Held(Reason::Conflict),
            Verdict::Refused(Reason::TooLong),
        ] {
            assert_eq!(acknowledge(&verdict, delivery), Acknowledgement::Done);
        }
    }

    #[test]
    fn only_a_marked_change_is_left_to_the_table() {
        let outside = Reason::Outside(FaultKind::NoAnswer);
        let often = limits::LATER_RECEIVES_MAX;
        assert!(matches!(ask(outside, often, true), Acknowledgement::LeaveToMark(..)));
        assert!(matches!(ask(outside, often, false), Acknowledgement::Back(_)));
        assert!(matches!(ask(outside, often - 1, true), Acknowledgement::Back(_)));
        for reason in [Reason::Paused, Reason::Restored, Reason::OtherConfiguration] {
            assert!(matches!(ask(reason, 1, true), Acknowledgement::LeaveToMark(..)), "{reason}");
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
            Reason::Outside(FaultKind::Denied),
            Reason::Outside(FaultKind::NoAnswer),
        ];
        let waits = [SOON, limits::GROUP_BLOCKED_MAX, limits::RETRY_SLOWLY, limits::RETRY_LONGEST];
        for reason in reasons {
            for (after, receives) in waits.into_iter().zip(1..).chain([(waits[2], 1)]) {
                let delivery = Delivery { receives, marked: true, panicked: false };
                let what = acknowledge(&Verdict::Later(after, reason), delivery);
                let hidden = match what {
                    Acknowledgement::Back(hidden) => hidden,
                    Acknowledgement::Done | Acknowledgement::LeaveToMark(..) => Duration::ZERO,
                };
                let allowed = limits::GROUP_BLOCKED_MAX;
                assert!(hidden <= allowed, "{reason}, {after:?}, {receives}: {what:?}");
            }
        }
        // Without a pending change the message is all there is, so it comes back.
        let long = Verdict::Later(limits::RETRY_SLOWLY, Reason::Closing);
        let delivery = Delivery { receives: 1, marked: false, panicked: false };
        assert_eq!(acknowledge(&long, delivery), Acknowledgement::Back(limits::RETRY_SLOWLY));
    }

    #[test]
    fn a_panic_is_never_left_to_the_table() {
        let delivery = Delivery { receives: limits::RECEIVES_MAX, marked: true, panicked: true };
        let verdict = Verdict::Later(SOON, Reason::Contended);
        assert!(matches!(acknowledge(&verdict, delivery), Acknowledgement::Back(_)));
    }

    #[test]
    fn settling_waits_as_long_as_it_takes_and_no_longer() {
        for receives in 1..limits::LATER_RECEIVES_MAX {
            assert_eq!(ask(Reason::Settling, receives, true), Acknowledgement::Back(SOON));
        }
    }

    #[test]
    fn waits_for_a_lease_begin_short() {
        let long = Verdict::Later(limits::RETRY_SLOWLY, Reason::Busy);
        let wait =
            |receives| acknowledge(&long, Delivery { receives, marked: false, panicked: false });
        assert_eq!(wait(1), Acknowledgement::Back(Duration::from_secs(1)));
        assert_eq!(wait(3), Acknowledgement::Back(Duration::from_secs(16)));
        assert_eq!(wait(9), Acknowledgement::Back(Duration::from_secs(256)));
    }

    #[test]
    fn waits_grow_to_an_hour_and_never_below_the_first() {
        assert_eq!(growing(SOON, 1), SOON);
        assert_eq!(growing(SOON, 3), 4 * SOON);
        assert_eq!(growing(SOON, 60), limits::RETRY_LONGEST);
        let day = Duration::from_hours(24);
        assert_eq!(growing(day, 3), day);
    }

    #[test]
    fn a_process_that_cannot_work_keeps_what_is_not_marked() {
        let often = limits::LATER_RECEIVES_MAX;
        assert_eq!(refuse(often, true), Acknowledgement::Done);
        assert!(matches!(refuse(often, false), Acknowledgement::Back(_)));
        assert!(matches!(refuse(1, true), Acknowledgement::Back(_)));
    }
}
