//! The definition of "drained": no captured change event is still on its way (`DrainedMeansEmpty`).
//!
//! There are two positive answers:
//!
//! - *Empty*: nothing at all is on its way. According to its counters, which need a minute, the
//!   queue was empty at every snapshot for a minute.
//! - *Up to a moment*: no event that was captured before that moment is on its way. Under live
//!   traffic the queue is never empty, because every event waits there for a few seconds. The
//!   pending change in the table, which is read consistently, shows the age of an event. An event
//!   that was sent without a pending change is a message alone; if apply receives it and cannot
//!   finish it, apply stores a pending change. So for a whole minute nothing older may show, and
//!   messages must be explained by events that were captured since. If nothing is captured any
//!   more, nothing explains a message, and only the first answer is possible.

use std::time::Duration;

use crate::rules::{ProtocolRules, Rule};
use crate::time::Time;

mod outstanding;

pub use outstanding::{Outstanding, is_under_way};

/// The counters of the queue. SQS calls them approximate: one snapshot proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct QueueCounts {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received and not yet deleted or returned.
    pub in_flight: u64,
    /// Not visible yet.
    pub delayed: u64,
}

impl QueueCounts {
    /// The sum of both queues: an event in either of them is on its way.
    #[must_use]
    pub const fn with(&self, other: &Self) -> Self {
        Self {
            waiting: self.waiting.saturating_add(other.waiting),
            in_flight: self.in_flight.saturating_add(other.in_flight),
            delayed: self.delayed.saturating_add(other.delayed),
        }
    }

    /// All messages in the queue.
    pub const fn total(&self) -> u64 {
        self.waiting.saturating_add(self.in_flight).saturating_add(self.delayed)
    }

    /// Whether the queue is empty according to the counters.
    pub const fn empty(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0 && self.delayed == 0
    }
}

/// A snapshot of everything that may hold a change event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct DrainSnapshot {
    /// When the snapshot began.
    pub at: Time,
    /// Pending changes whose first change is not after the moment asked for, without those of held
    /// people.
    pub pending_changes: u64,
    /// Pending changes whose first change is after that moment.
    pub younger: u64,
    /// People under a live lease, or with an open write intent or creation intent.
    pub under_way: u64,
    /// Those of them whose work may have begun by the moment asked for.
    pub older_under_way: u64,
    /// The queue's counters.
    pub queue: QueueCounts,
    /// Captures since the last full verification that could not store their pending change.
    pub lost_captures: u64,
}

/// Why the bridge is not drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainBlocker {
    /// Accounts have pending changes.
    PendingChanges(u64),
    /// Workers process people.
    UnderWay(u64),
    /// The queue is not empty.
    Queue(u64),
    /// The queue must be empty at two snapshots, [`SNAPSHOTS_APART`] apart.
    SecondSnapshot,
    /// Captures could not store their pending change.
    LostCaptures(u64),
}

/// How far apart the two snapshots of the queue must be: SQS counters may need a minute.
pub const SNAPSHOTS_APART: Duration = Duration::from_mins(1);

/// Every reason why the bridge is not drained, given two snapshots. Empty: drained.
pub fn blockers(
    rules: ProtocolRules,
    before: Option<&DrainSnapshot>,
    now: &DrainSnapshot,
    apart: Duration,
) -> Vec<DrainBlocker> {
    let mut reasons = Vec::new();
    if now.pending_changes > 0 {
        reasons.push(DrainBlocker::PendingChanges(now.pending_changes));
    }
    if !rules.keeps(Rule::DrainedMeansEmpty) {
        return reasons;
    }
    if now.under_way > 0 {
        reasons.push(DrainBlocker::UnderWay(now.under_way));
    }
    if now.lost_captures > 0 {
        reasons.push(DrainBlocker::LostCaptures(now.lost_captures));
    }
    if !now.queue.empty() {
        reasons.push(DrainBlocker::Queue(now.queue.total()));
    }
    let before = before.filter(|before| before.queue.empty());
    if now.queue.empty() && before.is_none_or(|before| now.at.since(before.at) < apart) {
        reasons.push(DrainBlocker::SecondSnapshot);
    }
    reasons
}

/// Which of the two answers applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drained {
    /// Nothing is on its way.
    Empty,
    /// Nothing that was captured by the moment asked for is on its way.
    UpToAsked,
}

/// Takes snapshots in turn until the bridge is drained.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    rules: ProtocolRules,
    apart: Duration,
    /// The first snapshot of the current row in which the queue was empty.
    empty: Option<DrainSnapshot>,
    /// The time of the first snapshot of the current row that showed nothing older.
    nothing_older: Option<Time>,
    /// When a snapshot last showed an event that was captured since.
    younger: Option<Time>,
}

impl DrainWatch {
    /// A watch without any snapshot. `apart` is [`SNAPSHOTS_APART`], except on a local stack.
    pub const fn new(rules: ProtocolRules, apart: Duration) -> Self {
        Self { rules, apart, empty: None, nothing_older: None, younger: None }
    }

    /// Adds one snapshot. Returns which answer applies, or what blocks the answer that is nearer.
    pub fn snapshot(&mut self, snapshot: &DrainSnapshot) -> Result<Drained, Vec<DrainBlocker>> {
        let whole = blockers(self.rules, self.empty.as_ref(), snapshot, self.apart);
        // Two snapshots count only if the queue was empty at every snapshot between them.
        self.empty = if snapshot.queue.empty() { self.empty.or(Some(*snapshot)) } else { None };
        if whole.is_empty() {
            return Ok(Drained::Empty);
        }
        if snapshot.younger > 0 {
            self.younger = Some(snapshot.at);
        }
        let older = self.older(snapshot);
        if !older.is_empty() {
            self.nothing_older = None;
            return Err(older);
        }
        let since = *self.nothing_older.get_or_insert(snapshot.at);
        if snapshot.at.since(since) >= self.apart && self.rules.keeps(Rule::DrainedMeansEmpty) {
            return Ok(Drained::UpToAsked);
        }
        Err(vec![DrainBlocker::SecondSnapshot])
    }

    /// What may be on its way since before the moment asked for.
    fn older(&self, snapshot: &DrainSnapshot) -> Vec<DrainBlocker> {
        let mut reasons = Vec::new();
        if snapshot.pending_changes > 0 {
            reasons.push(DrainBlocker::PendingChanges(snapshot.pending_changes));
        }
        if snapshot.older_under_way > 0 {
            reasons.push(DrainBlocker::UnderWay(snapshot.older_under_way));
        }
        if snapshot.lost_captures > 0 {
            reasons.push(DrainBlocker::LostCaptures(snapshot.lost_captures));
        }
        // The counters are at most a minute old, so an event explains messages for that long.
        let explained = self.younger.is_some_and(|at| snapshot.at.since(at) <= self.apart);
        if !snapshot.queue.empty() && !explained {
            reasons.push(DrainBlocker::Queue(snapshot.queue.total()));
        }
        reasons
    }
}

#[cfg(test)]
mod tests;
