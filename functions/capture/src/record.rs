//! capture's own work: stores a pending change and sends a message.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use poolbridge_core::capture::{Captured, TimeLimit, capture_within};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;
use poolbridge_telemetry::CaptureMetrics;
use tokio::time::timeout;

use crate::handler::{CaptureHandler, CaptureServices};
use crate::lines;
use crate::triggers::{Heading, Hints, captured_text};

/// A person is waiting: no call takes longer than this.
struct CaptureTime(Duration);

impl TimeLimit for CaptureTime {
    async fn limit(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<(), PortError>> + Send,
    ) -> Result<(), PortError> {
        // The SDK's futures are large: boxed, they are not copied.
        let answer = timeout(self.0, Box::pin(call)).await;
        answer.unwrap_or_else(|_| Err(PortError::new(ErrorKind::NoAnswer, operation)))
    }
}

impl CaptureHandler {
    /// Stores and sends the change that an event announces, if there is one.
    pub(crate) async fn record(
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
                lines::not_captured(refusal);
                let failed = u64::from(refusal.is_failure());
                return CaptureMetrics { failed, ..CaptureMetrics::default() };
            }
        };
        if heading.tokens && self.recent.knows(&change, now) {
            return CaptureMetrics::default();
        }
        self.store_and_send(services, &change).await
    }

    /// It counts a change for which both failed. A message without a pending change needs no count,
    /// because the queue's counters show it.
    async fn store_and_send(
        &self,
        services: &CaptureServices,
        change: &ChangeEvent,
    ) -> CaptureMetrics {
        let began = self.clock.now();
        let limit = CaptureTime(limits::CAPTURE_TIME_MAX);
        let captured = capture_within(&services.ledger, &services.outbox, &limit, change).await;
        if captured.pending.is_ok() {
            let left = limits::CAPTURE_TIME_MAX.saturating_sub(self.clock.now().since(began));
            let _ = timeout(left, self.report_lost_captures(services)).await;
        } else if !captured.survives() {
            self.lost_captures.fetch_add(1, Ordering::Relaxed);
        }
        if captured.survives() {
            self.recent.remember(change, began);
        }
        lines::captured(change, &captured);
        metrics(&captured)
    }

    /// Adds earlier failed captures to the table's count, best effort. If this fails, the next
    /// capture tries again, perhaps never. The alarm on failed captures fires in any case.
    async fn report_lost_captures(&self, services: &CaptureServices) {
        let count = self.lost_captures.load(Ordering::Relaxed);
        // The count is reduced only after the table has it, so an interruption keeps it.
        if count > 0 && Box::pin(services.ledger.add_lost_captures(count)).await.is_ok() {
            self.lost_captures.fetch_sub(count, Ordering::Relaxed);
        }
    }
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
        let limit = CaptureTime(Duration::from_millis(1));
        let (pending, message) = tokio::join!(
            limit.limit("UpdateItem", std::future::pending()),
            limit.limit("SendMessage", std::future::ready(Ok(()))),
        );
        assert_eq!(pending.as_ref().map_err(|error| error.kind), Err(ErrorKind::NoAnswer));
        let captured = Captured { pending, message };
        assert!(captured.survives());
        let metrics = metrics(&captured);
        assert_eq!((metrics.captured, metrics.failed), (1, 1));
    }
}
