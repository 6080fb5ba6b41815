//! The trail's log lines: one for each event.

use std::time::Duration;

use poolbridge_core::capture::Captured;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::restore::RestoreStage;
use poolbridge_core::side::Side;

use crate::decoder::Ignored;
use poolbridge_config::TriggerSlot;

/// One processed event, for its log line.
#[derive(Clone, Debug, Default)]
pub(crate) struct DetectionLine {
    /// The operation, as poolbridge's own table names it.
    pub(crate) operation: &'static str,
    /// The time between the call and its event, if the event shows the time of the call.
    pub(crate) delay: Option<Duration>,
    /// Why the event led to nothing.
    pub(crate) refusal: Option<Ignored>,
    /// Each change and its result.
    pub(crate) captured: Vec<(ChangeEvent, Captured)>,
    /// The sides for which a sweep is requested, and the result of each request.
    pub(crate) swept: Vec<(Side, Result<(), PortError>)>,
    /// The pools that were checked because they themselves changed, and the result of each check.
    pub(crate) pools: Vec<(Side, Result<PoolCheck, PortError>)>,
    /// The account pointers could not be read, so the trail assumed every possible pool.
    pub(crate) unread: Option<PortError>,
}

/// The result of checking a pool after an event about the pool itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PoolCheck {
    /// The pool is being restored or was deleted. The control item shows it.
    Restore(RestoreStage),
    /// The slots where capture should be attached and is not.
    Triggers(Vec<TriggerSlot>),
}

/// Writes a line for each pool of an event.
fn looked_at(detection: &DetectionLine) {
    for (side, looked) in &detection.pools {
        let (operation, side) = (detection.operation, side.name());
        match looked {
            Ok(PoolCheck::Triggers(missing)) if missing.is_empty() => {
                tracing::info!(operation, side, "pool settings changed; capture is attached");
            }
            Ok(PoolCheck::Triggers(missing)) => {
                let slots: Vec<&str> = missing.iter().map(|slot| slot.name()).collect();
                tracing::error!(
                    operation,
                    side,
                    slots = %slots.join(" "),
                    "a change of the pool detached capture from its triggers; hint: run \
                     `poolbridge attach`, and put the lines of `attach --print` into the pool's \
                     own template",
                );
            }
            Ok(PoolCheck::Restore(stage)) => tracing::error!(
                operation,
                side,
                stage = stage.name(),
                "a pool is restored or deleted, so apply writes only disables; hint: run \
                 `poolbridge status`",
            ),
            Err(error) => tracing::error!(
                operation,
                side,
                error = %error,
                "a change of the pool could not be checked; hint: the platform tries again",
            ),
        }
    }
}

/// Writes the one wide log line of an event.
pub(crate) fn detection(detection: &DetectionLine) {
    if !detection.pools.is_empty() {
        return looked_at(detection);
    }
    let errors = |results: &[&Result<(), PortError>]| {
        let errors = results.iter().filter_map(|result| result.as_ref().err());
        let errors: Vec<String> = errors.map(ToString::to_string).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    };
    let captured = &detection.captured;
    let pending_changes = errors(&captured.iter().map(|(_, it)| &it.pending).collect::<Vec<_>>());
    let messages = errors(&captured.iter().map(|(_, it)| &it.message).collect::<Vec<_>>());
    let swept = errors(&detection.swept.iter().map(|(_, it)| it).collect::<Vec<_>>());
    let lost = captured.iter().any(|(_, it)| !it.survives()) || swept.is_some();
    let partly = pending_changes.is_some() || messages.is_some() || detection.unread.is_some();
    let outcome = match (detection.refusal, captured.is_empty()) {
        (Some(_), _) => "dropped",
        (None, _) if lost => "failed",
        (None, true) => "sweep-requested",
        (None, false) => "captured",
    };
    let sides = captured.iter().map(|(change, _)| change.side);
    let sides = sides.chain(detection.swept.iter().map(|(side, _)| *side));
    let sides: Vec<&str> = sides.map(Side::name).collect();
    let change = captured.first().map(|(change, _)| change);
    macro_rules! write_line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                operation = detection.operation,
                outcome,
                reason = detection.refusal.map(|refusal| refusal.to_string()),
                hint = detection.refusal.map(Ignored::hint),
                sides = %sides.join(" "),
                change.id = change.map(|change| format!("{:032x}", change.id)),
                change.sub = change.map(|change| change.sub.as_str()),
                change.evidence = change.map(|change| change.evidence.name()),
                change.password = change.map(|change| change.password),
                delay_seconds = detection.delay.map(|delay| delay.as_secs()),
                pending.error = pending_changes,
                message.error = messages,
                sweep.error = swept,
                find.error = detection.unread.as_ref().map(ToString::to_string),
                $text,
            )
        };
    }
    match detection.refusal {
        Some(refusal) if refusal.is_failure() => write_line!(error, "an event cannot be read"),
        Some(refusal) if refusal.is_unresolved() => {
            write_line!(warn, "an event names no account, and no sweep can find the account");
        }
        // The `EventBridge` rules pass events of every pool of the account.
        Some(Ignored::OtherPool) => write_line!(debug, "an event of another pool"),
        Some(_) => write_line!(info, "an event reports nothing to record"),
        None if lost => write_line!(
            error,
            "not recorded; hint: the platform tries again, then keeps it among the failed events"
        ),
        None if partly => write_line!(warn, "recorded, but one of two records failed"),
        None if captured.is_empty() => {
            write_line!(info, "an event names no account: a sweep is requested");
        }
        None => write_line!(info, "captured"),
    }
}

/// Logs that the trail could not store that it ran.
pub(crate) fn route_not_noted(error: &PortError) {
    tracing::warn!(
        error = %error,
        hint = "`poolbridge coverage` may report that the trail is silent",
        "the time of the trail's last event could not be stored",
    );
}
