//! Processes a batch of messages. The function `apply` and the command line's `worker` share this
//! code.
//!
//! The messages of each account (one FIFO group) are processed in order, and accounts in parallel.
//! Each message has a task of its own, so that a panic affects one person only.
//!
//! Lambda's page on partial batch responses asks a FIFO consumer to stop at the first failure and
//! to return everything after it, to keep the order. Here that happens within each group and not
//! across groups, which have no order among them. Correctness depends on neither: a change event
//! carries no value and apply reads the pools anew, so messages may be lost, repeated or reordered.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use poolbridge_core::acknowledge::{self, Acknowledgement, Delivery, growing};
use poolbridge_core::change::Change;
use poolbridge_core::converge::{Report, Work};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use tokio::task::JoinSet;

use crate::sqs::{Line, Received};
use crate::telemetry::{BatchFigures, Handled, Telemetry};
use crate::wire;

/// How long before its end an invocation must have its answer ready. Work that still runs then is
/// dropped, as in a crash, and the message comes back.
const ANSWER_TIME: Duration = Duration::from_millis(1_200);

/// How long delaying messages may take. Without it they come back when the queue's visibility
/// time-out ends.
const HIDE_TIME_MAX: Duration = Duration::from_millis(800);

/// The outside calls that the consumer needs.
pub trait Hands: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Time;

    /// Until when a pool asked poolbridge to pause; `None` if neither did.
    fn throttled(&self) -> Option<Time>;

    /// Processes one change event.
    fn converge(&self, change: &Change, work: &Work) -> impl Future<Output = Report> + Send;

    /// Makes a message visible again after that time, and not before.
    fn hide(
        &self,
        delivery: &Received,
        after: Duration,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Stores on the account's pending change that apply need not process it before `until`, and
    /// why. Returns whether there is such a pending change.
    fn put_off(
        &self,
        change: &Change,
        until: Time,
        reason: Reason,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;
}

/// The time limits of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// When the platform kills this process; `None` for a plain process.
    pub end: Option<Time>,
    /// Whether the process can be stopped and resumed between a check and the step after it (R7,
    /// `LeaseOutlastsProcess`).
    pub suspendable: bool,
}

impl Bounds {
    /// The time limits of work on one person that begins now.
    fn work(&self, now: Time) -> Work {
        let deadline = now + limits::PERSON_TIME_MAX;
        let stop = self.end.map(|end| end - limits::STOP_BEFORE_DEADLINE);
        let deadline = stop.map_or(deadline, |stop| deadline.min(stop));
        Work {
            deadline,
            invocation_end: self.end.unwrap_or(deadline),
            suspendable: self.suspendable,
        }
    }

    /// The longest wait for that work. It may still record after its deadline, but the answer must
    /// be sent before the platform kills the process.
    fn patience(&self, work: &Work, now: Time) -> Duration {
        let end = self.end.map_or(work.deadline + limits::CALL_TIME_MAX, |end| end - ANSWER_TIME);
        end.since(now)
    }
}

/// Processes a batch and publishes its metrics. Returns the ids of the messages that must come
/// back; all others are done.
pub async fn consume<H: Hands>(
    hands: &Arc<H>,
    telemetry: &Telemetry,
    deliveries: Vec<Received>,
    bounds: Bounds,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut groups: BTreeMap<String, Vec<Received>> = BTreeMap::new();
    for delivery in deliveries {
        all.push(delivery.message_id.clone());
        // A message without a group has no order to keep.
        let group = match delivery.group.as_str() {
            "" => delivery.message_id.clone(),
            group => group.to_owned(),
        };
        groups.entry(group).or_default().push(delivery);
    }
    let mut figures =
        BatchFigures { messages: u64::try_from(all.len()).unwrap_or(0), ..Default::default() };
    let mut tasks = JoinSet::new();
    for group in groups.into_values() {
        tasks.spawn(in_order(Arc::clone(hands), group, bounds));
    }
    // Only messages that a task reports as done are done, so a task that breaks off loses none.
    let mut done = BTreeSet::new();
    while let Some(outcome) = tasks.join_next().await {
        if let Ok(outcome) = outcome {
            done.extend(outcome.done);
            figures.add(outcome.figures);
        } else {
            figures.panics += 1;
        }
    }
    telemetry.batch(hands.now(), &figures);
    all.retain(|id| !done.contains(id));
    all
}

