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

use std::collections::BTreeMap;
use std::time::Duration;

use crate::change::PendingChange;
use crate::limits;
use crate::names::PersonId;
use crate::record::{PersonRecord, PersonState};
use crate::rules::{ProtocolRules, Rule};
use crate::time::Time;

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
    /// The queue must be empty at two snapshots, this long apart.
    LookAgain,
    /// Captures could not store their pending change.
    LostCaptures(u64),
}

/// How far apart the two snapshots of the queue must be: SQS counters may need a minute.
pub const LOOKS_APART: Duration = Duration::from_mins(1);

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
        reasons.push(DrainBlocker::LookAgain);
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
    /// A watch without any snapshot. `apart` is [`LOOKS_APART`], except on a local stack.
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
        Err(vec![DrainBlocker::LookAgain])
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

/// The contents of one snapshot of the table. Adapters and simulation build it from the same items.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// Pending changes whose first change is not after the moment asked for, without those of
    /// `held`. Includes pending changes that cannot be read, because their time is not known.
    pub pending_changes: u64,
    /// Pending changes whose first change is after that moment.
    pub younger: u64,
    /// Pending changes of held or conflicting people, processed since their newest change.
    pub held: u64,
    /// The time of the oldest change that a pending change stands for, held or not.
    pub oldest: Option<Time>,
    /// Each person under way, and whether that work may have begun by the moment asked for.
    pub under_way: BTreeMap<PersonId, bool>,
    /// People whose record cannot be read. They count as under way since before that moment.
    pub unknown: u64,
}

impl Outstanding {
    /// Adds a pending change and its person, if there is one.
    pub fn add_pending(
        &mut self,
        pending: &PendingChange,
        person: Option<&PersonRecord>,
        asked: Time,
        now: Time,
    ) {
        self.oldest = Some(self.oldest.map_or(pending.first, |oldest| oldest.min(pending.first)));
        // A pending change that was never processed is not applied yet, held person or not.
        let looked_at = pending.attempts > 0;
        if looked_at && person.is_some_and(needs_somebody) {
            self.held += 1;
        } else if may_be_before(pending.first, asked) {
            self.pending_changes += 1;
        } else {
            self.younger += 1;
        }
        if let Some(person) = person {
            self.person(person, asked, now);
        }
    }

    /// Adds a person.
    pub fn person(&mut self, person: &PersonRecord, asked: Time, now: Time) {
        if is_under_way(person, now) {
            let older = may_be_older(person, asked, now);
            self.under_way.insert(person.id.clone(), older);
        }
    }

    /// The snapshot of this, the queue's counters and the captures without a pending change.
    pub fn snapshot(&self, at: Time, queue: QueueCounts, lost_captures: u64) -> DrainSnapshot {
        let older = self.under_way.values().filter(|older| **older).count() as u64;
        DrainSnapshot {
            at,
            pending_changes: self.pending_changes,
            younger: self.younger,
            under_way: self.under_way.len() as u64 + self.unknown,
            older_under_way: older + self.unknown,
            queue,
            lost_captures,
        }
    }
}

const fn needs_somebody(person: &PersonRecord) -> bool {
    matches!(person.state, PersonState::Held | PersonState::Conflict)
}

/// Whether a worker processes this person, or left a write intent or a creation intent open.
pub fn is_under_way(person: &PersonRecord, now: Time) -> bool {
    let leased = person.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    leased || person.intent.is_some() || person.creation.is_some()
}

/// Whether an event at `at`, by one clock, may have happened by `asked`, by another clock.
fn may_be_before(at: Time, asked: Time) -> bool {
    at <= asked + limits::CLOCK_ALLOWANCE
}

