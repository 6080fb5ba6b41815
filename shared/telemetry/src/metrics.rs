//! What each function publishes. The infrastructure reads the names from `infra/metrics.json`,
//! which a test compares with this module: a renamed metric must not silently break an alarm.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::reconcile::Report;
use poolbridge_core::record::{Decision, DecisionKind};
use poolbridge_sweep_core::pass::Summary;
use serde_json::{Value, json};

use crate::emf::{DIMENSION, MetricSet, Milliseconds, NAMESPACE, Seconds, metric_set};

metric_set! {
    /// The metrics of one call of capture.
    CaptureMetrics {
        /// The change was stored, or sent, or both.
        "captured" => captured: u64,
        /// A change that should have been stored and sent was not, or only in part.
        "capture_failed" => failed: u64,
        /// How long capture's own work took. The chained function may take longer.
        "capture_milliseconds" => duration: Milliseconds,
        /// The guard refused a sign-up.
        "guard_refused" => guard_refused: u64,
        /// The guard could not decide about a sign-up and let it through.
        "guard_failed_open" => guard_failed_open: u64,
        /// The chained function could not be called, or is not known.
        "chain_failed" => chain_failed: u64,
        /// The answer was an error on purpose. Lambda counts it among capture's errors; the other
        /// errors are crashes.
        "errors_answered" => errors_answered: u64,
    }
}

metric_set! {
    /// The metrics of one batch of apply.
    BatchMetrics {
        /// Messages received.
        "messages" => messages: u64,
        /// Changes that wrote something.
        "applied" => applied: u64,
        /// Changes that found nothing to do.
        "unchanged" => unchanged: u64,
        /// Changes with the outcome `retry`.
        "retry" => retry: u64,
        /// Changes that an operator must resolve.
        "held" => held: u64,
        /// Changes that the target pool cannot hold.
        "rejected" => rejected: u64,
        /// Messages that cannot be decoded and were dropped.
        "malformed" => malformed: u64,
        /// Panics, which are errors in poolbridge.
        "panics" => panics: u64,
        /// Accounts read.
        "account_reads" => account_reads: u64,
        /// Writes to a pool.
        "pool_writes" => pool_writes: u64,
        /// Accounts that poolbridge disabled or deleted because the person's other account was
        /// deleted.
        "removals" => removals: u64,
        /// Changes that wait for an operator because the breaker is open.
        "breaker_held" => breaker_held: u64,
        /// Claims without evidence: that a password was set, or that an event happened in the
        /// future.
        "doubtful" => doubtful: u64,
        /// Changes after which an outdated password stays usable, because the person could not set
        /// a new one in that pool.
        "passwords_kept_open" => passwords_kept_open: u64,
        /// Changes that wait because a pool accepts no writes.
        "writes_paused" => writes_paused: u64,
        /// The time from the event until apply was done with it, for each outcome except `retry`.
        "lag_milliseconds" => lags: Milliseconds,
        /// How long each change took.
        "apply_milliseconds" => durations: Milliseconds,
    }
}

metric_set! {
    /// The metrics of the scheduled run over pending changes.
    PendingMetrics {
        /// Accounts with a pending change.
        "pending_changes" => pending_changes: u64,
        /// The age of the oldest event that is not applied yet; zero without one.
        "oldest_pending_seconds" => oldest: Seconds,
        /// Pools that were restored or deleted and about which an operator has not decided yet.
        "undecided_restores" => undecided: u64,
        /// One if the active configuration differs from the one that apply was deployed with,
        /// otherwise zero. Until they agree, apply writes nothing but disables.
        "other_configuration" => other_configuration: u64,
    }
}

metric_set! {
    /// The metrics of one event of the trail.
    TrailMetrics {
        /// A change was stored, or sent, or both.
        "trail_captured" => captured: u64,
        /// The event led to nothing.
        "trail_dropped" => dropped: u64,
        /// The event does not name its account.
        "trail_unresolved" => unresolved: u64,
        /// A change that should have been stored and sent was not, or only in part.
        "trail_failed" => failed: u64,
        /// Slots in a pool's settings where capture should be attached and is not, after a change
        /// of the settings.
        "trail_triggers_missing" => triggers_missing: u64,
        /// A pool is being restored to a point in time, or was deleted.
        "trail_restores" => restores: u64,
    }
}

