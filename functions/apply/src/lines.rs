//! apply's log lines of the scheduled run. `poolbridge_telemetry` has the line of a message.

use poolbridge_aws::resend::ResendResult;
use poolbridge_core::error::PortError;
use poolbridge_core::outcome::Reason;

/// Logs the result of a scheduled run over pending changes.
pub(crate) fn resent(resent: &ResendResult) {
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
pub(crate) fn not_resent(error: &PortError) {
    tracing::error!(
        error = %error,
        hint = Reason::PortError(error.kind).hint(),
        "the pending changes could not be resent; the next run tries again",
    );
}
