//! Sends pending changes again, each as a message of its own that is never taken for a duplicate
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

/// The most pending changes that one round sends. The next round sends more.
const PENDING_MAX: usize = 10_000;

/// How long a sent pending change has to be processed, before it is sent once more.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Sends pending changes in rounds. It remembers what it sent when, so that waiting does not fill
/// the queue.
#[derive(Debug, Default)]
pub(crate) struct Resender {
    sent: BTreeMap<(Side, Sub), Time>,
    /// How many messages were sent in all.
    pub(crate) count: usize,
}

impl Resender {
    /// Sends every pending change that was not sent lately. The first round ignores back-offs.
    /// Later rounds keep them, because nothing has changed for those accounts.
    pub(crate) async fn round(&mut self, resources: &BridgeResources) -> anyhow::Result<()> {
        let first = self.sent.is_empty();
        let now = resources.clock.now();
        let listed = resources.ledger.pending_changes(PENDING_MAX).await;
        let due: Vec<ChangeEvent> = listed
            .context("listing the pending changes")?
            .pending_changes
            .iter()
            .filter(|pending| first || pending.not_before <= now)
            .filter(|pending| self.sent_at(pending).is_none_or(|at| now.since(at) >= AGAIN_AFTER))
            .map(|pending| of_pending(pending, resources.clock.nonce()))
            .collect();
        let sent = resources.queue.outbox().send_all(&due).await;
        for change in &due {
            self.sent.insert((change.side, change.sub.clone()), now);
        }
        self.count += sent.sent;
        match sent.failed.into_iter().next() {
            Some((_, error)) => Err(error).context("sending the pending changes again"),
            None => Ok(()),
        }
    }

    fn sent_at(&self, pending: &PendingChange) -> Option<Time> {
        self.sent.get(&(pending.side, pending.sub.clone())).copied()
    }
}
