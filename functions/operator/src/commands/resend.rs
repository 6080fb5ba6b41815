//! Sends marks again: each as a message of its own, never taken for a duplicate (R13).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::change::{Change, Mark};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::resend::of_mark;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// Marks sent in one go. More are sent by the next round.
const MARKS_MAX: usize = 10_000;

/// A mark that was sent is given this long before it is sent once more.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What was sent when, so that waiting does not fill the queue.
#[derive(Debug, Default)]
pub(crate) struct Resent {
    at: BTreeMap<(Side, Sub), Time>,
    /// How many messages were sent in all.
    pub(crate) count: usize,
}

impl Resent {
    /// Sends every mark that was not sent lately. The first time that is every mark, whatever its
    /// back-off; later only those whose back-off is over, for nothing has changed for the others.
    pub(crate) async fn round(&mut self, ground: &Ground) -> anyhow::Result<()> {
        let first = self.at.is_empty();
        let now = ground.clock.now();
        let marks = ground.ledger.marks(MARKS_MAX).await.context("listing the marks")?.marks;
        let due: Vec<Change> = marks
            .iter()
            .filter(|mark| first || mark.not_before <= now)
            .filter(|mark| self.lately(mark).is_none_or(|at| now.since(at) >= AGAIN_AFTER))
            .map(|mark| of_mark(mark, ground.clock.nonce()))
            .collect();
        let sent = ground.queue.outbox().send_all(&due).await;
        for change in &due {
            self.at.insert((change.side, change.sub.clone()), now);
        }
        self.count += sent.sent;
        match sent.failed.into_iter().next() {
            Some((_, fault)) => Err(fault).context("sending the marks again"),
            None => Ok(()),
        }
    }

    fn lately(&self, mark: &Mark) -> Option<Time> {
        self.at.get(&(mark.side, mark.sub.clone())).copied()
    }
}
