//! Log lines. Each line is complete on its own, and shows at most a person's `sub` and the bridge's
//! own id of the person.

use std::time::Duration;

use poolbridge_core::capture::Captured;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::guard::GuardDecision;
use poolbridge_core::names::PersonId;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::reconcile::Report;
use poolbridge_core::side::Side;
use poolbridge_core::sweep::Tick;
use poolbridge_core::sweep::pass::{Doubt, Partition, PartitionResult, Summary};

use super::milliseconds;
use crate::config::{ConfigError, ConfigErrors, GuardFailure, TriggerSlot};
use crate::resend::ResendResult;
use crate::triggers::NotAChange;
use crate::wiring::StartupError;

/// Logs what is wrong with the configuration, one line per error.
pub fn config_errors(config_errors: &ConfigErrors) {
    for ConfigError { line, message, hint } in &config_errors.list {
        tracing::error!(
            configuration.source = config_errors.source_name,
            configuration.line = line,
            hint,
            "the configuration is broken: {message}",
        );
    }
}

/// Logs why the component cannot work yet.
pub fn startup_failed(error: &StartupError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(cause, hint = error.hint(), "the bridge cannot work yet: {error}");
}

/// Logs why capture stored no change for an event.
pub fn not_captured(refusal: NotAChange) {
    let (reason, hint) = (refusal.to_string(), refusal.hint());
    if refusal.is_failure() {
        tracing::error!(reason, hint, "an event was let through and nothing was noted");
    } else {
        tracing::info!(reason, hint, "an event announces nothing to be captured");
    }
}

/// Logs the result of one captured change.
pub fn captured(change: &ChangeEvent, captured: &Captured) {
    let error = |result: &Result<(), PortError>| result.as_ref().err().map(ToString::to_string);
    let (pending, message) = (error(&captured.pending), error(&captured.message));
    let failed = pending.is_some() || message.is_some();
    macro_rules! write_line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                change.id = %format_args!("{:032x}", change.id),
                change.side = change.side.name(),
                change.sub = change.sub.as_str(),
                change.evidence = change.evidence.name(),
                pending.error = pending,
                message.error = message,
                $text,
            )
        };
    }
    match (failed, captured.survives()) {
        (false, _) => write_line!(info, "captured"),
        (true, true) => write_line!(warn, "captured, but not everywhere it should be"),
        (true, false) => write_line!(
            error,
            "let through, but neither marked nor sent; hint: the sweep finds all but passwords"
        ),
    }
}

/// Logs the guard's decision about a sign-up. It does not name the person: no account with a `sub`
/// exists yet.
pub fn judged(side: Side, failure: GuardFailure, judged: &Result<GuardDecision, PortError>) {
    let side = side.name();
    match judged {
        Ok(GuardDecision::Passes) => tracing::info!(side, "a sign-up passed the guard"),
        Ok(GuardDecision::Refused) => {
            tracing::info!(side, "a sign-up was refused: the other pool holds the identity");
        }
        Err(error) => tracing::error!(
            side,
            error = %error,
            outcome = match failure {
                GuardFailure::Open => "let-through",
                GuardFailure::Closed => "refused",
            },
            hint = Reason::PortError(error.kind).hint(),
            "a sign-up could not be judged",
        ),
    }
}

/// Logs that the chained function could not be called. The person who waited got that error.
pub fn not_invoked(slot: TriggerSlot, error: &PortError) {
    tracing::error!(
        slot = slot.name(),
        error = %error,
        hint = "see whether the function is there, capture may invoke it, and it has room",
        "the chained function could not be called; its trigger failed",
    );
}

/// Logs that it is unknown which function capture must call.
pub fn unknown_function(slot: TriggerSlot) {
    tracing::error!(
        slot = slot.name(),
        hint = "mend `[old.triggers]` and `[new.triggers]` in bridge.toml, and deploy again",
        "bridge.toml may declare a chained function, but it cannot be read",
    );
}

/// Logs the result of a scheduled run over pending changes.
pub fn resent(resent: &ResendResult) {
    tracing::info!(
        pending_changes = resent.pending_changes,
        oldest_pending_seconds = resent.oldest.map(|oldest| oldest.as_secs()),
        sent = resent.sent,
        failed = resent.failed,
        paused = resent.paused,
        other_configuration = resent.other_configuration,
        "checked the pending changes and resent those that were due",
    );
}

/// Logs that pending changes could not be read.
pub fn not_resent(error: &PortError) {
    tracing::error!(
        error = %error,
        hint = Reason::PortError(error.kind).hint(),
        "the pending changes could not be resent; the next run tries again",
    );
}

