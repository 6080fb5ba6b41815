//! What "drained" means: nothing that was captured is still on its way (R14).

use crate::law::{Law, Rule};
use crate::time::Time;

/// The queue's counters. SQS calls them approximate: one look proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct QueueCounts {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received and not yet answered.
    pub in_flight: u64,
    /// Not visible yet.
    pub delayed: u64,
}

impl QueueCounts {
    /// Both queues' together: a change in either of them is on its way.
    #[must_use]
    pub const fn with(&self, other: &Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            in_flight: self.in_flight + other.in_flight,
            delayed: self.delayed + other.delayed,
        }
    }

    /// Whether nothing is in it as far as the service tells.
    pub const fn empty(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0 && self.delayed == 0
    }
}

/// One look at everything that may hold a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Look {
    /// When the look began.
    pub at: Time,
    /// Marks whose first deed is not after the moment asked for; those of people held are left out.
    pub marks: u64,
    /// People under a live lease or with an open intent or birth note.
    pub under_way: u64,
    /// The queue's counters.
    pub queue: QueueCounts,
    /// Captures whose mark failed since the last full verification.
    pub unmarked: u64,
}

/// Why it is not drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undrained {
    /// Accounts are marked.
    Marks(u64),
    /// Somebody is being worked on.
    UnderWay(u64),
    /// The queue is not empty, or was not a moment ago.
    Queue(u64),
    /// The queue was empty once: it has to be so twice, this long apart.
    LookAgain,
    /// Captures could not leave a mark.
    Unmarked(u64),
}

/// How far apart the two looks at the queue must be: SQS says its counters may need a minute.
pub const LOOKS_APART: std::time::Duration = std::time::Duration::from_mins(1);

/// Every reason why things are not drained, given two looks. Empty: drained.
pub fn undrained(
    law: Law,
    before: Option<&Look>,
    now: &Look,
    apart: std::time::Duration,
) -> Vec<Undrained> {
    let mut reasons = Vec::new();
    if now.marks > 0 {
        reasons.push(Undrained::Marks(now.marks));
    }
    if !law.keeps(Rule::R14) {
        return reasons;
    }
    if now.under_way > 0 {
        reasons.push(Undrained::UnderWay(now.under_way));
    }
    if now.unmarked > 0 {
        reasons.push(Undrained::Unmarked(now.unmarked));
    }
    if !now.queue.empty() {
        let QueueCounts { waiting, in_flight, delayed } = now.queue;
        reasons.push(Undrained::Queue(waiting + in_flight + delayed));
    }
    let before = before.filter(|before| before.queue.empty());
    if now.queue.empty() && before.is_none_or(|before| now.at.since(before.at) < apart) {
        reasons.push(Undrained::LookAgain);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: i64) -> Look {
        Look { at: Time(at), ..Look::default() }
    }

    fn ask(before: Option<&Look>, now: &Look) -> Vec<Undrained> {
        undrained(Law::WHOLE, before, now, LOOKS_APART)
    }

    #[test]
    fn drained_takes_two_empty_looks_a_minute_apart() {
        assert_eq!(ask(None, &look(0)), [Undrained::LookAgain]);
        assert_eq!(ask(Some(&look(0)), &look(59_999)), [Undrained::LookAgain]);
        assert_eq!(ask(Some(&look(0)), &look(60_000)), []);
    }

    #[test]
    fn each_place_that_may_hold_a_change_is_a_reason() {
        let before = look(0);
        let queue = QueueCounts { waiting: 1, in_flight: 2, delayed: 3 };
        let now = Look { marks: 4, under_way: 5, queue, unmarked: 6, ..look(60_000) };
        let all = [
            Undrained::Marks(4),
            Undrained::UnderWay(5),
            Undrained::Unmarked(6),
            Undrained::Queue(6),
        ];
        assert_eq!(ask(Some(&before), &now), all);
    }
}
