//! The definition of "drained": no captured change event is still on its way (R14,
//! `DrainedMeansEmpty`).
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

use crate::change::Mark;
use crate::entry::{Entry, State};
use crate::law::{Law, Rule};
use crate::limits;
use crate::names::PersonId;
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
pub struct Look {
    /// When the snapshot began.
    pub at: Time,
    /// Pending changes whose first change is not after the moment asked for, without those of held
    /// people.
    pub marks: u64,
    /// Pending changes whose first change is after that moment.
    pub younger: u64,
    /// People under a live lease, or with an open write intent or creation intent.
    pub under_way: u64,
    /// Those of them whose work may have begun by the moment asked for.
    pub older_under_way: u64,
    /// The queue's counters.
    pub queue: QueueCounts,
    /// Captures since the last full verification that could not store their pending change.
    pub unmarked: u64,
}

/// Why the bridge is not drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undrained {
    /// Accounts have pending changes.
    Marks(u64),
    /// Workers process people.
    UnderWay(u64),
    /// The queue is not empty.
    Queue(u64),
    /// The queue must be empty at two snapshots, this long apart.
    LookAgain,
    /// Captures could not store their pending change.
    Unmarked(u64),
}

/// How far apart the two snapshots of the queue must be: SQS counters may need a minute.
pub const LOOKS_APART: Duration = Duration::from_mins(1);

/// Every reason why the bridge is not drained, given two snapshots. Empty: drained.
pub fn undrained(law: Law, before: Option<&Look>, now: &Look, apart: Duration) -> Vec<Undrained> {
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
        reasons.push(Undrained::Queue(now.queue.total()));
    }
    let before = before.filter(|before| before.queue.empty());
    if now.queue.empty() && before.is_none_or(|before| now.at.since(before.at) < apart) {
        reasons.push(Undrained::LookAgain);
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
pub struct Watch {
    law: Law,
    apart: Duration,
    /// The first snapshot of the current row in which the queue was empty.
    empty: Option<Look>,
    /// The time of the first snapshot of the current row that showed nothing older.
    nothing_older: Option<Time>,
    /// When a snapshot last showed an event that was captured since.
    younger: Option<Time>,
}

impl Watch {
    /// A watch without any snapshot. `apart` is [`LOOKS_APART`], except on a local stack.
    pub const fn new(law: Law, apart: Duration) -> Self {
        Self { law, apart, empty: None, nothing_older: None, younger: None }
    }

    /// Adds one snapshot. Returns which answer applies, or what blocks the answer that is nearer.
    pub fn look(&mut self, look: &Look) -> Result<Drained, Vec<Undrained>> {
        let whole = undrained(self.law, self.empty.as_ref(), look, self.apart);
        // Two snapshots count only if the queue was empty at every snapshot between them.
        self.empty = if look.queue.empty() { self.empty.or(Some(*look)) } else { None };
        if whole.is_empty() {
            return Ok(Drained::Empty);
        }
        if look.younger > 0 {
            self.younger = Some(look.at);
        }
        let older = self.older(look);
        if !older.is_empty() {
            self.nothing_older = None;
            return Err(older);
        }
        let since = *self.nothing_older.get_or_insert(look.at);
        if look.at.since(since) >= self.apart && self.law.keeps(Rule::R14) {
            return Ok(Drained::UpToAsked);
        }
        Err(vec![Undrained::LookAgain])
    }

    /// What may be on its way since before the moment asked for.
    fn older(&self, look: &Look) -> Vec<Undrained> {
        let mut reasons = Vec::new();
        if look.marks > 0 {
            reasons.push(Undrained::Marks(look.marks));
        }
        if look.older_under_way > 0 {
            reasons.push(Undrained::UnderWay(look.older_under_way));
        }
        if look.unmarked > 0 {
            reasons.push(Undrained::Unmarked(look.unmarked));
        }
        // The counters are at most a minute old, so an event explains messages for that long.
        let explained = self.younger.is_some_and(|at| look.at.since(at) <= self.apart);
        if !look.queue.empty() && !explained {
            reasons.push(Undrained::Queue(look.queue.total()));
        }
        reasons
    }
}

/// The contents of one snapshot of the table. Adapters and simulation build it from the same items.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// Pending changes whose first change is not after the moment asked for, without those of
    /// `held`. Includes pending changes that cannot be read, because their time is not known.
    pub marks: u64,
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
    pub fn mark(&mut self, mark: &Mark, person: Option<&Entry>, asked: Time, now: Time) {
        self.oldest = Some(self.oldest.map_or(mark.first, |oldest| oldest.min(mark.first)));
        // A pending change that was never processed is not applied yet, held person or not.
        let looked_at = mark.attempts > 0;
        if looked_at && person.is_some_and(needs_somebody) {
            self.held += 1;
        } else if may_be_before(mark.first, asked) {
            self.marks += 1;
        } else {
            self.younger += 1;
        }
        if let Some(person) = person {
            self.person(person, asked, now);
        }
    }

    /// Adds a person.
    pub fn person(&mut self, person: &Entry, asked: Time, now: Time) {
        if is_under_way(person, now) {
            let older = may_be_older(person, asked, now);
            self.under_way.insert(person.id.clone(), older);
        }
    }

    /// The snapshot of this, the queue's counters and the captures without a pending change.
    pub fn look(&self, at: Time, queue: QueueCounts, unmarked: u64) -> Look {
        let older = self.under_way.values().filter(|older| **older).count() as u64;
        Look {
            at,
            marks: self.marks,
            younger: self.younger,
            under_way: self.under_way.len() as u64 + self.unknown,
            older_under_way: older + self.unknown,
            queue,
            unmarked,
        }
    }
}