/// Logs that one part of a pass is finished.
pub fn part_swept(partition: &Partition, done: &PartitionResult, left: usize) {
    let (kind, side, part) = match partition {
        Partition::Accounts(side, prefix) => ("accounts", side, prefix.as_str().to_owned()),
        Partition::Members(side, bucket) => ("groups", side, bucket.to_string()),
        Partition::Cover(side) => ("cover", side, String::new()),
    };
    let counts = &done.counts;
    tracing::info!(
        sweep.kind = kind,
        sweep.side = side.name(),
        sweep.part = part,
        sweep.left = left,
        pages = counts.pages,
        accounts = counts.accounts,
        memberships = counts.memberships,
        differing = counts.differing,
        news = counts.news,
        unknown = counts.unknown,
        unreadable = counts.unreadable,
        has_pending = counts.has_pending,
        sent = counts.sent,
        unexpected = counts.unexpected,
        "a part of the {side} pool was swept, {left} are left",
    );
}

/// Logs the result of a pass.
pub fn pass_ended(summary: &Summary) {
    let missing = summary.missing.old + summary.missing.new;
    let doubt = summary.doubt.or(summary.members_doubt).map(Doubt::name);
    let accounts = summary.counts.old.accounts + summary.counts.new.accounts;
    let hint = doubt.map(|_| {
        "this pass concludes nothing from missing accounts; if it stays so, compare the pools' own \
         estimates"
    });
    tracing::info!(
        sweep.pass = summary.number,
        accounts,
        estimate.old = summary.estimate.old,
        estimate.new = summary.estimate.new,
        missing,
        departed = summary.departed.old + summary.departed.new,
        groups_unread = summary.groups_unread,
        doubt,
        hint,
        duration_seconds = summary.ended.since(summary.began).as_secs(),
        "a pass of the sweep has ended",
    );
}

/// Logs the result of one invocation of the sweep.
pub fn swept(tick: &Tick) {
    match tick {
        Tick::NotDue(next) => tracing::info!(next = next.0, "no pass of the sweep is due"),
        Tick::Barred(reason) => tracing::info!(
            reason = reason.name(),
            hint = reason.hint(),
            "the sweep rests: nothing that it found could be worked off",
        ),
        Tick::Worked(worked) => {
            for error in &worked.errors {
                tracing::warn!(
                    error = %error,
                    hint = Reason::PortError(error.kind).hint(),
                    "a part could not be swept; it begins anew",
                );
            }
            tracing::info!(
                finished = worked.finished,
                left = worked.left,
                ended = worked.ended.is_some(),
                no_room = worked.no_room,
                errors = worked.errors.len(),
                "the sweep went on",
            );
        }
    }
}

/// Logs that the sweep could not continue at all.
pub fn not_swept(error: &PortError) {
    tracing::error!(
        error = %error,
        hint = Reason::PortError(error.kind).hint(),
        "the sweep could not go on; the next run tries once more",
    );
}

/// Logs that poolbridge's function is not attached where the configuration wants it.
pub fn trigger_missing(side: Side, slot: TriggerSlot, other: bool) {
    tracing::error!(
        trigger.side = side.name(),
        trigger.slot = slot.name(),
        trigger.taken = other,
        hint = "run `poolbridge attach`, or set it in the pool's own template",
        "a trigger of the {side} pool is not ours any more",
    );
}

/// One processed message, for its log line.
#[derive(Clone, Copy, Debug)]
pub struct HandledMessage<'a> {
    /// The queue's own id of the message.
    pub message_id: &'a str,
    /// How many times it was received.
    pub receives: u32,
    /// The change in it.
    pub change: &'a ChangeEvent,
    /// The result.
    pub report: &'a Report,
    /// The time since the event.
    pub lag: Duration,
    /// The time since the work began.
    pub duration: Duration,
    /// When the message comes back, if it does.
    pub back_after: Option<Duration>,
}

/// Writes the one wide log line of a message.
pub fn handled(handled: &HandledMessage<'_>) {
    let HandledMessage { change, report, .. } = handled;
    let reason = match &report.outcome {
        Outcome::Retry(_, reason) | Outcome::Held(reason) | Outcome::Rejected(reason) => {
            Some(reason.name())
        }
        Outcome::Applied | Outcome::Unchanged => None,
    };
    let carried: Vec<String> =
        report.carried.iter().map(|(side, field)| format!("{side}:{field}")).collect();
    let decisions: Vec<&str> =
        report.decisions.iter().map(|decision| decision.kind.name()).collect();
    tracing::info!(
        message.id = handled.message_id,
        receives = handled.receives,
        change.id = %format_args!("{:032x}", change.id),
        change.side = change.side.name(),
        change.sub = change.sub.as_str(),
        change.evidence = change.evidence.name(),
        outcome = report.outcome.name(),
        reason,
        person = report.person.as_ref().map(PersonId::as_str),
        plan.fields = %carried.join(" "),
        plan.steps = report.pool_writes,
        decisions = %decisions.join(" "),
        account_reads = report.account_reads,
        pool_writes = report.pool_writes,
        lag_milliseconds = milliseconds(handled.lag),
        duration_milliseconds = milliseconds(handled.duration),
        back_after_milliseconds = handled.back_after.map(milliseconds),
        "a change of the {} pool: {}",
        change.side,
        report.outcome.name(),
    );
}
