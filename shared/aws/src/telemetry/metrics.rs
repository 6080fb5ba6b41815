//! Metrics in the embedded metric format of `CloudWatch`.

use std::time::Duration;

use poolbridge_core::error::ErrorKind;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::reconcile::Report;
use poolbridge_core::record::{Decision, DecisionKind};
use poolbridge_core::sweep::pass::{Counts, Summary};
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::trail::TRAIL_FIGURES;
use super::{Output, milliseconds};

/// The namespace of every metric.
pub const NAMESPACE: &str = "poolbridge";

/// The dimension of every metric: the bridge's name. AWS bills each further value as a metric of
/// its own, so there is only one.
pub const DIMENSION: &str = "name";

/// What capture publishes.
pub const CAPTURE_FIGURES: [&str; 7] = [
    "captured",
    "capture_failed",
    "capture_milliseconds",
    "guard_refused",
    "guard_failed_open",
    "chain_failed",
    "errors_answered",
];

/// What apply publishes.
pub const APPLY_FIGURES: [&str; 21] = [
    "messages",
    "applied",
    "unchanged",
    "retry",
    "held",
    "rejected",
    "malformed",
    "panics",
    "account_reads",
    "pool_writes",
    "removals",
    "breaker_held",
    "doubtful",
    "passwords_kept_open",
    "writes_paused",
    "lag_milliseconds",
    "apply_milliseconds",
    "pending_changes",
    "oldest_pending_seconds",
    "undecided_restores",
    "other_configuration",
];

/// What the sweep publishes: most metrics at the end of a pass, the last three at each invocation.
pub const SWEEP_FIGURES: [&str; 20] = [
    "sweep_pages",
    "sweep_accounts",
    "sweep_memberships",
    "sweep_differing",
    "sweep_news",
    "sweep_unknown",
    "sweep_unreadable",
    "sweep_pending",
    "sweep_sent",
    "sweep_unexpected",
    "sweep_uncovered",
    "sweep_missing",
    "sweep_departed",
    "sweep_groups_unread",
    "sweep_unconcluded",
    "sweep_shortfall",
    "sweep_pass_seconds",
    "sweep_faults",
    "sweep_since_pass_seconds",
    "triggers_missing",
];

/// The values of one metric in one line: the embedded metric format allows at most 100.
const VALUES_MAX: usize = 100;

/// The names for the infrastructure, so that a renamed metric fails the build and does not silently
/// break an alarm.
pub fn figures_document() -> Value {
    json!({
        "namespace": NAMESPACE,
        "dimensions": [DIMENSION],
        "capture": CAPTURE_FIGURES,
        "apply": APPLY_FIGURES,
        "trail": TRAIL_FIGURES,
        "sweep": SWEEP_FIGURES,
    })
}

/// Writes the metrics of one bridge.
#[derive(Clone, Debug)]
pub struct Telemetry {
    pub(super) name: String,
    pub(super) output: Output,
}

/// One metric of a line: a number, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MetricValue {
    Count(u64),
    Milliseconds(Vec<u64>),
    Seconds(u64),
}

/// The metrics of one call of capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CaptureMetrics {
    /// The change was stored, or sent, or both.
    pub captured: u64,
    /// A change that should have been stored and sent was not, or only in part.
    pub failed: u64,
    /// How long capture's own work took. The chained function may take longer.
    pub duration: Duration,
    /// The guard refused a sign-up.
    pub guard_refused: u64,
    /// The guard could not decide about a sign-up and let it through.
    pub guard_failed_open: u64,
    /// The chained function could not be called, or is not known.
    pub chain_failed: u64,
    /// The answer was an error on purpose. Lambda counts it among capture's errors; the other
    /// errors are crashes.
    pub errors_answered: u64,
}

/// The metrics of one batch of apply.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BatchMetrics {
    /// Messages received.
    pub messages: u64,
    /// Changes that wrote something.
    pub applied: u64,
    /// Changes that found nothing to do.
    pub unchanged: u64,
    /// Changes with the outcome `retry`.
    pub retry: u64,
    /// Changes that an operator must resolve.
    pub held: u64,
    /// Changes that the target pool cannot hold.
    pub rejected: u64,
    /// Messages that cannot be decoded and were dropped.
    pub malformed: u64,
    /// Panics, which are errors in poolbridge.
    pub panics: u64,
    /// Accounts read.
    pub account_reads: u64,
    /// Writes to a pool.
    pub pool_writes: u64,
    /// Accounts that poolbridge disabled or deleted because the person's other account was deleted.
    pub removals: u64,
    /// Changes that wait for an operator because the breaker is open.
    pub breaker_held: u64,
    /// Claims without proof: that a password was set, or that an event happened in the future.
    pub doubtful: u64,
    /// Changes after which an outdated password stays usable, because the person could not set a
    /// new one in that pool.
    pub passwords_kept_open: u64,
    /// Changes that wait because a pool accepts no writes.
    pub writes_paused: u64,
    /// The time from the event until apply was done with it, for each outcome other than `retry`.
    pub lags: Vec<Duration>,
    /// How long each change took.
    pub durations: Vec<Duration>,
}

