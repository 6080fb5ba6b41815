//! Finds work that is not finished, from the table: its part of "drained" (`DrainedMeansEmpty`).

use poolbridge_core::drain::Outstanding;
use poolbridge_core::error::PortError;
use poolbridge_core::ports::Ledger;
use poolbridge_core::record::PersonState;
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
    pub async fn outstanding(&self, asked: Time, now: Time) -> Result<Outstanding, PortError> {
        let pending_changes = self.pending_changes(LOOKED_AT_MAX).await?;
        let mut seen =
            Outstanding { pending_changes: pending_changes.unreadable, ..Outstanding::default() };
        if pending_changes.more {
            // The bridge is not drained, but the result still shows how much is left.
            let all = self.pending_summary().await?.count;
            seen.pending_changes +=
                all.saturating_sub(pending_changes.pending_changes.len() as u64).max(1);
        }
        let jobs = pending_changes.pending_changes.into_iter().map(|pending| {
            let ledger = self.clone();
            async move {
                let person = ledger.find(pending.side, &pending.sub).await;
                Ok((pending, person))
            }
        });
        for job in at_once(jobs).await {
            let (pending, person) = job?;
            let person = match person {
                Ok(person) => person,
                Err(error) if is_of_item(&error) => None,
                Err(error) => return Err(error),
            };
            seen.add_pending(&pending, person.as_ref(), asked, now);
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
    ) -> Result<(), PortError> {
        let listed = self.indexed(PersonState::Waiting, LOOKED_AT_MAX).await?;
        seen.unknown += listed.unreadable + u64::from(listed.more);
        let ids = listed.read.into_iter().map(|(_, id)| id).collect();
        for (id, person) in self.read_people(ids).await {
            match person {
                Ok(Some(person)) => seen.person(&person, asked, now),
                Ok(None) => {}
                // The person may have an open intent; this version cannot read it.
                Err(error) if is_of_item(&error) => {
                    seen.under_way.insert(id, true);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