const fn needs_somebody(person: &Entry) -> bool {
    matches!(person.state, State::Held | State::Conflict)
}

/// Whether a worker processes this person, or left a write intent or a creation intent open.
pub fn is_under_way(person: &Entry, now: Time) -> bool {
    let leased = person.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    leased || person.intent.is_some() || person.birth.is_some()
}

/// Whether an event at `at`, by one clock, may have happened by `asked`, by another clock.
fn may_be_before(at: Time, asked: Time) -> bool {
    at <= asked + limits::CLOCK_ALLOWANCE
}

/// Whether the work under way on this person may have begun by `asked`. A lease does not show when
/// it was taken, but it is never longer than [`limits::LEASE_TIME_MAX`].
fn may_be_older(person: &Entry, asked: Time, now: Time) -> bool {
    let lease = person.lease.as_ref().filter(|lease| lease.free_at > now);
    let leased = lease.is_some_and(|lease| lease.until <= asked + limits::LEASE_TIME_MAX);
    let intended = person.intent.as_ref().is_some_and(|intent| may_be_before(intent.at, asked));
    let born = person.birth.as_ref().is_some_and(|birth| may_be_before(birth.at, asked));
    leased || intended || born
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Proof;
    use crate::entry::{Known, Lease};
    use crate::names::{Owner, Sub, Username};
    use crate::side::Side;

    fn look(at: i64) -> Look {
        Look { at: Time(at), ..Look::default() }
    }

    fn ask(before: Option<&Look>, now: &Look) -> Vec<Undrained> {
        undrained(Law::WHOLE, before, now, LOOKS_APART)
    }

    #[test]
    fn drained_takes_two_empty_snapshots_a_minute_apart() {
        assert_eq!(ask(None, &look(0)), [Undrained::LookAgain]);
        assert_eq!(ask(Some(&look(0)), &look(59_999)), [Undrained::LookAgain]);
        assert_eq!(ask(Some(&look(0)), &look(60_000)), []);
    }

    #[test]
    fn each_place_that_may_hold_an_event_is_a_reason() {
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
    fn live(at: i64) -> Look {
        let queue = QueueCounts { waiting: 1, in_flight: 7, delayed: 0 };
        Look { younger: 5, under_way: 3, queue, ..look(at) }
    }

    fn watch() -> Watch {
        Watch::new(Law::WHOLE, LOOKS_APART)
    }

    #[test]
    fn drained_up_to_a_moment_is_reached_under_live_traffic() {
        let mut watch = watch();
        for at in (0..60_000).step_by(3_000) {
            assert_eq!(watch.look(&live(at)), Err(vec![Undrained::LookAgain]), "{at}");
        }
        assert_eq!(watch.look(&live(60_000)), Ok(Drained::UpToAsked));
    }

    #[test]
    fn work_that_may_be_older_is_a_reason_and_restarts_the_minute() {
        let older = [
            (Look { marks: 2, ..live(30_000) }, Undrained::Marks(2)),
            (Look { older_under_way: 1, ..live(30_000) }, Undrained::UnderWay(1)),
            (Look { unmarked: 4, ..live(30_000) }, Undrained::Unmarked(4)),
        ];
        for (older, reason) in older {
            let mut watch = watch();
            assert!(watch.look(&live(0)).is_err());
            assert_eq!(watch.look(&older), Err(vec![reason]));
            assert_eq!(watch.look(&live(60_000)), Err(vec![Undrained::LookAgain]), "{reason:?}");
            assert_eq!(watch.look(&live(120_000)), Ok(Drained::UpToAsked), "{reason:?}");
        }
    }

    #[test]
    fn message_that_no_younger_event_explains_is_never_drained() {
        // Nothing is captured any more. The message left may be the only trace of an event.
        let mut watch = watch();
        let alone = |at| Look { younger: 0, under_way: 0, ..live(at) };
        assert!(watch.look(&live(0)).is_err());
        for at in (61_000..600_000).step_by(3_000) {
            assert_eq!(watch.look(&alone(at)), Err(vec![Undrained::Queue(8)]), "{at}");
        }
        assert_eq!(watch.look(&look(600_000)), Err(vec![Undrained::LookAgain]));
        assert_eq!(watch.look(&look(660_000)), Ok(Drained::Empty));
    }

    #[test]
    fn queue_must_be_empty_at_every_snapshot_of_the_minute_if_nothing_is_captured() {
        let mut watch = watch();
        let alone = |at| Look { younger: 0, under_way: 0, ..live(at) };
        assert!(watch.look(&look(0)).is_err());
        assert!(watch.look(&alone(30_000)).is_err());
        assert!(watch.look(&look(60_000)).is_err());
        assert!(watch.look(&look(119_999)).is_err());
        assert_eq!(watch.look(&look(120_000)), Ok(Drained::Empty));
    }

    fn person() -> Entry {
        let account = Known {
            sub: Sub::try_from("s").unwrap(),
            username: Username::try_from("n").unwrap(),
            seen: Time(0),
            written: None,
            gone: None,
        };
        Entry::new(PersonId::from_nonce(1), Side::Old, account, Time(0))
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

    fn mark(first: i64, attempts: u32) -> Mark {
        Mark {
            side: Side::Old,
            sub: Sub::try_from("s").unwrap(),
            token: 1,
            first: Time(first),
            last: Time(first),
            proof: Proof::Changed,
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
        let add = |mark: &Mark, state: Option<State>| {
            let person = state.map(|state| Entry { state, ..person() });
            let mut seen = Outstanding::default();
            seen.mark(mark, person.as_ref(), Time(100), Time(200));
            (seen.marks, seen.younger, seen.held)
        };
        assert_eq!(add(&mark(100, 0), None), (1, 0, 0));
        // Another clock, perhaps a fast one, stamped the event: it may be from before that moment.
        let close = Time(100) + limits::CLOCK_ALLOWANCE;
        assert_eq!(add(&mark(close.0, 0), None), (1, 0, 0));
        assert_eq!(add(&mark(close.0 + 1, 0), None), (0, 1, 0));
        assert_eq!(add(&mark(100, 1), Some(State::Held)), (0, 0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Conflict)), (0, 0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Waiting)), (1, 0, 0));
        // The new change of a held person is not processed yet: it may end the hold.
        assert_eq!(add(&mark(100, 0), Some(State::Held)), (1, 0, 0));
    }

    #[test]
    fn a_snapshot_counts_each_person_once_and_unreadable_people_as_older() {
        let (asked, now) = (Time(100), Time(200_000));
        let until = now + Duration::from_secs(20);
        let owner = Owner::from_nonce(1);
        let busy = Entry { lease: Some(Lease { owner, until, free_at: until }), ..person() };
        let mut seen = Outstanding { unknown: 2, ..Outstanding::default() };
        seen.mark(&mark(10_000, 0), Some(&busy), asked, now);
        seen.person(&busy, asked, now);
        seen.person(&person(), asked, now);
        let look = seen.look(now, QueueCounts::default(), 3);
        assert_eq!((look.marks, look.younger, look.unmarked), (0, 1, 3));
        assert_eq!((look.under_way, look.older_under_way), (3, 2));
        assert_eq!(seen.oldest, Some(Time(10_000)));
    }
}
