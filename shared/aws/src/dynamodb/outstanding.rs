//! What is still on its way, as the table tells: the table's part of "drained" (R14).

use poolbridge_core::drain::Outstanding;
use poolbridge_core::entry::State;
use poolbridge_core::fault::Fault;
use poolbridge_core::ports::Ledger;
use poolbridge_core::time::Time;

use super::listing::{at_once, is_of_item};
use super::{DynamoLedger, LOOKED_AT_MAX};

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
                // It may have an intent open; nobody can tell.
                Err(fault) if is_of_item(&fault) => {
                    seen.under_way.insert(id, true);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
