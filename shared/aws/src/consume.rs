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

use poolbridge_core::acknowledge::{self, Acknowledgement, DeliveryState, growing};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::reconcile::{Report, Work};
use poolbridge_core::time::Time;
use tokio::task::JoinSet;

use crate::sqs::{Delivery, QueueKind};
use crate::wire;
use poolbridge_telemetry::{BatchMetrics, HandledMessage, Telemetry};

/// How long before its end an invocation must have its answer ready. Work that still runs then is
/// dropped, as in a crash, and the message comes back.
const ANSWER_TIME: Duration = Duration::from_millis(1_200);

/// How long delaying messages may take. Without it they come back when the queue's visibility
/// time-out ends.
const HIDE_TIME_MAX: Duration = Duration::from_millis(800);

/// The outside calls that the consumer needs.
pub trait MessageHandler: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Time;

    /// Until when a pool asked poolbridge to pause; `None` if neither did.
    fn throttled(&self) -> Option<Time>;

    /// Processes one change event.
    fn reconcile(&self, change: &ChangeEvent, work: &Work) -> impl Future<Output = Report> + Send;

    /// Makes a message visible again after that time, and not before.
    fn hide(
        &self,
        delivery: &Delivery,
        after: Duration,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Stores on the account's pending change that apply need not process it before `until`, and
    /// why. Returns whether there is such a pending change.
    fn put_off(
        &self,
        change: &ChangeEvent,
        until: Time,
        reason: Reason,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// The time limits of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBudget {
    /// When the platform kills this process; `None` for a plain process.
    pub end: Option<Time>,
    /// Whether the process can be stopped and resumed between a check and the step after it
    /// (`LeaseOutlastsProcess`).
    pub suspendable: bool,
}

impl TimeBudget {
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
pub async fn consume<H: MessageHandler>(
    handler: &Arc<H>,
    telemetry: &Telemetry,
    deliveries: Vec<Delivery>,
    budget: TimeBudget,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut groups: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        all.push(delivery.message_id.clone());
        // A message without a group has no order to keep.
        let group = match delivery.group.as_str() {
            "" => delivery.message_id.clone(),
            group => group.to_owned(),
        };
        groups.entry(group).or_default().push(delivery);
    }
    let mut metrics =
        BatchMetrics { messages: u64::try_from(all.len()).unwrap_or(0), ..Default::default() };
    let mut tasks = JoinSet::new();
    for group in groups.into_values() {
        tasks.spawn(in_order(Arc::clone(handler), group, budget));
    }
    // Only messages that a task reports as done are done, so a task that breaks off loses none.
    let mut done = BTreeSet::new();
    while let Some(group_result) = tasks.join_next().await {
        if let Ok(group_result) = group_result {
            done.extend(group_result.done);
            metrics.add(group_result.metrics);
        } else {
            metrics.panics += 1;
        }
    }
    telemetry.publish(handler.now(), &metrics);
    all.retain(|id| !done.contains(id));
    all
}

/// Returns a whole batch, because something that every message needs is missing. Returns the ids of
/// the messages that must come back: all except those in `has_pending` (by id) that were received
/// often enough. Their pending changes remember them, so a long outage does not turn them into dead
/// letters.
pub async fn refuse<Q: Future<Output = Result<(), PortError>> + Send + 'static>(
    deliveries: &[Delivery],
    has_pending: &BTreeSet<String>,
    hide: impl Fn(&Delivery, Duration) -> Q,
) -> Vec<String> {
    let mut back = Vec::new();
    let mut hiding = JoinSet::new();
    for delivery in deliveries {
        let has_pending = has_pending.contains(&delivery.message_id);
        if let Acknowledgement::Back(after) = acknowledge::refuse(delivery.receives, has_pending) {
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
pub async fn store_all_pending<Q: Future<Output = Result<(), PortError>> + Send + 'static>(
    deliveries: &[Delivery],
    now: Time,
    patience: Duration,
    pending: impl Fn(ChangeEvent) -> Q,
) -> BTreeSet<String> {
    let mut marking = JoinSet::new();
    for delivery in deliveries {
        if let Ok(change) = wire::decode(&delivery.body, now) {
            let (id, has_pending) = (delivery.message_id.clone(), pending(change));
            marking.spawn(async move { has_pending.await.is_ok().then_some(id) });
        }
    }
    let mut has_pending = BTreeSet::new();
    let all = async {
        while let Some(one) = marking.join_next().await {
            has_pending.extend(one.ok().flatten());
        }
    };
    let _ = tokio::time::timeout(patience, all).await;
    has_pending
}

#[derive(Default)]
struct GroupResult {
    done: Vec<String>,
    metrics: BatchMetrics,
}

enum Disposition {
    Done,
    /// The message comes back after that time.
    Back(Duration),
}

async fn in_order<H: MessageHandler>(
    handler: Arc<H>,
    group: Vec<Delivery>,
    budget: TimeBudget,
) -> GroupResult {
    let mut group_result = GroupResult::default();
    let mut rest = group.into_iter();
    while let Some(delivery) = rest.next() {
        match one(&handler, &delivery, budget, &mut group_result.metrics).await {
            Disposition::Done => group_result.done.push(delivery.message_id),
            Disposition::Back(after) => {
                let back: Vec<Delivery> = std::iter::once(delivery).chain(rest).collect();
                hide(&*handler, &back, after).await;
                break;
            }
        }
    }
    group_result
}

/// Delays the messages of one group together, because the later ones must wait for the first
/// anyway.
async fn hide<H: MessageHandler>(handler: &H, back: &[Delivery], after: Duration) {
    let hiding = async {
        for delivery in back {
            if let Err(error) = handler.hide(delivery, after).await {
                tracing::warn!(
                    message.id = %delivery.message_id,
                    error = %error,
                    "a message could not be put off; it comes back when its visibility ends",
                );
            }
        }
    };
    let _ = tokio::time::timeout(HIDE_TIME_MAX, hiding).await;
}

async fn one<H: MessageHandler>(
    handler: &Arc<H>,
    delivery: &Delivery,
    budget: TimeBudget,
    metrics: &mut BatchMetrics,
) -> Disposition {
    let began = handler.now();
    let change = match wire::read(&delivery.body, began) {
        Ok(message) => {
            metrics.doubtful += u64::from(message.from_the_future);
            message.change
        }
        Err(malformed) => return unreadable(delivery, malformed, metrics),
    };
    // Bulk work pauses while a pool throttles, so that live changes come first.
    let pause = handler.throttled().filter(|_| delivery.line == QueueKind::Bulk);
    let (report, panicked) = match pause {
        Some(until) => {
            (put_off(until.since(began), Reason::PortError(ErrorKind::Throttled)), false)
        }
        None => looked_after(handler, &change, budget, began).await,
    };
    let now = handler.now();
    metrics.panics += u64::from(panicked);
    metrics.count(&report);
    metrics.durations.push(now.since(began));
    let answer = settle(&**handler, delivery, &change, &report, panicked).await;
    if !matches!(report.outcome, Outcome::Retry(..)) {
        metrics.lags.push(now.since(change.at));
    }
    match &report.outcome {
        Outcome::Applied => metrics.applied += 1,
        Outcome::Unchanged => metrics.unchanged += 1,
        Outcome::Retry(..) => metrics.retry += 1,
        Outcome::Held(_) => metrics.held += 1,
        Outcome::Rejected(_) => metrics.rejected += 1,
    }
    poolbridge_telemetry::handled(&HandledMessage {
        message_id: &delivery.message_id,
        receives: delivery.receives,
        change: &change,
        report: &report,
        lag: now.since(change.at),
        duration: now.since(began),
        back_after: match answer {
            Disposition::Done => None,
            Disposition::Back(after) => Some(after),
        },
    });
    answer
}

/// poolbridge never sends such a message, so another sender or a newer version sent it.
fn unreadable(
    delivery: &Delivery,
    malformed: wire::Malformed,
    metrics: &mut BatchMetrics,
) -> Disposition {
    let (id, code) = (delivery.message_id.as_str(), malformed.code());
    if malformed.is_poison() {
        metrics.malformed += 1;
        tracing::warn!(message.id = id, code, "an unreadable message was dropped");
        return Disposition::Done;
    }
    metrics.retry += 1;
    tracing::warn!(message.id = id, code, "a message of a newer version waits for a newer apply");
    Disposition::Back(growing(limits::RETRY_SLOWLY, delivery.receives))
}

/// Runs `reconcile` in a task of its own. A panic or a timeout becomes an outcome too.
async fn looked_after<H: MessageHandler>(
    handler: &Arc<H>,
    change: &ChangeEvent,
    budget: TimeBudget,
    now: Time,
) -> (Report, bool) {
    let work = budget.work(now);
    let mut task = JoinSet::new();
    let (their_hands, their_change) = (Arc::clone(handler), change.clone());
    task.spawn(async move { their_hands.reconcile(&their_change, &work).await });
    let joined = tokio::time::timeout(budget.patience(&work, now), task.join_next()).await;
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
        outcome: Outcome::Retry(after, reason),
        person: None,
        carried: Vec::new(),
        account_reads: 0,
        pool_writes: 0,
        decisions: Vec::new(),
        has_pending: false,
    }
}

/// Carries out what [`acknowledge`] decides about the message.
async fn settle<H: MessageHandler>(
    handler: &H,
    delivery: &Delivery,
    change: &ChangeEvent,
    report: &Report,
    panicked: bool,
) -> Disposition {
    let Delivery { receives, .. } = *delivery;
    let state = DeliveryState { receives, has_pending: report.has_pending, panicked };
    match acknowledge::acknowledge(&report.outcome, state) {
        Acknowledgement::Done => Disposition::Done,
        Acknowledgement::Back(after) => Disposition::Back(after),
        Acknowledgement::LeaveToPendingChange(after, reason) => {
            match handler.put_off(change, handler.now() + after, reason).await {
                Ok(true) => return Disposition::Done,
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    message.id = %delivery.message_id,
                    error = %error,
                    "a mark could not be put off, so the message is kept",
                ),
            }
            Disposition::Back(after)
        }
    }
}

#[cfg(test)]
mod tests;