/// Returns a whole batch, because something that every message needs is missing. Returns the ids of
/// the messages that must come back: all except those in `marked` (by id) that were received often
/// enough. Their pending changes remember them, so a long outage does not turn them into dead
/// letters.
pub async fn refuse<Q: Future<Output = Result<(), Fault>> + Send + 'static>(
    deliveries: &[Received],
    marked: &BTreeSet<String>,
    hide: impl Fn(&Received, Duration) -> Q,
) -> Vec<String> {
    let mut back = Vec::new();
    let mut hiding = JoinSet::new();
    for delivery in deliveries {
        let marked = marked.contains(&delivery.message_id);
        if let Acknowledgement::Back(after) = acknowledge::refuse(delivery.receives, marked) {
            hiding.spawn(hide(delivery, after));
            back.push(delivery.message_id.clone());
        }
    }
    let all = async { while hiding.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(HIDE_TIME_MAX, all).await;
    back
}

/// Stores a pending change for every message that can be decoded, all in parallel, within
/// `patience`. Returns the ids of the messages whose pending change is stored.
pub async fn mark_all<Q: Future<Output = Result<(), Fault>> + Send + 'static>(
    deliveries: &[Received],
    now: Time,
    patience: Duration,
    mark: impl Fn(Change) -> Q,
) -> BTreeSet<String> {
    let mut marking = JoinSet::new();
    for delivery in deliveries {
        if let Ok(change) = wire::decode(&delivery.body, now) {
            let (id, marked) = (delivery.message_id.clone(), mark(change));
            marking.spawn(async move { marked.await.is_ok().then_some(id) });
        }
    }
    let mut marked = BTreeSet::new();
    let all = async {
        while let Some(one) = marking.join_next().await {
            marked.extend(one.ok().flatten());
        }
    };
    let _ = tokio::time::timeout(patience, all).await;
    marked
}

#[derive(Default)]
struct Outcome {
    done: Vec<String>,
    figures: BatchFigures,
}

enum Answer {
    Done,
    /// The message comes back after that time.
    Back(Duration),
}

async fn in_order<H: Hands>(hands: Arc<H>, group: Vec<Received>, bounds: Bounds) -> Outcome {
    let mut outcome = Outcome::default();
    let mut rest = group.into_iter();
    while let Some(delivery) = rest.next() {
        match one(&hands, &delivery, bounds, &mut outcome.figures).await {
            Answer::Done => outcome.done.push(delivery.message_id),
            Answer::Back(after) => {
                let back: Vec<Received> = std::iter::once(delivery).chain(rest).collect();
                hide(&*hands, &back, after).await;
                break;
            }
        }
    }
    outcome
}

/// Delays the messages of one group together, because the later ones must wait for the first
/// anyway.
async fn hide<H: Hands>(hands: &H, back: &[Received], after: Duration) {
    let hiding = async {
        for delivery in back {
            if let Err(fault) = hands.hide(delivery, after).await {
                tracing::warn!(
                    message.id = %delivery.message_id,
                    fault = %fault,
                    "a message could not be put off; it comes back when its visibility ends",
                );
            }
        }
    };
    let _ = tokio::time::timeout(HIDE_TIME_MAX, hiding).await;
}