/// The metrics of the scheduled run over pending changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PendingMetrics {
    /// Accounts with a pending change.
    pub pending_changes: u64,
    /// The age of the oldest event that is not applied yet; zero without one.
    pub oldest: Duration,
    /// Pools that were restored or deleted and about which an operator has not decided yet.
    pub undecided: u64,
    /// One if the active configuration differs from the one that apply was deployed with, otherwise
    /// zero. Until they agree, apply writes nothing but disables.
    pub other_configuration: u64,
}

/// The metrics of one invocation of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SweepMetrics {
    /// Parts that failed, and the whole invocation if it did.
    pub errors: u64,
    /// How long ago the last pass began.
    pub since_pass: Duration,
    /// Slots in the pools' settings where poolbridge's function should be attached and is not.
    pub triggers_missing: u64,
}

impl SweepMetrics {
    /// Adds so many port errors.
    pub const fn count_faults(&mut self, count: usize) {
        self.errors = self.errors.saturating_add(count as u64);
    }

    fn metrics(self) -> [(&'static str, MetricValue); 3] {
        let [.., errors, since_pass, triggers_missing] = SWEEP_FIGURES;
        [
            (errors, MetricValue::Count(self.errors)),
            (since_pass, MetricValue::Seconds(self.since_pass.as_secs())),
            (triggers_missing, MetricValue::Count(self.triggers_missing)),
        ]
    }
}

/// The metrics of a pass, both pools together.
fn pass_figures(summary: &Summary) -> Vec<(&'static str, MetricValue)> {
    let mut counts = summary.counts.old;
    counts.add(&summary.counts.new);
    let Counts { accounts, .. } = counts;
    // The pools' own estimates may be stale. If they are much higher than the count, an operator
    // should check.
    let estimate = summary.estimate.old.unwrap_or(0) + summary.estimate.new.unwrap_or(0);
    let unconcluded = [summary.doubt, summary.members_doubt];
    let counted = [
        counts.pages,
        accounts,
        counts.memberships,
        counts.differing,
        counts.news,
        counts.unknown,
        counts.unreadable,
        counts.has_pending,
        counts.sent,
        counts.unexpected,
        counts.uncovered,
        summary.missing.old + summary.missing.new,
        summary.departed.old + summary.departed.new,
        summary.groups_unread,
        u64::from(unconcluded.iter().any(Option::is_some)),
        estimate.saturating_sub(accounts),
    ];
    let seconds = MetricValue::Seconds(summary.ended.since(summary.began).as_secs());
    let metrics = counted.into_iter().map(MetricValue::Count).chain([seconds]);
    SWEEP_FIGURES.into_iter().zip(metrics).collect()
}

impl BatchMetrics {
    /// Adds one change's counts, except its outcome.
    pub fn count(&mut self, report: &Report) {
        self.account_reads += u64::from(report.account_reads);
        self.pool_writes += u64::from(report.pool_writes);
        let removed = |decision: &&Decision| {
            matches!(decision.kind, DecisionKind::Disabled | DecisionKind::Removed)
        };
        let unproven = |decision: &&Decision| decision.reason == Some(Reason::PasswordUnproven);
        self.doubtful += report.decisions.iter().filter(unproven).count() as u64;
        let kept_open = report.outcome == Outcome::Held(Reason::NoRecovery);
        self.passwords_kept_open += u64::from(kept_open);
        self.removals += report.decisions.iter().filter(removed).count() as u64;
        let breaker = match report.outcome {
            Outcome::Held(reason) | Outcome::Retry(_, reason) => reason == Reason::Breaker,
            Outcome::Applied | Outcome::Unchanged | Outcome::Rejected(_) => false,
        };
        self.breaker_held += u64::from(breaker);
        let paused =
            matches!(report.outcome, Outcome::Retry(_, Reason::PortError(ErrorKind::WritesPaused)));
        self.writes_paused += u64::from(paused);
    }

    /// Adds the counts of another part of the same batch.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.retry += other.retry;
        self.held += other.held;
        self.rejected += other.rejected;
        self.malformed += other.malformed;
        self.panics += other.panics;
        self.account_reads += other.account_reads;
        self.pool_writes += other.pool_writes;
        self.removals += other.removals;
        self.breaker_held += other.breaker_held;
        self.doubtful += other.doubtful;
        self.passwords_kept_open += other.passwords_kept_open;
        self.writes_paused += other.writes_paused;
        self.lags.extend(other.lags);
        self.durations.extend(other.durations);
    }
}

