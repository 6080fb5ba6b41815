//! What the function `capture` is made of: inside people's sign-ups and sign-ins, so that it fails
//! open in every case, and within a time bound of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use poolbridge_core::capture::Captured;
use poolbridge_core::change::Change;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::ports::{Clock, Ledger as _, Outbox as _};
use poolbridge_core::time::Time;
use tokio::time::timeout;

use super::{queue_client, table};
use crate::client::sdk_config;
use crate::clock::SystemClock;
use crate::config::{self, Asker, Configuration, Mistakes};
use crate::dynamodb::DynamoLedger;
use crate::sqs::SqsOutbox;
use crate::telemetry::{self, CaptureFigures, Output, Telemetry};
use crate::triggers::captured_text;

/// How long one attempt may take: a warm call answers in milliseconds, and two of these with a
/// pause between them stay within [`limits::CAPTURE_TIME_MAX`].
const ATTEMPT_TIME_MAX: Duration = Duration::from_millis(800);

/// Somebody is waiting: one more try, no third.
const ATTEMPTS_MAX: u32 = 2;

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);

const _: () = assert!(
    ATTEMPT_TIME_MAX.as_millis() * ATTEMPTS_MAX as u128 + 2 * FIRST_BACK_OFF.as_millis()
        < limits::CAPTURE_TIME_MAX.as_millis()
);

/// The trigger, from the platform's point of view.
#[derive(Debug)]
pub struct CaptureLine {
    line: Result<Line, Mistakes>,
    clock: Arc<SystemClock>,
    telemetry: Telemetry,
    /// Captures whose mark and message failed, and that the table does not know of yet: "drained" must (R14).
    unmarked: AtomicU32,
}

#[derive(Debug)]
struct Line {
    configuration: Configuration,
    ledger: DynamoLedger,
    outbox: SqsOutbox,
}

impl CaptureLine {
    /// Reads configuration and environment and makes the clients; never fails and calls nobody.
    pub async fn start() -> Self {
        telemetry::start(Output::Standard);
        let clock = SystemClock::new();
        let (line, name) = match config::load(Asker::Capture) {
            Ok((configuration, environment)) => {
                let sdk = impatient(&sdk_config().await);
                let name = configuration.name.clone();
                let line = Line {
                    ledger: table(&sdk, &clock, &environment.table),
                    outbox: SqsOutbox::new(queue_client(&sdk, &clock), environment.queue_url),
                    configuration,
                };
                (Ok(line), name)
            }
            Err(mistakes) => {
                telemetry::mistakes(&mistakes);
                let name = config::name_without_configuration(&mistakes);
                (Err(mistakes), name)
            }
        };
        let telemetry = Telemetry::new(name, Output::Standard);
        Self { line, clock, telemetry, unmarked: AtomicU32::new(0) }
    }

    /// Captures what a trigger's event announces. Whatever goes wrong is logged and counted, and
    /// the person signs in all the same.
    pub async fn capture(&self, event: &str) {
        let began = self.clock.now();
        let mut figures = match &self.line {
            Ok(line) => self.leave(line, event, began).await,
            Err(mistakes) => {
                telemetry::mistakes(mistakes);
                CaptureFigures { failed: 1, ..CaptureFigures::default() }
            }
        };
        let now = self.clock.now();
        figures.duration = now.since(began);
        self.telemetry.capture(now, &figures);
    }

    async fn leave(&self, line: &Line, event: &str, now: Time) -> CaptureFigures {
        let configuration = &line.configuration;
        let pools = configuration.pool_ids();
        let hints = configuration.routes.post_authentication;
        let change = match captured_text(event, &pools, now, self.clock.nonce(), hints) {
            Ok(Some(change)) => change,
            Ok(None) => return CaptureFigures::default(),
            Err(refusal) => {
                telemetry::not_captured(refusal);
                let failed = u64::from(refusal.is_failure());
                return CaptureFigures { failed, ..CaptureFigures::default() };
            }
        };
        self.note(line, &change).await
    }

    /// Marks and sends at the same time, and remembers a change that was neither marked nor sent:
    /// the queue's own counters tell of a message without a mark.
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
        telemetry::captured(change, &captured);
        figures(&captured)
    }

    /// Tells the table of earlier captures that it does not know of. Best effort: what is not told
    /// now is told the next time, or never, and the alarm on failed captures has rung either way.
    async fn tell_unmarked(&self, line: &Line) {
        let count = self.unmarked.load(Ordering::Relaxed);
        // Taken off only when told: whatever cuts this short, the count stands.
        if count > 0 && Box::pin(line.ledger.add_unmarked(count)).await.is_ok() {
            self.unmarked.fetch_sub(count, Ordering::Relaxed);
        }
    }
}

/// What was answered in time. What was not has failed, whatever became of the other.
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

/// The same clients for somebody who is being waited for.
fn impatient(sdk: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(ATTEMPT_TIME_MAX)
        .operation_attempt_timeout(ATTEMPT_TIME_MAX)
        .operation_timeout(limits::CAPTURE_TIME_MAX)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(FIRST_BACK_OFF)
        .with_max_backoff(FIRST_BACK_OFF * 2);
    sdk.to_builder().timeout_config(timeouts).retry_config(retries).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_did_not_answer_has_failed() {
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
