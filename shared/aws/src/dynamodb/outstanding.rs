//! What is still on its way, as the table tells: the table's part of "drained" (R14).

use std::collections::BTreeSet;

use poolbridge_core::change::Mark;
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::fault::Fault;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::Ledger;
use poolbridge_core::time::Time;

use super::listing::{at_once, is_of_item};
use super::{DynamoLedger, LOOKED_AT_MAX};

/// What one look at the table found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// Marks whose first deed is not after the moment asked for, those of `held` left out. Marks
    /// that cannot be read are in it: nobody knows since when they stand.
    pub marks: u64,
    /// Marks of people who are held or in conflict and were looked at since their last deed.
    pub held: u64,
    /// People under a live lease, or with an open intent or birth note.
    pub under_way: u64,
    /// When the oldest deed was done that a mark stands for, held or not.
    pub oldest: Option<Time>,
}

impl DynamoLedger {
    /// Looks at every mark, at every person who is marked, and at everybody who is listed as
    /// waiting, which is where a person stands whose intent or birth note is open (see `by_state`).
    ///
    /// What it does not see is a lease without an intent on a person without a mark: its holder
    /// works for a message, and the queue's counters tell of that. The index is eventually
    /// consistent; a second look, which `drained` takes anyhow, finds what the first missed.
    /// Whatever cannot be read, or is beyond the bound, counts as not done.
    pub async fn outstanding(&self, asked: Time, now: Time) -> Result<Outstanding, Fault> {
        let marks = self.marks(LOOKED_AT_MAX).await?;
        let mut seen = Outstanding { marks: marks.unreadable, ..Outstanding::default() };
        let mut under_way: BTreeSet<PersonId> = BTreeSet::new();
        if marks.more {
            // Nothing is drained; how much is left is told all the same.
            let all = self.mark_summary().await?.count;
            seen.marks += all.saturating_sub(marks.marks.len() as u64).max(1);
        }
        let jobs = marks.marks.into_iter().map(|mark| {
            let ledger = self.clone();
            async move {
                let person = ledger.find(mark.side, &mark.sub).await;
                Ok((mark, person))
            }
        });
        for job in at_once(jobs).await {
            let (mark, person) = job?;
            let person = match person {
                Ok(person) => person,
                Err(fault) if is_of_item(&fault) => None,
                Err(fault) => return Err(fault),
            };
            seen.add(&mark, person.as_ref(), asked);
            under_way.extend(person.filter(|person| is_under_way(person, now)).map(|p| p.id));
        }
        under_way.extend(self.listed_under_way(now, &mut seen).await?);
        seen.under_way += under_way.len() as u64;
        Ok(seen)
    }

    /// People under a live lease, or with an open intent or birth note: see
    /// [`DynamoLedger::outstanding`] for what is seen and what is not.
    pub async fn under_way(&self, now: Time) -> Result<u64, Fault> {
        Ok(self.outstanding(now, now).await?.under_way)
    }

    async fn listed_under_way(
        &self,
        now: Time,
        seen: &mut Outstanding,
    ) -> Result<Vec<PersonId>, Fault> {
        let listed = self.indexed(State::Waiting, LOOKED_AT_MAX).await?;
        seen.under_way += listed.unreadable + u64::from(listed.more);
        let ids = listed.read.into_iter().map(|(_, id)| id).collect();
        let mut under_way = Vec::new();
        for (id, person) in self.read_people(ids).await {
            match person {
                Ok(Some(person)) if is_under_way(&person, now) => under_way.push(person.id),
                Ok(_) => {}
                // It may have an intent open; nobody can tell.
                Err(fault) if is_of_item(&fault) => under_way.push(id),
                Err(fault) => return Err(fault),
            }
        }
        Ok(under_way)
    }
}

impl Outstanding {
    fn add(&mut self, mark: &Mark, person: Option<&Entry>, asked: Time) {
        self.oldest = Some(self.oldest.map_or(mark.first, |oldest| oldest.min(mark.first)));
        // A mark that was never looked at is a change not yet applied, whoever's it is.
        let looked_at = mark.attempts > 0;
        if looked_at && person.is_some_and(needs_somebody) {
            self.held += 1;
        } else if mark.first <= asked {
            self.marks += 1;
        }
    }
}

const fn needs_somebody(person: &Entry) -> bool {
    matches!(person.state, State::Held | State::Conflict)
}

fn is_under_way(person: &Entry, now: Time) -> bool {
    let leased = person.lease.as_ref().is_some_and(|lease| lease.free_at > now);
    leased || person.intent.is_some() || person.birth.is_some()
}

#[cfg(test)]
mod tests {
    use poolbridge_core::change::Proof;
    use poolbridge_core::entry::Lease;
    use poolbridge_core::names::{Owner, Sub};
    use poolbridge_core::side::Side;

    use super::super::person::tests::entry;
    use super::*;

    fn mark(first: i64, attempts: u32) -> Mark {
        Mark {
            side: Side::Old,
            sub: Sub::try_from("s").unwrap(),
            token: 1,
            first: Time(first),
            last: Time(first),
            proof: Proof::Changed,
            password_at: None,
            not_before: Time::ZERO,
            attempts,
            reason: None,
        }
    }

    fn add(mark: &Mark, state: Option<State>) -> (u64, u64) {
        let person = state.map(|state| Entry { state, ..entry() });
        let mut seen = Outstanding::default();
        seen.add(mark, person.as_ref(), Time(100));
        (seen.marks, seen.held)
    }

    #[test]
    fn a_mark_counts_unless_it_is_younger_or_waits_for_somebody() {
        assert_eq!(add(&mark(100, 0), None), (1, 0));
        assert_eq!(add(&mark(101, 0), None), (0, 0));
        assert_eq!(add(&mark(100, 1), Some(State::Held)), (0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Conflict)), (0, 1));
        assert_eq!(add(&mark(100, 1), Some(State::Waiting)), (1, 0));
        // A held person's new deed was not looked at yet: it may be what ends the holding.
        assert_eq!(add(&mark(100, 0), Some(State::Held)), (1, 0));
    }

    #[test]
    fn a_lease_counts_while_nobody_may_take_it_over() {
        let mut person = entry();
        assert!(!is_under_way(&person, Time(5)));
        let owner = Owner::from_nonce(1);
        person.lease = Some(Lease { owner, until: Time(5), free_at: Time(9) });
        assert!(is_under_way(&person, Time(8)));
        assert!(!is_under_way(&person, Time(9)));
    }
}
