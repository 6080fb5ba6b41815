//! What "drained" means: nothing that was captured is still on its way (R14).
//!
//! Two answers are possible, and both are honest:
//!
//! - *Empty*: nothing at all is on its way. The queue was empty at every look for a minute, as its
//!   counters tell, which need that long.
//! - *Up to a moment*: nothing that was captured before that moment is on its way. Under live traffic
//!   the queue is never empty, since every change waits there for a few seconds. What tells the age of
//!   a change is its pending change in the table, which is read consistently. A change that was sent
//!   without one is a message alone; apply leaves a pending change for it when it receives it and
//!   cannot finish it. So nothing older may show for a whole minute, and messages must be explained by
//!   changes that were captured since. Where nothing is captured any more, nothing explains a message,
//!   and the first answer is the only one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::change::Mark;
use crate::entry::{Entry, State};
use crate::law::{Law, Rule};
use crate::limits;
use crate::names::PersonId;
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
            waiting: self.waiting.saturating_add(other.waiting),
            in_flight: self.in_flight.saturating_add(other.in_flight),
            delayed: self.delayed.saturating_add(other.delayed),
        }
    }

    /// Everything that is in it.
    pub const fn total(&self) -> u64 {
        self.waiting.saturating_add(self.in_flight).saturating_add(self.delayed)
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
    /// Marks whose first deed is after it.
    pub younger: u64,
    /// People under a live lease or with an open intent or birth note.
    pub under_way: u64,
    /// Those of them whose work may have begun by the moment asked for.
    pub older_under_way: u64,
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
    /// It has to be so at two looks, this long apart.
    LookAgain,
    /// Captures could not leave a mark.
    Unmarked(u64),
}

/// How far apart the two looks at the queue must be: SQS says its counters may need a minute.
pub const LOOKS_APART: Duration = Duration::from_mins(1);

/// Every reason why things are not drained, given two looks. Empty: drained.
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

/// What is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drained {
    /// Nothing is on its way.
    Empty,
    /// Nothing that was captured by the moment asked for is on its way.
    UpToAsked,
}

/// Looks again and again, until things are drained.
#[derive(Clone, Debug)]
pub struct Watch {
    law: Law,
    apart: Duration,
    /// The first of the last looks in a row at an empty queue.
    empty: Option<Look>,
    /// When the first of the last looks in a row was that showed nothing older.
    nothing_older: Option<Time>,
    /// When a look last showed a change that was captured since.
    younger: Option<Time>,
}

impl Watch {
    /// A watch that has seen nothing yet. `apart` is [`LOOKS_APART`], but on a local stack.
    pub const fn new(law: Law, apart: Duration) -> Self {
        Self { law, apart, empty: None, nothing_older: None, younger: None }
    }

    /// Takes one more look into account. Answers what is drained, or what stands in the way of the
    /// answer that is nearer.
    pub fn look(&mut self, look: &Look) -> Result<Drained, Vec<Undrained>> {
        let whole = undrained(self.law, self.empty.as_ref(), look, self.apart);
        // Two looks count only if the queue was empty at every one between them.
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
        // The counters tell of a minute ago at the latest, so a change explains them for that long.
        let explained = self.younger.is_some_and(|at| look.at.since(at) <= self.apart);
        if !look.queue.empty() && !explained {
            reasons.push(Undrained::Queue(look.queue.total()));
        }
        reasons
    }
}

/// What one look at the table found. The adapters and the simulation fold it from the same items.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// Marks whose first deed is not after the moment asked for, those of `held` left out. Marks
    /// that cannot be read are in it: nobody knows since when they stand.
    pub marks: u64,
    /// Marks whose first deed is after that moment.
    pub younger: u64,
    /// Marks of people who are held or in conflict and were looked at since their last deed.
    pub held: u64,
    /// When the oldest deed was done that a mark stands for, held or not.
    pub oldest: Option<Time>,
    /// Each person under way, and whether that work may have begun by the moment asked for.
    pub under_way: BTreeMap<PersonId, bool>,
    /// People of whom it cannot be told: they count as under way since long ago.
    pub unknown: u64,
}