/// Whether the work under way on this person may have begun by `asked`. A lease does not show when
/// it was taken, but it is never longer than [`limits::LEASE_TIME_MAX`].
fn may_be_older(person: &PersonRecord, asked: Time, now: Time) -> bool {
    let lease = person.lease.as_ref().filter(|lease| lease.free_at > now);
    let leased = lease.is_some_and(|lease| lease.until <= asked + limits::LEASE_TIME_MAX);
    let intended = person.intent.as_ref().is_some_and(|intent| may_be_before(intent.at, asked));
    let born = person.creation.as_ref().is_some_and(|creation| may_be_before(creation.at, asked));
    leased || intended || born
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Evidence;
    use crate::names::{Owner, Sub, Username};
    use crate::record::{KnownAccount, Lease};
    use crate::side::Side;

    fn snapshot(at: i64) -> DrainSnapshot {
        DrainSnapshot { at: Time(at), ..DrainSnapshot::default() }
    }

    fn ask(before: Option<&DrainSnapshot>, now: &DrainSnapshot) -> Vec<DrainBlocker> {
        blockers(ProtocolRules::WHOLE, before, now, LOOKS_APART)
    }

    #[test]
    fn drained_takes_two_empty_snapshots_a_minute_apart() {
        assert_eq!(ask(None, &snapshot(0)), [DrainBlocker::LookAgain]);
        assert_eq!(ask(Some(&snapshot(0)), &snapshot(59_999)), [DrainBlocker::LookAgain]);
        assert_eq!(ask(Some(&snapshot(0)), &snapshot(60_000)), []);
    }

    #[test]
    fn each_place_that_may_hold_an_event_is_a_reason() {
        let before = snapshot(0);
        let queue = QueueCounts { waiting: 1, in_flight: 2, delayed: 3 };
        let now = DrainSnapshot {
            pending_changes: 4,
            under_way: 5,
            queue,
            lost_captures: 6,
            ..snapshot(60_000)
        };
        let all = [
            DrainBlocker::PendingChanges(4),
            DrainBlocker::UnderWay(5),
            DrainBlocker::LostCaptures(6),
            DrainBlocker::Queue(6),
        ];
        assert_eq!(ask(Some(&before), &now), all);
    }

    #[test]
    fn counters_of_both_queues_are_added_without_overflow() {
        let live = QueueCounts { waiting: 5, in_flight: 3, delayed: 1 };
        let bulk = QueueCounts { waiting: 40, in_flight: 30, delayed: 20 };
        let both = QueueCounts { waiting: 45, in_flight: 33, delayed: 21 };
        assert_eq!(live.with(&bulk), both);
        let nonsense = QueueCounts { waiting: u64::MAX, in_flight: u64::MAX, delayed: u64::MAX };
        assert_eq!(nonsense.with(&live), nonsense);
        assert_eq!(nonsense.total(), u64::MAX);
    }

    /// A snapshot of a bridge under live traffic: each message has a younger event.
    fn live(at: i64) -> DrainSnapshot {
        let queue = QueueCounts { waiting: 1, in_flight: 7, delayed: 0 };
        DrainSnapshot { younger: 5, under_way: 3, queue, ..snapshot(at) }
    }

    fn watch() -> DrainWatch {
        DrainWatch::new(ProtocolRules::WHOLE, LOOKS_APART)
    }

    #[test]
    fn drained_up_to_a_moment_is_reached_under_live_traffic() {
        let mut watch = watch();
        for at in (0..60_000).step_by(3_000) {
            assert_eq!(watch.snapshot(&live(at)), Err(vec![DrainBlocker::LookAgain]), "{at}");
        }
        assert_eq!(watch.snapshot(&live(60_000)), Ok(Drained::UpToAsked));
    }

    #[test]
    fn work_that_may_be_older_is_a_reason_and_restarts_the_minute() {
        let older = [
            (DrainSnapshot { pending_changes: 2, ..live(30_000) }, DrainBlocker::PendingChanges(2)),
            (DrainSnapshot { older_under_way: 1, ..live(30_000) }, DrainBlocker::UnderWay(1)),
            (DrainSnapshot { lost_captures: 4, ..live(30_000) }, DrainBlocker::LostCaptures(4)),
        ];
        for (older, reason) in older {
            let mut watch = watch();
            assert!(watch.snapshot(&live(0)).is_err());
            assert_eq!(watch.snapshot(&older), Err(vec![reason]));
            assert_eq!(
                watch.snapshot(&live(60_000)),
                Err(vec![DrainBlocker::LookAgain]),
                "{reason:?}"
            );
            assert_eq!(watch.snapshot(&live(120_000)), Ok(Drained::UpToAsked), "{reason:?}");
        }
    }

    #[test]
    fn message_that_no_younger_event_explains_is_never_drained() {
        // Nothing is captured any more. The message left may be the only trace of an event.
        let mut watch = watch();
        let alone = |at| DrainSnapshot { younger: 0, under_way: 0, ..live(at) };
        assert!(watch.snapshot(&live(0)).is_err());
        for at in (61_000..600_000).step_by(3_000) {
            assert_eq!(watch.snapshot(&alone(at)), Err(vec![DrainBlocker::Queue(8)]), "{at}");
        }
        assert_eq!(watch.snapshot(&snapshot(600_000)), Err(vec![DrainBlocker::LookAgain]));
        assert_eq!(watch.snapshot(&snapshot(660_000)), Ok(Drained::Empty));
    }

    #[test]
    fn queue_must_be_empty_at_every_snapshot_of_the_minute_if_nothing_is_captured() {
        let mut watch = watch();
        let alone = |at| DrainSnapshot { younger: 0, under_way: 0, ..live(at) };
        assert!(watch.snapshot(&snapshot(0)).is_err());
        assert!(watch.snapshot(&alone(30_000)).is_err());
        assert!(watch.snapshot(&snapshot(60_000)).is_err());
        assert!(watch.snapshot(&snapshot(119_999)).is_err());
        assert_eq!(watch.snapshot(&snapshot(120_000)), Ok(Drained::Empty));
    }

    fn person() -> PersonRecord {
        let account = KnownAccount {
            sub: Sub::try_from("s").unwrap(),
            username: Username::try_from("n").unwrap(),
            seen: Time(0),
            written: None,
            gone: None,
        };
        PersonRecord::new(PersonId::from_nonce(1), Side::Old, account, Time(0))
    }

    #[test]
    fn drain_waits_for_a_lease_that_may_be_older_than_the_drain() {
        let mut person = person();
        let (asked, now) = (Time(1_000_000), Time(1_010_000));
        assert!(!is_under_way(&person, now) && !may_be_older(&person, asked, now));
        let lease = |until: Time| Lease { owner: Owner::from_nonce(1), until, free_at: until };
        let longest = asked + limits::LEASE_TIME_MAX;
        person.lease = Some(lease(longest));
        assert!(may_be_older(&person, asked, now));
        person.lease = Some(lease(longest + Duration::from_millis(1)));
        assert!(is_under_way(&person, now));
        assert!(!may_be_older(&person, asked, now), "the lease was taken since");
        person.lease = Some(lease(now));
        assert!(!is_under_way(&person, now), "the lease has expired");
        assert!(!may_be_older(&person, asked, now));
    }

    fn pending(first: i64, attempts: u32) -> PendingChange {
        PendingChange {
            side: Side::Old,
            sub: Sub::try_from("s").unwrap(),
            token: 1,
            first: Time(first),
            last: Time(first),
            evidence: Evidence::Changed,
            password_at: None,
            administrator_at: None,
            claimed_at: None,
            not_before: Time::ZERO,
            attempts,
            reason: None,
        }
    }

    #[test]
    fn a_pending_change_counts_unless_it_is_younger_or_held() {
        let add = |pending: &PendingChange, state: Option<PersonState>| {
            let person = state.map(|state| PersonRecord { state, ..person() });
            let mut seen = Outstanding::default();
            seen.add_pending(pending, person.as_ref(), Time(100), Time(200));
            (seen.pending_changes, seen.younger, seen.held)
        };
        assert_eq!(add(&pending(100, 0), None), (1, 0, 0));
        // Another clock, perhaps a fast one, stamped the event: it may be from before that moment.
        let close = Time(100) + limits::CLOCK_ALLOWANCE;
        assert_eq!(add(&pending(close.0, 0), None), (1, 0, 0));
        assert_eq!(add(&pending(close.0 + 1, 0), None), (0, 1, 0));
        assert_eq!(add(&pending(100, 1), Some(PersonState::Held)), (0, 0, 1));
        assert_eq!(add(&pending(100, 1), Some(PersonState::Conflict)), (0, 0, 1));
        assert_eq!(add(&pending(100, 1), Some(PersonState::Waiting)), (1, 0, 0));
        // The new change of a held person is not processed yet: it may end the hold.
        assert_eq!(add(&pending(100, 0), Some(PersonState::Held)), (1, 0, 0));
    }

    #[test]
    fn a_snapshot_counts_each_person_once_and_unreadable_people_as_older() {
        let (asked, now) = (Time(100), Time(200_000));
        let until = now + Duration::from_secs(20);
        let owner = Owner::from_nonce(1);
        let busy = PersonRecord { lease: Some(Lease { owner, until, free_at: until }), ..person() };
        let mut seen = Outstanding { unknown: 2, ..Outstanding::default() };
        seen.add_pending(&pending(10_000, 0), Some(&busy), asked, now);
        seen.person(&busy, asked, now);
        seen.person(&person(), asked, now);
        let snapshot = seen.snapshot(now, QueueCounts::default(), 3);
        assert_eq!(
            (snapshot.pending_changes, snapshot.younger, snapshot.lost_captures),
            (0, 1, 3)
        );
        assert_eq!((snapshot.under_way, snapshot.older_under_way), (3, 2));
        assert_eq!(seen.oldest, Some(Time(10_000)));
    }
}
