//! Sends marks again: each as a message of its own, never taken for a duplicate (R13). The mark is
//! the durable note; a message was lost, acknowledged during a pause, or ended as a dead letter.

use std::time::Duration;

use poolbridge_core::change::{Change, Mark};
use poolbridge_core::fault::Fault;
use poolbridge_core::limits::MARK_SHARDS;
use poolbridge_core::ports::{Clock, Ledger as _};
use poolbridge_core::resend::{REST_AFTER, due, of_mark};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::dynamodb::DynamoLedger;
use crate::sqs::SqsOutbox;

/// Marks sent by one scheduled run: fifty calls of the queue and a write of the table each, which
/// end well within an invocation, and a backlog reaches the pools no faster than they can take it.
pub const DUE_MARKS_MAX: usize = 500;

/// Marks listed by one scheduled run to choose the oldest from. What is beyond has its turn in
/// another run: each run begins with another shard.
const LISTED_MARKS_MAX: usize = 10_000;

/// What one scheduled run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Resent {
    /// Accounts that are marked.
    pub marks: u64,
    /// How old the oldest deed is that is not applied yet.
    pub oldest: Option<Duration>,
    /// Messages sent.
    pub sent: u64,
    /// Marks that were due and could not be sent; the next run tries again.
    pub failed: u64,
    /// The bridge is paused, or a restore waits for an operator's decision: only changes that no look
    /// has judged are sent, which may be disables.
    pub paused: bool,
    /// Pools that were restored or deleted, and about which an operator has not decided yet.
    pub undecided: u64,
    /// Another configuration is in force than the one that this function was deployed with: the same.
    pub other_configuration: bool,
}

/// Sends the marks that are due ([`due`]), oldest first, [`DUE_MARKS_MAX`] at the most.
/// `configuration` is the hash of the one that this process runs.
///
/// Their tokens stay, so that what is under way for them still counts; they rest for a while.
pub async fn resend_due(
    ledger: &DynamoLedger,
    outbox: &SqsOutbox,
    clock: &impl Clock,
    configuration: &str,
) -> Result<Resent, Fault> {
    let now = clock.now();
    let summary = ledger.mark_summary().await?;
    // Read in any case: the alarm about a restored pool lasts until an operator decides.
    let control = ledger.control().await?;
    let undecided = Side::BOTH.into_iter().filter(|side| control.is_undecided(*side)).count();
    let mut resent = Resent {
        marks: summary.count,
        oldest: summary.lag(now),
        paused: control.stopped().is_some(),
        undecided: undecided as u64,
        other_configuration: control.is_other_configuration(configuration),
        ..Resent::default()
    };
    if summary.count == 0 {
        return Ok(resent);
    }
    let stopped = control.only_disables(configuration).is_some();
    let due = due(listed(ledger, now).await?, now, stopped, DUE_MARKS_MAX);
    let changes: Vec<Change> = due.iter().map(|mark| of_mark(mark, clock.nonce())).collect();
    let outcome = outbox.send_all(&changes).await;
    resent.sent = outcome.sent as u64;
    resent.failed = outcome.failed.len() as u64;
    let unsent = |mark: &Mark| {
        outcome.failed.iter().any(|(change, _)| change.side == mark.side && change.sub == mark.sub)
    };
    let sent = due.into_iter().filter(|mark| !unsent(mark)).collect();
    // A mark that could not be put to rest is sent once more, which costs a look.
    let _ = ledger.rest(sent, now + REST_AFTER).await;
    Ok(resent)
}

/// Marks of as many shards as the bound allows, beginning with another one in each run.
async fn listed(ledger: &DynamoLedger, now: Time) -> Result<Vec<Mark>, Fault> {
    let minutes = now.0.unsigned_abs() / 60_000;
    let first = u32::try_from(minutes % u64::from(MARK_SHARDS)).unwrap_or(0);
    let mut marks = Vec::new();
    for step in 0..MARK_SHARDS {
        let left = LISTED_MARKS_MAX.saturating_sub(marks.len());
        if left == 0 {
            break;
        }
        let shard = (first + step) % MARK_SHARDS;
        marks.extend(ledger.marks_in_shard(shard, left).await?.marks);
    }
    Ok(marks)
}

#[cfg(test)]
mod tests;
