//! The function `apply`. It always starts. If the configuration is invalid, or a pool or the key
//! cannot be reached, every message goes back to the queue and nothing is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::time::Time;
use tokio::sync::OnceCell;

use super::{Ground, NotWired, Wired, queue_client, table};
use crate::client::sdk_config;
use crate::clock::SystemClock;
use crate::config::{self, Asker, Configuration, Environment, Mistakes};
use crate::consume::{Bounds, consume, mark_all, refuse};
use crate::resend::resend_due;
use crate::sqs::{Line, Received, SqsQueue};
use crate::telemetry::{self, MarkFigures, Output, Telemetry};

/// The longest time for storing the pending changes of a batch that cannot be processed.
const MARK_TIME_MAX: Duration = Duration::from_secs(3);

/// The part of an invocation that is kept free in case the bridge is not ready in time: to store
/// pending changes, delay messages (under a second) and answer.
const FALLBACK_TIME: Duration = Duration::from_secs(5);

/// The consumer as Lambda calls it.
#[derive(Debug)]
pub struct ApplyLine {
    loaded: Result<(Configuration, Environment), Mistakes>,
    wired: OnceCell<Arc<Wired>>,
    telemetry: Telemetry,
    bulk_queue_url: Option<String>,
}

impl ApplyLine {
    /// Reads the configuration and the environment; never fails.
    pub fn start() -> Self {
        telemetry::start(Output::Standard);
        let loaded = config::load(Asker::Apply);
        let name = match &loaded {
            Ok((configuration, _)) => configuration.name.clone(),
            Err(mistakes) => {
                telemetry::mistakes(mistakes);
                config::name_without_configuration(mistakes)
            }
        };
        let telemetry = Telemetry::new(name, Output::Standard);
        let bulk_queue_url = given("POOLBRIDGE_BULK_QUEUE_URL");
        Self { loaded, wired: OnceCell::new(), telemetry, bulk_queue_url }
    }

    /// The URL of the bulk queue, if there is one, to return its messages there.
    pub fn bulk_queue_url(&self) -> Option<&str> {
        self.bulk_queue_url.as_deref()
    }

    /// Processes a batch. Returns the ids of the messages that must come back. `end` is when the
    /// platform ends the invocation, by the machine's own clock.
    pub async fn batch(&self, deliveries: Vec<Received>, end: Time) -> Vec<String> {
        let wired = match &self.loaded {
            Ok(loaded) => {
                let clock = SystemClock::new();
                let patience = end.since(clock.now()).saturating_sub(FALLBACK_TIME);
                let wiring = self.wired.get_or_try_init(|| wire(loaded.clone()));
                let wired = tokio::time::timeout(patience, wiring).await;
                wired.unwrap_or(Err(NotWired::OutOfTime))
            }
            Err(mistakes) => {
                telemetry::mistakes(mistakes);
                return send_back(&deliveries).await;
            }
        };
        match wired {
            Ok(wired) => {
                let offset = wired.ground.clock.offset_milliseconds();
                let end = Time(end.0.saturating_add(offset));
                let bounds = Bounds { end: Some(end), suspendable: false };
                consume(wired, &self.telemetry, deliveries, bounds).await
            }
            Err(error) => {
                telemetry::not_wired(&error);
                send_back(&deliveries).await
            }
        }
    }

    /// Sends pending changes again that are due, on a schedule. It needs neither the key nor a
    /// pool.
    pub async fn resend(&self) {
        let (configuration, environment) = match &self.loaded {
            Ok(loaded) => loaded.clone(),
            Err(mistakes) => return telemetry::mistakes(mistakes),
        };
        let ground = Box::pin(Ground::lay_without_key(configuration, environment)).await;
        let outbox = ground.queue.outbox();
        let hash = ground.configuration.hash.as_str();
        match Box::pin(resend_due(&ground.ledger, &outbox, &*ground.clock, hash)).await {
            Ok(resent) => {
                telemetry::resent(&resent);
                let oldest = resent.oldest.unwrap_or_default();
                let figures = MarkFigures {
                    marks: resent.marks,
                    oldest,
                    undecided: resent.undecided,
                    other_configuration: u64::from(resent.other_configuration),
                };
                self.telemetry.marks(ground.clock.now(), figures);
            }
            Err(fault) => telemetry::not_resent(&fault),
        }
    }
}

async fn wire(
    (configuration, environment): (Configuration, Environment),
) -> Result<Arc<Wired>, NotWired> {
    let ground = Box::pin(Ground::lay(configuration, environment)).await?;
    Box::pin(Wired::wire(ground)).await.map(Arc::new)
}

/// Returns every message to the queue, with as few dependencies as possible. If the table is known,
/// it first stores a pending change for each message. A message with a pending change need not come
/// back forever.
async fn send_back(deliveries: &[Received]) -> Vec<String> {
    let clock = SystemClock::new();
    let sdk = sdk_config(&clock).await;
    let marked = match given("POOLBRIDGE_TABLE") {
        Some(name) => {
            let ledger = table(&sdk, &clock, &name);
            mark_all(deliveries, clock.now(), MARK_TIME_MAX, |change| {
                let ledger = ledger.clone();
                async move { ledger.mark(&change).await }
            })
            .await
        }
        None => BTreeSet::new(),
    };
    // Without the URL, the messages come back when the queue's own visibility time-out ends.
    let queues = ["POOLBRIDGE_QUEUE_URL", "POOLBRIDGE_BULK_QUEUE_URL"]
        .map(|variable| given(variable).map(|url| SqsQueue::new(queue_client(&sdk, &clock), url)));
    refuse(deliveries, &marked, |delivery, after| {
        let [live, bulk] = &queues;
        let queue = match delivery.line {
            Line::Live => live.clone(),
            Line::Bulk => bulk.clone(),
        };
        let receipt = delivery.receipt.clone();
        async move {
            match queue {
                Some(queue) => queue.change_visibility(&receipt, after).await,
                None => Ok(()),
            }
        }
    })
    .await
}

/// An environment variable that may be missing.
fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty())
}