impl Outstanding {
    /// Takes a mark and its person into account, if there is one.
    pub fn mark(&mut self, mark: &Mark, person: Option<&Entry>, asked: Time, now: Time) {
        self.oldest = Some(self.oldest.map_or(mark.first, |oldest| oldest.min(mark.first)));
        // A mark that was never looked at is a change not yet applied, whoever's it is.
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

    /// Takes a person into account.
    pub fn person(&mut self, person: &Entry, asked: Time, now: Time) {
        if is_under_way(person, now) {
            let older = may_be_older(person, asked, now);
            self.under_way.insert(person.id.clone(), older);
        }
    }

    /// The look that this makes together with the queue's counters and the captures without a mark.
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

/// Whether somebody works on this person, or left a write or a creation open.
pub fn is_under_way(person: &Entry, now: Time) -> bool {
    let leased = person.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    leased || person.intent.is_some() || person.birth.is_some()
}

/// Whether what one clock says was at `at` may have been by the moment that another clock calls
/// `asked`.
fn may_be_before(at: Time, asked: Time) -> bool {
    at <= asked + limits::CLOCK_ALLOWANCE
}

/// Whether work on this person that is under way may have begun by `asked`. A lease does not tell when
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

    #[test]
    fn what_both_queues_hold_is_added_up_and_nonsense_is_no_panic() {
        let live = QueueCounts { waiting: 5, in_flight: 3, delayed: 1 };
        let bulk = QueueCounts { waiting: 40, in_flight: 30, delayed: 20 };
        let both = QueueCounts { waiting: 45, in_flight: 33, delayed: 21 };
        assert_eq!(live.with(&bulk), both);
        let nonsense = QueueCounts { waiting: u64::MAX, in_flight: u64::MAX, delayed: u64::MAX };
        assert_eq!(nonsense.with(&live), nonsense);
        assert_eq!(nonsense.total(), u64::MAX);
    }

    /// A look at a bridge under live traffic: of the queue's messages each belongs to a young change.
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
    fn whatever_may_be_older_is_a_reason_and_begins_the_minute_anew() {
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
    fn message_that_no_young_change_explains_is_never_drained() {
        // Nothing is captured any more, and one message is left: perhaps a change's only trace.
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
    fn queue_must_be_empty_at_every_look_of_the_minute_where_nothing_is_captured() {
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
    fn lease_that_may_be_older_than_the_drain_is_waited_for() {
        let mut person = person();
        let (asked, now) = (Time(1_000_000), Time(1_010_000));
        assert!(!is_under_way(&person, now) && !may_be_older(&person, asked, now));
        let lease = |until: Time| Lease { owner: Owner::from_nonce(1), until, free_at: until };
        let longest = asked + limits::LEASE_TIME_MAX;
        person.lease = Some(lease(longest));
        assert!(may_be_older(&person, asked, now));
        person.lease = Some(lease(longest + Duration::from_millis(1)));
        assert!(is_under_way(&person, now));
        assert!(!may_be_older(&person, asked, now), "it was taken since");
        person.lease = Some(lease(now));
        assert!(!is_under_way(&person, now), "it has run out");
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
    fn a_mark_counts_unless_it_is_younger_or_waits_for_somebody() {
        let add = |mark: &Mark, state: Option<State>| {
            let person = state.map(|state| Entry { state, ..person() });
            let mut seen = Outstanding::default();
            seen.mark(mark, person.as_ref(), Time(100), Time(200));
            (seen.marks, seen.younger, seen.held)
        };
        assert_eq!(add(&mark(100, 0), None), (1, 0, 0));
        // Captured by another clock, which may be fast: it may have been before that moment.
        let close = Time(100) + limits::CLOCK_ALLOWANCE;
        assert_eq!(add(&mark(close.0, 0), None), (1, 0, 0));
        assert_eq!(add(&mark(close.0 + 1, 0), None), (0, 1, 0));
        assert_eq!(add(&mark(100, 1), Some(State::Held)), (0, 0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Conflict)), (0, 0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Waiting)), (1, 0, 0));
        // A held person's new deed was not looked at yet: it may be what ends the holding.
        assert_eq!(add(&mark(100, 0), Some(State::Held)), (1, 0, 0));
    }

    #[test]
    fn a_look_counts_each_person_once_and_whoever_cannot_be_told_as_older() {
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
