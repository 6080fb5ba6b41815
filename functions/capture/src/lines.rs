//! capture's log lines. Each shows at most a person's `sub`.

use poolbridge_config::{GuardFailure, TriggerSlot};
use poolbridge_core::capture::Captured;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::guard::GuardDecision;
use poolbridge_core::outcome::Reason;
use poolbridge_core::side::Side;

use crate::triggers::NotAChange;

/// Logs why capture stored no change for an event.
pub(crate) fn not_captured(refusal: NotAChange) {
    let (reason, hint) = (refusal.to_string(), refusal.hint());
    if refusal.is_failure() {
        tracing::error!(reason, hint, "an event cannot be read, so nothing was recorded");
    } else {
        tracing::info!(reason, hint, "an event announces no change");
    }
}

/// Logs the result of one captured change.
pub(crate) fn captured(change: &ChangeEvent, captured: &Captured) {
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
        (true, true) => write_line!(warn, "captured, but one of two records failed"),
        (true, false) => write_line!(
            error,
            "neither the pending change nor the message was accepted; hint: the sweep finds such \
             changes, except those of passwords"
        ),
    }
}

/// Logs the guard's decision about a sign-up. It does not name the person: no account with a `sub`
/// exists yet.
pub(crate) fn decided(
    side: Side,
    failure: GuardFailure,
    decided: &Result<GuardDecision, PortError>,
) {
    let side = side.name();
    match decided {
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
            "the guard could not decide about a sign-up",
        ),
    }
}

/// Logs that the chained function could not be called. The person who waited got that error.
pub(crate) fn not_invoked(slot: TriggerSlot, error: &PortError) {
    tracing::error!(
        slot = slot.name(),
        error = %error,
        hint = "check the function, capture's right to invoke it, and its concurrency limit",
        "the chained function could not be called; its trigger failed",
    );
}

/// Logs that it is unknown which function capture must call.
pub(crate) fn unknown_function(slot: TriggerSlot) {
    tracing::error!(
        slot = slot.name(),
        hint = "correct `[old.triggers]` and `[new.triggers]` in bridge.toml, and deploy again",
        "bridge.toml may declare a chained function, but it cannot be read",
    );
}
