//! Finds work that is not finished, from the table: its part of "drained" (R14,
//! `DrainedMeansEmpty`).

use poolbridge_core::drain::Outstanding;
use poolbridge_core::entry::State;
use poolbridge_core::fault::Fault;
use poolbridge_core::ports::Ledger;
use poolbridge_core::time::Time;

use super::listing::{at_once, is_of_item};
use super::{DynamoLedger, LOOKED_AT_MAX};

impl DynamoLedger {
    /// Reads every pending change, the person record of each, and every person who is listed as
    /// waiting, which includes people with an open write intent or creation intent (see
    /// `by_state`).
    ///
    /// It does not see a lease without an intent on a person without a pending change: that worker
    /// processes a message, and the queue's counters show it. The index is eventually consistent,
    /// and the second check of `drained` finds what the first one missed. An item that cannot be
    /// read, or that exceeds the limit, counts as not done.
    pub async fn outstanding(&self, asked: Time, now: Time) -> Result<Outstanding, Fault> {
        let marks = self.marks(LOOKED_AT_MAX).await?;
        let mut seen = Outstanding { marks: marks.unreadable, ..Outstanding::default() };
        if marks.more {
            // The bridge is not drained, but the result still shows how much is left.
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
            seen.mark(&mark, person.as_ref(), asked, now);
        }
        self.add_waiting(asked, now, &mut seen).await?;
        Ok(seen)
    }

    /// Adds the people who are listed as waiting.
    async fn add_waiting(
        &self,
        asked: Time,
        now: Time,
        seen: &mut Outstanding,
    ) -> Result<(), Fault> {
        let listed = self.indexed(State::Waiting, LOOKED_AT_MAX).await?;
        seen.unknown += listed.unreadable + u64::from(listed.more);
        let ids = listed.read.into_iter().map(|(_, id)| id).collect();
        for (id, person) in self.read_people(ids).await {
            match person {
                Ok(Some(person)) => seen.person(&person, asked, now),
                Ok(None) => {}
                // The person may have an open intent; this version cannot read it.
                Err(fault) if is_of_item(&fault) => {
                    seen.under_way.insert(id, true);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
