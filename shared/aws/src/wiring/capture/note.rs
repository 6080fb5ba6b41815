//! Stores a pending change and sends a message: capture's own work.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use poolbridge_core::capture::Captured;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::ports::{Clock, Ledger as _, Outbox as _};
use poolbridge_core::time::Time;
use tokio::time::timeout;

use super::{CaptureHandler, CaptureServices};
use crate::telemetry::{self, CaptureMetrics};
use crate::triggers::{Heading, Hints, captured_text};

impl CaptureHandler {
    /// Stores and sends the change that an event announces, if there is one.
    pub(super) async fn leave(
        &self,
        services: &CaptureServices,
        heading: &Heading,
        event: &str,
        now: Time,
    ) -> CaptureMetrics {
        let configuration = &services.configuration;
        let pools = configuration.pool_ids();
        let hints = Hints::from(&configuration.routes);
        let change = match captured_text(event, &pools, now, self.clock.nonce(), hints) {
            Ok(Some(change)) => change,
            Ok(None) => return CaptureMetrics::default(),
            Err(refusal) => {
                telemetry::not_captured(refusal);
                let failed = u64::from(refusal.is_failure());
                return CaptureMetrics { failed, ..CaptureMetrics::default() };
            }
        };
        if heading.tokens && self.recent.knows(&change, now) {
            return CaptureMetrics::default();
        }
        self.note(services, &change).await
    }

    /// Stores and sends at the same time. It counts a change for which both failed. A message
    /// without a pending change needs no count, because the queue's counters show it.
    async fn note(&self, services: &CaptureServices, change: &ChangeEvent) -> CaptureMetrics {
        let noted = self.clock.now();
        let (pending, message) = tokio::join!(
            answered(
                "UpdateItem",
                limits::CAPTURE_TIME_MAX,
                Box::pin(services.ledger.store_pending(change))
            ),
            answered(
                "SendMessage",
                limits::CAPTURE_TIME_MAX,
                Box::pin(services.outbox.send(change))
            ),
        );
        let captured = Captured { pending, message };
        if captured.pending.is_ok() {
            let left = limits::CAPTURE_TIME_MAX.saturating_sub(self.clock.now().since(noted));
            let _ = timeout(left, self.report_without_pending(services)).await;
        } else if !captured.survives() {
            self.without_pending.fetch_add(1, Ordering::Relaxed);
        }
        if captured.survives() {
            self.recent.remember(change, noted);
        }
        telemetry::captured(change, &captured);
        metrics(&captured)
    }

    /// Adds earlier failed captures to the table's count, best effort. If this fails, the next
    /// capture tries again, perhaps never. The alarm on failed captures fires in any case.
    async fn report_without_pending(&self, services: &CaptureServices) {
        let count = self.without_pending.load(Ordering::Relaxed);
        // The count is reduced only after the table has it, so an interruption keeps it.
        if count > 0 && Box::pin(services.ledger.add_without_pending(count)).await.is_ok() {
            self.without_pending.fetch_sub(count, Ordering::Relaxed);
        }
    }
}

/// The result if it came in time. A call that did not answer failed, whatever the result of the
/// other.
async fn answered(
    operation: &'static str,
    patience: Duration,
    call: impl Future<Output = Result<(), PortError>>,
) -> Result<(), PortError> {
    let answer = timeout(patience, call).await;
    answer.unwrap_or_else(|_| Err(PortError::new(ErrorKind::NoAnswer, operation)))
}

fn metrics(captured: &Captured) -> CaptureMetrics {
    CaptureMetrics {
        captured: u64::from(captured.survives()),
        failed: u64::from(captured.pending.is_err() || captured.message.is_err()),
        ..CaptureMetrics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_call_without_an_answer_has_failed() {
        let (pending, message) = tokio::join!(
            answered("UpdateItem", Duration::from_millis(1), std::future::pending()),
            answered("SendMessage", Duration::from_millis(1), std::future::ready(Ok(()))),
        );
        assert_eq!(pending.as_ref().map_err(|error| error.kind), Err(ErrorKind::NoAnswer));
        let captured = Captured { pending, message };
        assert!(captured.survives());
        let metrics = metrics(&captured);
        assert_eq!((metrics.captured, metrics.failed), (1, 1));
    }
}
