//! Log lines of more than one function. Each line is complete on its own, and shows at most a
//! person's `sub` and the bridge's own id of the person.

use std::time::Duration;

use poolbridge_config::{ConfigError, ConfigErrors};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::names::PersonId;
use poolbridge_core::outcome::Outcome;
use poolbridge_core::reconcile::Report;

use crate::emf::milliseconds;

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
