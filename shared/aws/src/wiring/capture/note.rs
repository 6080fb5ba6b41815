//! Stores a pending change and sends a message: capture's own work.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use poolbridge_core::capture::Captured;
use poolbridge_core::change::Change;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::ports::{Clock, Ledger as _, Outbox as _};
use poolbridge_core::time::Time;
use tokio::time::timeout;

use super::{CaptureLine, Line};
use crate::telemetry::{self, CaptureFigures};
use crate::triggers::{Heading, Hints, captured_text};

impl CaptureLine {
    /// Stores and sends the change that an event announces, if there is one.
    pub(super) async fn leave(
        &self,
        line: &Line,
        heading: &Heading,
        event: &str,
        now: Time,
    ) -> CaptureFigures {
        let configuration = &line.configuration;
        let pools = configuration.pool_ids();
        let hints = Hints::from(&configuration.routes);
        let change = match captured_text(event, &pools, now, self.clock.nonce(), hints) {
            Ok(Some(change)) => change,
            Ok(None) => return CaptureFigures::default(),
            Err(refusal) => {
                telemetry::not_captured(refusal);
                let failed = u64::from(refusal.is_failure());
                return CaptureFigures { failed, ..CaptureFigures::default() };
            }
        };
        if heading.tokens && self.recent.knows(&change, now) {
            return CaptureFigures::default();
        }
        self.note(line, &change).await
    }

    /// Stores and sends at the same time. It counts a change for which both failed. A message
    /// without a pending change needs no count, because the queue's counters show it.
    async fn note(&self, line: &Line, change: &Change) -> CaptureFigures {
        let noted = self.clock.now();
        let (mark, message) = tokio::join!(
            answered("UpdateItem", limits::CAPTURE_TIME_MAX, Box::pin(line.ledger.mark(change))),
            answered("SendMessage", limits::CAPTURE_TIME_MAX, Box::pin(line.outbox.send(change))),
        );
        let captured = Captured { mark, message };
        if captured.mark.is_ok() {
            let left = limits::CAPTURE_TIME_MAX.saturating_sub(self.clock.now().since(noted));
            let _ = timeout(left, self.tell_unmarked(line)).await;
        } else if !captured.survives() {
            self.unmarked.fetch_add(1, Ordering::Relaxed);
        }
        if captured.survives() {
            self.recent.remember(change, noted);
        }
        telemetry::captured(change, &captured);
        figures(&captured)
    }

    /// Adds earlier failed captures to the table's count, best effort. If this fails, the next
    /// capture tries again, perhaps never. The alarm on failed captures fires in any case.
    async fn tell_unmarked(&self, line: &Line) {
        let count = self.unmarked.load(Ordering::Relaxed);
        // The count is reduced only after the table has it, so an interruption keeps it.
        if count > 0 && Box::pin(line.ledger.add_unmarked(count)).await.is_ok() {
            self.unmarked.fetch_sub(count, Ordering::Relaxed);
        }
    }
}

/// The result if it came in time. A call that did not answer failed, whatever the result of the
/// other.
async fn answered(
    operation: &'static str,
    patience: Duration,
    call: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    let answer = timeout(patience, call).await;
    answer.unwrap_or_else(|_| Err(Fault::new(FaultKind::NoAnswer, operation)))
}

fn figures(captured: &Captured) -> CaptureFigures {
    CaptureFigures {
        captured: u64::from(captured.survives()),
        failed: u64::from(captured.mark.is_err() || captured.message.is_err()),
        ..CaptureFigures::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_call_without_an_answer_has_failed() {
        let (mark, message) = tokio::join!(
            answered("UpdateItem", Duration::from_millis(1), std::future::pending()),
            answered("SendMessage", Duration::from_millis(1), std::future::ready(Ok(()))),
        );
        assert_eq!(mark.as_ref().map_err(|fault| fault.kind), Err(FaultKind::NoAnswer));
        let captured = Captured { mark, message };
        assert!(captured.survives());
        let figures = figures(&captured);
        assert_eq!((figures.captured, figures.failed), (1, 1));
    }
}
