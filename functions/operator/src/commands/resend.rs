//! Sends marks again: each as a message of its own, never taken for a duplicate
//! (`UniqueDeduplicationId`).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::change::{ChangeEvent, PendingChange};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::resend::of_pending;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// Marks sent in one go. More are sent by the next round.
const MARKS_MAX: usize = 10_000;

/// A mark that was sent is given this long before it is sent once more.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What was sent when, so that waiting does not fill the queue.
#[derive(Debug, Default)]
pub(crate) struct SentBefore {
    at: BTreeMap<(Side, Sub), Time>,
    /// How many messages were sent in all.
    pub(crate) count: usize,
}

impl SentBefore {
    /// Sends every mark that was not sent lately. The first time that is every mark, whatever its
    /// back-off; later only those whose back-off is over, for nothing has changed for the others.
    pub(crate) async fn round(&mut self, resources: &BridgeResources) -> anyhow::Result<()> {
        let first = self.at.is_empty();
        let now = resources.clock.now();
        let pending_changes = resources
            .ledger
            .pending_changes(MARKS_MAX)
            .await
            .context("listing the marks")?
            .pending_changes;
        let due: Vec<ChangeEvent> = pending_changes
            .iter()
            .filter(|pending| first || pending.not_before <= now)
            .filter(|pending| self.lately(pending).is_none_or(|at| now.since(at) >= AGAIN_AFTER))
            .map(|pending| of_pending(pending, resources.clock.nonce()))
            .collect();
        let sent = resources.queue.outbox().send_all(&due).await;
        for change in &due {
            self.at.insert((change.side, change.sub.clone()), now);
        }
        self.count += sent.sent;
        match sent.failed.into_iter().next() {
            Some((_, error)) => Err(error).context("sending the marks again"),
            None => Ok(()),
        }
    }

    fn lately(&self, pending: &PendingChange) -> Option<Time> {
        self.at.get(&(pending.side, pending.sub.clone())).copied()
    }
}
