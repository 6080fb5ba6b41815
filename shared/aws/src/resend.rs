//! Sends marks again: each as a message of its own, never taken for a duplicate (R13). The mark is
//! the durable note; a message was lost, acknowledged during a pause, or ended as a dead letter.

use std::time::Duration;

use poolbridge_core::change::{Change, Mark};
use poolbridge_core::fault::Fault;
use poolbridge_core::limits::MARK_SHARDS;
use poolbridge_core::ports::{Clock, Ledger as _};
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

/// A mark whose deed is younger than this has its live message under way.
const LIVE_MESSAGE_TIME: Duration = Duration::from_mins(1);

/// How long a mark that was sent again is left alone by the scheduled runs: longer than the five
/// minutes between two of them, so that no run sends what the one before has sent.
const REST_AFTER: Duration = Duration::from_mins(9);

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
    /// Nothing is sent while the bridge is paused, or a restore waits for an operator's decision:
    /// every message would be put off.
    pub paused: bool,
    /// Pools that were restored or deleted, and about which an operator has not decided yet.
    pub undecided: u64,
}

/// Sends the marks that are due, oldest first, [`DUE_MARKS_MAX`] at the most.
///
/// Their tokens stay, so that what is under way for them still counts; they rest for a while.
pub async fn resend_due(
    ledger: &DynamoLedger,
    outbox: &SqsOutbox,
    clock: &impl Clock,
) -> Result<Resent, Fault> {
    let now = clock.now();
    let summary = ledger.mark_summary().await?;
    let mut resent = Resent { marks: summary.count, oldest: summary.lag(now), ..Resent::default() };
    // Read in any case: the alarm about a restored pool lasts until an operator decides.
    let control = ledger.control().await?;
    let undecided = Side::BOTH.into_iter().filter(|side| control.is_undecided(*side)).count();
    resent.undecided = undecided as u64;
    if summary.count == 0 {
        return Ok(resent);
    }
    if control.stopped().is_some() {
        resent.paused = true;
        return Ok(resent);
    }
    let due = due(listed(ledger, now).await?, now);
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

/// Those that nobody looks at by themselves, oldest first.
fn due(mut marks: Vec<Mark>, now: Time) -> Vec<Mark> {
    marks.retain(|mark| mark.not_before <= now && now.since(mark.last) >= LIVE_MESSAGE_TIME);
    marks.sort_by(|one, two| (one.first, &one.sub).cmp(&(two.first, &two.sub)));
    marks.truncate(DUE_MARKS_MAX);
    marks
}

/// The change that a mark stands for, as a message of its own. What the mark says of passwords apply
/// reads there; the message repeats what the newest deed did.
pub fn of_mark(mark: &Mark, id: u128) -> Change {
    Change {
        side: mark.side,
        sub: mark.sub.clone(),
        at: mark.last,
        proof: mark.proof,
        password: [mark.password_at, mark.administrator_at].contains(&Some(mark.last)),
        administrator: mark.administrator_at == Some(mark.last),
        claimed: true,
        id,
    }
}

#[cfg(test)]
mod tests {
    use poolbridge_core::change::Proof;
    use poolbridge_core::names::Sub;

    use super::*;

    const NOW: Time = Time(1_000_000);

    fn mark(sub: &str, first: i64, last: i64, not_before: i64) -> Mark {
        Mark {
            side: Side::Old,
            sub: Sub::try_from(sub).unwrap(),
            token: 7,
            first: Time(first),
            last: Time(last),
            proof: Proof::Deleted,
            password_at: Some(Time(last)),
            administrator_at: None,
            claimed_at: None,
            not_before: Time(not_before),
            attempts: 0,
            reason: None,
        }
    }

    #[test]
    fn only_what_is_due_is_sent_the_oldest_first() {
        let marks = vec![
            mark("younger", 20, 20, 0),
            mark("put-off", 1, 1, NOW.0 + 1),
            mark("just-over", 10, 10, NOW.0),
            mark("live", 5, NOW.0 - 59_999, 0),
            mark("settled", 15, NOW.0 - 60_000, 0),
        ];
        let due: Vec<String> = due(marks, NOW).iter().map(|mark| mark.sub.to_string()).collect();
        assert_eq!(due, ["just-over", "settled", "younger"]);
    }

    #[test]
    fn one_run_is_bounded_and_takes_the_oldest() {
        let all = i64::try_from(DUE_MARKS_MAX).unwrap() + 3;
        let marks = (0..all).rev().map(|at| mark(&format!("s{at}"), at, at, 0)).collect();
        let due = due(marks, NOW);
        assert_eq!(due.len(), DUE_MARKS_MAX);
        assert_eq!((due[0].first, due[DUE_MARKS_MAX - 1].first), (Time(0), Time(499)));
    }

    #[test]
    fn a_mark_is_sent_with_what_it_proves() {
        let mut mark = mark("a", 1, 9, 0);
        let change = of_mark(&mark, 3);
        assert_eq!((change.at, change.proof, change.password), (Time(9), Proof::Deleted, true));
        assert_eq!(change.id, 3);
        mark.password_at = Some(Time(1));
        assert!(!of_mark(&mark, 4).password, "that password was not set by the newest deed");
    }
}
