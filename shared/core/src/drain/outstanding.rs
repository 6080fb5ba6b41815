//! What one snapshot of the table contains: pending changes and people under way. The adapters and
//! the simulated table hold the same items in different forms, and both count them here.

use std::collections::BTreeMap;

use super::{DrainSnapshot, QueueCounts};
use crate::change::PendingChange;
use crate::limits;
use crate::names::PersonId;
use crate::record::{PersonRecord, PersonState};
use crate::time::Time;

/// The contents of one snapshot of the table.
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
        let processed = pending.attempts > 0;
        if processed && person.is_some_and(is_held) {
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

/// Whether an operator or the person must act first.
const fn is_held(person: &PersonRecord) -> bool {
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
    let creating =
        person.creation.as_ref().is_some_and(|creation| may_be_before(creation.at, asked));
    leased || intended || creating
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::change::Evidence;
    use crate::names::{Owner, Sub, Username};
    use crate::record::{KnownAccount, Lease};
    use crate::side::Side;

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
            let mut outstanding = Outstanding::default();
            outstanding.add_pending(pending, person.as_ref(), Time(100), Time(200));
            (outstanding.pending_changes, outstanding.younger, outstanding.held)
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
        let mut outstanding = Outstanding { unknown: 2, ..Outstanding::default() };
        outstanding.add_pending(&pending(10_000, 0), Some(&busy), asked, now);
        outstanding.person(&busy, asked, now);
        outstanding.person(&person(), asked, now);
        let snapshot = outstanding.snapshot(now, QueueCounts::default(), 3);
        assert_eq!((snapshot.pending_changes, snapshot.younger, snapshot.lost_captures), (0, 1, 3));
        assert_eq!((snapshot.under_way, snapshot.older_under_way), (3, 2));
        assert_eq!(outstanding.oldest, Some(Time(10_000)));
    }
}