impl CaptureMetrics {
    fn metrics(&self) -> [(&'static str, MetricValue); 7] {
        let [captured, failed, duration, rejected, failed_open, chain_failed, errors] =
            CAPTURE_FIGURES;
        [
            (captured, MetricValue::Count(self.captured)),
            (failed, MetricValue::Count(self.failed)),
            (duration, MetricValue::Milliseconds(vec![milliseconds(self.duration)])),
            (rejected, MetricValue::Count(self.guard_refused)),
            (failed_open, MetricValue::Count(self.guard_failed_open)),
            (chain_failed, MetricValue::Count(self.chain_failed)),
            (errors, MetricValue::Count(self.errors_answered)),
        ]
    }
}

impl PendingMetrics {
    fn metrics(self) -> [(&'static str, MetricValue); 4] {
        let [.., pending_changes, oldest, undecided, other_configuration] = APPLY_FIGURES;
        [
            (pending_changes, MetricValue::Count(self.pending_changes)),
            (oldest, MetricValue::Seconds(self.oldest.as_secs())),
            (undecided, MetricValue::Count(self.undecided)),
            (other_configuration, MetricValue::Count(self.other_configuration)),
        ]
    }
}

impl BatchMetrics {
    fn metrics(&self) -> Vec<(&'static str, MetricValue)> {
        let counts = [
            self.messages,
            self.applied,
            self.unchanged,
            self.retry,
            self.held,
            self.rejected,
            self.malformed,
            self.panics,
            self.account_reads,
            self.pool_writes,
            self.removals,
            self.breaker_held,
            self.doubtful,
            self.passwords_kept_open,
            self.writes_paused,
        ];
        let spans = |spans: &[Duration]| {
            MetricValue::Milliseconds(
                spans.iter().take(VALUES_MAX).copied().map(milliseconds).collect(),
            )
        };
        let counts = counts.into_iter().map(MetricValue::Count);
        let metrics = counts.chain([spans(&self.lags), spans(&self.durations)]);
        APPLY_FIGURES.into_iter().zip(metrics).collect()
    }
}

impl Telemetry {
    /// The metrics of the bridge with that name.
    pub const fn new(name: String, output: Output) -> Self {
        Self { name, output }
    }

    /// Publishes the metrics of one call of capture.
    pub fn capture(&self, now: Time, metrics: &CaptureMetrics) {
        self.output.write(&line(&self.name, now, &metrics.metrics()));
    }

    /// Publishes how many accounts have a pending change, and since when.
    pub fn pending_changes(&self, now: Time, metrics: PendingMetrics) {
        self.output.write(&line(&self.name, now, &metrics.metrics()));
    }

    /// Publishes the metrics of one invocation of the sweep.
    pub fn sweep(&self, now: Time, metrics: SweepMetrics) {
        self.output.write(&line(&self.name, now, &metrics.metrics()));
    }

    /// Publishes the metrics of a pass of the sweep.
    pub fn pass(&self, summary: &Summary) {
        self.output.write(&line(&self.name, summary.ended, &pass_figures(summary)));
    }

    /// Publishes the metrics of one batch.
    pub fn batch(&self, now: Time, metrics: &BatchMetrics) {
        self.output.write(&line(&self.name, now, &metrics.metrics()));
    }
}

/// One line of the embedded metric format (`CloudWatch`'s page "Specification: embedded metric
/// format").
pub(super) fn line(name: &str, now: Time, metrics: &[(&'static str, MetricValue)]) -> String {
    let mut definitions = Vec::new();
    let mut root = serde_json::Map::new();
    for (metric, figure) in metrics {
        let (unit, value) = match figure {
            MetricValue::Count(count) => ("Count", json!(count)),
            MetricValue::Seconds(seconds) => ("Seconds", json!(seconds)),
            // `CloudWatch` refuses an empty list, so a metric without a value is left out.
            MetricValue::Milliseconds(spans) if spans.is_empty() => continue,
            MetricValue::Milliseconds(spans) if spans.len() == 1 => {
                ("Milliseconds", json!(spans[0]))
            }
            MetricValue::Milliseconds(spans) => ("Milliseconds", json!(spans)),
        };
        definitions.push(json!({ "Name": metric, "Unit": unit }));
        root.insert((*metric).to_owned(), value);
    }
    root.insert(DIMENSION.to_owned(), json!(name));
    root.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.0,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": definitions,
            }],
        }),
    );
    Value::Object(root).to_string()
}

#[cfg(test)]
mod tests;