async fn one<H: Hands>(
    hands: &Arc<H>,
    delivery: &Received,
    bounds: Bounds,
    figures: &mut BatchFigures,
) -> Answer {
    let began = hands.now();
    let change = match wire::read(&delivery.body, began) {
        Ok(message) => {
            figures.doubtful += u64::from(message.from_the_future);
            message.change
        }
        Err(malformed) => return unreadable(delivery, malformed, figures),
    };
    // Bulk work pauses while a pool throttles, so that live changes come first.
    let pause = hands.throttled().filter(|_| delivery.line == Line::Bulk);
    let (report, panicked) = match pause {
        Some(until) => (put_off(until.since(began), Reason::Outside(FaultKind::Throttled)), false),
        None => looked_after(hands, &change, bounds, began).await,
    };
    let now = hands.now();
    figures.panics += u64::from(panicked);
    figures.count(&report);
    figures.durations.push(now.since(began));
    let answer = settle(&**hands, delivery, &change, &report, panicked).await;
    if !matches!(report.verdict, Verdict::Later(..)) {
        figures.lags.push(now.since(change.at));
    }
    match &report.verdict {
        Verdict::Applied => figures.applied += 1,
        Verdict::AlreadyTrue => figures.already_true += 1,
        Verdict::Later(..) => figures.later += 1,
        Verdict::Held(_) => figures.held += 1,
        Verdict::Refused(_) => figures.refused += 1,
    }
    crate::telemetry::handled(&Handled {
        message_id: &delivery.message_id,
        receives: delivery.receives,
        change: &change,
        report: &report,
        lag: now.since(change.at),
        duration: now.since(began),
        back_after: match answer {
            Answer::Done => None,
            Answer::Back(after) => Some(after),
        },
    });
    answer
}

/// poolbridge never sends such a message, so another sender or a newer version sent it.
fn unreadable(
    delivery: &Received,
    malformed: wire::Malformed,
    figures: &mut BatchFigures,
) -> Answer {
    let (id, code) = (delivery.message_id.as_str(), malformed.code());
    if malformed.is_poison() {
        figures.malformed += 1;
        tracing::warn!(message.id = id, code, "an unreadable message was dropped");
        return Answer::Done;
    }
    figures.later += 1;
    tracing::warn!(message.id = id, code, "a message of a newer version waits for a newer apply");
    Answer::Back(growing(limits::RETRY_SLOWLY, delivery.receives))
}

/// Runs `converge` in a task of its own. A panic or a timeout becomes an outcome too.
async fn looked_after<H: Hands>(
    hands: &Arc<H>,
    change: &Change,
    bounds: Bounds,
    now: Time,
) -> (Report, bool) {
    let work = bounds.work(now);
    let mut task = JoinSet::new();
    let (their_hands, their_change) = (Arc::clone(hands), change.clone());
    task.spawn(async move { their_hands.converge(&their_change, &work).await });
    let joined = tokio::time::timeout(bounds.patience(&work, now), task.join_next()).await;
    let (reason, panicked) = match joined {
        Ok(Some(Ok(report))) => return (report, false),
        Ok(Some(Err(_)) | None) => (Reason::Contended, true),
        // Dropping the task stops it at its current step. The protocol survives that at any point.
        Err(_) => (Reason::OutOfTime, false),
    };
    (put_off(limits::RETRY_SOON, reason), panicked)
}

/// The report of a change that apply did not process.
const fn put_off(after: Duration, reason: Reason) -> Report {
    Report {
        verdict: Verdict::Later(after, reason),
        person: None,
        carried: Vec::new(),
        account_reads: 0,
        pool_writes: 0,
        decisions: Vec::new(),
        marked: false,
    }
}

/// Carries out what [`acknowledge`] decides about the message.
async fn settle<H: Hands>(
    hands: &H,
    delivery: &Received,
    change: &Change,
    report: &Report,
    panicked: bool,
) -> Answer {
    let Received { receives, .. } = *delivery;
    let state = Delivery { receives, marked: report.marked, panicked };
    match acknowledge::acknowledge(&report.verdict, state) {
        Acknowledgement::Done => Answer::Done,
        Acknowledgement::Back(after) => Answer::Back(after),
        Acknowledgement::LeaveToMark(after, reason) => {
            match hands.put_off(change, hands.now() + after, reason).await {
                Ok(true) => return Answer::Done,
                Ok(false) => {}
                Err(fault) => tracing::warn!(
                    message.id = %delivery.message_id,
                    fault = %fault,
                    "a mark could not be put off, so the message is kept",
                ),
            }
            Answer::Back(after)
        }
    }
}

#[cfg(test)]
mod tests;
