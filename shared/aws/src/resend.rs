//! Sends pending changes again, each as a new message that no deduplication drops
//! (`UniqueDeduplicationId`). The pending change is the durable note. Its message was lost, was
//! acknowledged during a pause, or became a dead letter.

use std::time::Duration;

use poolbridge_core::change::{ChangeEvent, PendingChange};
use poolbridge_core::error::PortError;
use poolbridge_core::limits::PENDING_SHARDS;
use poolbridge_core::ports::{Clock, Ledger as _};
use poolbridge_core::resend::{REST_AFTER, due, of_pending};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::dynamodb::DynamoLedger;
use crate::sqs::SqsOutbox;

/// The pending changes that one scheduled run sends: fifty queue calls and as many table writes as
/// messages. They end well within an invocation, and a backlog reaches the pools no faster than
/// they can process it.
pub const DUE_MARKS_MAX: usize = 500;

/// The pending changes that one scheduled run lists to choose the oldest from. Others get their
/// turn in another run, because each run begins with another shard.
const LISTED_MARKS_MAX: usize = 10_000;

/// The result of one scheduled run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ResendResult {
    /// Accounts with a pending change.
    pub pending_changes: u64,
    /// The age of the oldest event that is not applied yet.
    pub oldest: Option<Duration>,
    /// Messages sent.
    pub sent: u64,
    /// Pending changes that were due and could not be sent. The next run tries again.
    pub failed: u64,
    /// The bridge is paused, or a restore waits for an operator's decision. Then only changes are
    /// sent that apply has not processed yet, because they may be disables.
    pub paused: bool,
    /// Pools that were restored or deleted and about which an operator has not decided yet.
    pub undecided: u64,
    /// The active configuration differs from this function's. Then the same limit applies.
    pub other_configuration: bool,
}

/// Sends the pending changes that are due ([`due`]), oldest first, at most [`DUE_MARKS_MAX`].
/// `configuration` is the hash of the configuration of this process.
///
/// Their tokens stay, so work in progress for them still counts. They are then not due for a while.
pub async fn resend_due(
    ledger: &DynamoLedger,
    outbox: &SqsOutbox,
    clock: &impl Clock,
    configuration: &str,
) -> Result<ResendResult, PortError> {
    let now = clock.now();
    let summary = ledger.pending_summary().await?;
    // The control item is read even if nothing is pending: the alarm about a restored pool lasts
    // until an operator decides.
    let control = ledger.control().await?;
    let undecided = Side::BOTH.into_iter().filter(|side| control.is_undecided(*side)).count();
    let mut resent = ResendResult {
        pending_changes: summary.count,
        oldest: summary.lag(now),
        paused: control.stopped().is_some(),
        undecided: undecided as u64,
        other_configuration: control.is_other_configuration(configuration),
        ..ResendResult::default()
    };
    if summary.count == 0 {
        return Ok(resent);
    }
    let stopped = control.only_disables(configuration).is_some();
    let due = due(listed(ledger, now).await?, now, stopped, DUE_MARKS_MAX);
    let changes: Vec<ChangeEvent> =
        due.iter().map(|pending| of_pending(pending, clock.nonce())).collect();
    let outcome = outbox.send_all(&changes).await;
    resent.sent = outcome.sent as u64;
    resent.failed = outcome.failed.len() as u64;
    let unsent = |pending: &PendingChange| {
        outcome
            .failed
            .iter()
            .any(|(change, _)| change.side == pending.side && change.sub == pending.sub)
    };
    let sent = due.into_iter().filter(|pending| !unsent(pending)).collect();
    // If this write fails, the next run sends the pending change once more, which costs one read.
    let _ = ledger.rest(sent, now + REST_AFTER).await;
    Ok(resent)
}

/// The pending changes of as many shards as the limit allows. Each run begins with another shard.
async fn listed(ledger: &DynamoLedger, now: Time) -> Result<Vec<PendingChange>, PortError> {
    let minutes = now.0.unsigned_abs() / 60_000;
    let first = u32::try_from(minutes % u64::from(PENDING_SHARDS)).unwrap_or(0);
    let mut pending_changes = Vec::new();
    for step in 0..PENDING_SHARDS {
        let left = LISTED_MARKS_MAX.saturating_sub(pending_changes.len());
        if left == 0 {
            break;
        }
        let shard = (first + step) % PENDING_SHARDS;
        pending_changes.extend(ledger.pending_in_shard(shard, left).await?.pending_changes);
    }
    Ok(pending_changes)
}

#[cfg(test)]
mod tests;