metric_set! {
    /// The metrics of a pass of the sweep, both pools together.
    PassMetrics {
        /// Pages listed.
        "sweep_pages" => pages: u64,
        /// Accounts listed.
        "sweep_accounts" => accounts: u64,
        /// Group memberships listed.
        "sweep_memberships" => memberships: u64,
        /// Accounts that differ from the baseline.
        "sweep_differing" => differing: u64,
        /// Unknown accounts that were created or changed since the last pass.
        "sweep_news" => news: u64,
        /// Unknown accounts.
        "sweep_unknown" => unknown: u64,
        /// Accounts and records that cannot be decoded.
        "sweep_unreadable" => unreadable: u64,
        /// Accounts that differ and have a pending change already.
        "sweep_pending" => pending: u64,
        /// Change events sent.
        "sweep_sent" => sent: u64,
        /// Accounts in no partition.
        "sweep_unexpected" => unexpected: u64,
        /// Accounts that only the unfiltered listing showed.
        "sweep_uncovered" => uncovered: u64,
        /// Known accounts that no listing showed.
        "sweep_missing" => missing: u64,
        /// Members of a group that no listing showed.
        "sweep_missing_memberships" => missing_memberships: u64,
        /// Groups that could not be listed.
        "sweep_groups_unread" => groups_unread: u64,
        /// One if the pass concludes nothing from missing accounts or members.
        "sweep_unconcluded" => unconcluded: u64,
        /// By how many accounts the pools' own estimates exceed the listings. The estimates may be
        /// stale. If they are much higher, an operator should check.
        "sweep_shortfall" => shortfall: u64,
        /// How long the pass took.
        "sweep_pass_seconds" => duration: Seconds,
    }
}

metric_set! {
    /// The metrics of one invocation of the sweep.
    SweepMetrics {
        /// Partitions that failed, and the whole invocation if it did.
        "sweep_faults" => errors: u64,
        /// How long ago the last pass began.
        "sweep_since_pass_seconds" => since_pass: Seconds,
        /// Slots in the pools' settings where poolbridge's function should be attached and is not.
        "triggers_missing" => triggers_missing: u64,
    }
}

/// The names for the infrastructure, by function.
pub fn metrics_document() -> Value {
    let apply = [BatchMetrics::NAMES, PendingMetrics::NAMES].concat();
    let sweep = [PassMetrics::NAMES, SweepMetrics::NAMES].concat();
    json!({
        "namespace": NAMESPACE,
        "dimensions": [DIMENSION],
        "capture": CaptureMetrics::NAMES,
        "apply": apply,
        "trail": TrailMetrics::NAMES,
        "sweep": sweep,
    })
}

impl From<&Summary> for PassMetrics {
    fn from(summary: &Summary) -> Self {
        let mut counts = summary.counts.old;
        counts.add(&summary.counts.new);
        let estimate = summary.estimate.old.unwrap_or(0) + summary.estimate.new.unwrap_or(0);
        Self {
            pages: counts.pages,
            accounts: counts.accounts,
            memberships: counts.memberships,
            differing: counts.differing,
            news: counts.news,
            unknown: counts.unknown,
            unreadable: counts.unreadable,
            pending: counts.has_pending,
            sent: counts.sent,
            unexpected: counts.unexpected,
            uncovered: counts.uncovered,
            missing: summary.missing.old + summary.missing.new,
            missing_memberships: summary.missing_memberships.old + summary.missing_memberships.new,
            groups_unread: summary.groups_unread,
            unconcluded: u64::from(summary.doubt.or(summary.members_doubt).is_some()),
            shortfall: estimate.saturating_sub(counts.accounts),
            duration: Seconds(summary.ended.since(summary.began)),
        }
    }
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
        self.removals += report.decisions.iter().filter(removed).count() as u64;
        let kept_open = report.outcome == Outcome::Held(Reason::NoRecovery);
        self.passwords_kept_open += u64::from(kept_open);
        let waits = match report.outcome {
            Outcome::Held(reason) | Outcome::Retry(_, reason) => Some(reason),
            Outcome::Applied | Outcome::Unchanged | Outcome::Rejected(_) => None,
        };
        self.breaker_held += u64::from(waits == Some(Reason::Breaker));
        let paused = Reason::PortError(ErrorKind::WritesPaused);
        let paused = matches!(report.outcome, Outcome::Retry(_, reason) if reason == paused);
        self.writes_paused += u64::from(paused);
    }
}

#[cfg(test)]
mod tests;
