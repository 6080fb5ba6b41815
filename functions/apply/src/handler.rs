//! The function `apply`. It always starts. If the configuration is invalid, or a pool or the key
//! cannot be reached, every message goes back to the queue and nothing is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::time::Time;
use tokio::sync::OnceCell;

use poolbridge_aws::bridge::{BridgePorts, BridgeResources, StartupError, queue_client, table};
use poolbridge_aws::client::sdk_config;
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::consume::{TimeBudget, consume, refuse, store_all_pending};
use poolbridge_aws::resend::resend_due;
use poolbridge_aws::sqs::{Delivery, QueueKind, SqsQueue};
use poolbridge_config::{self as config, Component, ConfigErrors, Configuration, Environment};
use poolbridge_telemetry::{self as telemetry, Output, PendingMetrics, Seconds, Telemetry};

use crate::lines;

/// The longest time for storing the pending changes of a batch that cannot be processed.
const MARK_TIME_MAX: Duration = Duration::from_secs(3);

/// The part of an invocation that is kept free in case the bridge is not ready in time: to store
/// pending changes, delay messages (under a second) and answer.
const FALLBACK_TIME: Duration = Duration::from_secs(5);

/// The consumer as Lambda calls it.
#[derive(Debug)]
pub(crate) struct ApplyHandler {
    loaded: Result<(Configuration, Environment), ConfigErrors>,
    ports: OnceCell<Arc<BridgePorts>>,
    telemetry: Telemetry,
    bulk_queue_url: Option<String>,
}

impl ApplyHandler {
    /// Reads the configuration and the environment; never fails.
    pub(crate) fn start() -> Self {
        telemetry::start(Output::Standard);
        let loaded = config::load(Component::Apply);
        let name = match &loaded {
            Ok((configuration, _)) => configuration.name.clone(),
            Err(config_errors) => {
                telemetry::config_errors(config_errors);
                config::name_without_configuration(config_errors)
            }
        };
        let telemetry = Telemetry::new(name, Output::Standard);
        let bulk_queue_url = given("POOLBRIDGE_BULK_QUEUE_URL");
        Self { loaded, ports: OnceCell::new(), telemetry, bulk_queue_url }
    }

    /// The URL of the bulk queue, if there is one, to return its messages there.
    pub(crate) fn bulk_queue_url(&self) -> Option<&str> {
        self.bulk_queue_url.as_deref()
    }

    /// Processes a batch. Returns the ids of the messages that must come back. `end` is when the
    /// platform ends the invocation, by the machine's own clock.
    pub(crate) async fn batch(&self, deliveries: Vec<Delivery>, end: Time) -> Vec<String> {
        let ports = match &self.loaded {
            Ok(loaded) => {
                let clock = SystemClock::new();
                let patience = end.since(clock.now()).saturating_sub(FALLBACK_TIME);
                let wiring = self.ports.get_or_try_init(|| wire(loaded.clone()));
                let ports = tokio::time::timeout(patience, wiring).await;
                ports.unwrap_or(Err(StartupError::OutOfTime))
            }
            Err(config_errors) => {
                telemetry::config_errors(config_errors);
                return send_back(&deliveries).await;
            }
        };
        match ports {
            Ok(ports) => {
                let offset = ports.resources.clock.offset_milliseconds();
                let end = Time(end.0.saturating_add(offset));
                let budget = TimeBudget { end: Some(end), suspendable: false };
                consume(ports, &self.telemetry, deliveries, budget).await
            }
            Err(error) => {
                error.log();
                send_back(&deliveries).await
            }
        }
    }

    /// Sends pending changes again that are due, on a schedule. It needs neither the key nor a
    /// pool.
    pub(crate) async fn resend(&self) {
        let (configuration, environment) = match &self.loaded {
            Ok(loaded) => loaded.clone(),
            Err(config_errors) => return telemetry::config_errors(config_errors),
        };
        let resources =
            Box::pin(BridgeResources::lay_without_key(configuration, environment)).await;
        let outbox = resources.queue.outbox();
        let hash = resources.configuration.hash.as_str();
        match Box::pin(resend_due(&resources.ledger, &outbox, &*resources.clock, hash)).await {
            Ok(resent) => {
                lines::resent(&resent);
                let oldest = Seconds(resent.oldest.unwrap_or_default());
                let metrics = PendingMetrics {
                    pending_changes: resent.pending_changes,
                    oldest,
                    undecided: resent.undecided,
                    other_configuration: u64::from(resent.other_configuration),
                };
                self.telemetry.publish(resources.clock.now(), &metrics);
            }
            Err(error) => lines::not_resent(&error),
        }
    }
}

async fn wire(
    (configuration, environment): (Configuration, Environment),
) -> Result<Arc<BridgePorts>, StartupError> {
    let resources = Box::pin(BridgeResources::lay(configuration, environment)).await?;
    Box::pin(BridgePorts::wire(resources)).await.map(Arc::new)
}

/// Returns every message to the queue, with as few dependencies as possible. If the table is known,
/// it first stores a pending change for each message. A message with a pending change need not come
/// back forever.
async fn send_back(deliveries: &[Delivery]) -> Vec<String> {
    let clock = SystemClock::new();
    let sdk = sdk_config(&clock).await;
    let has_pending = match given("POOLBRIDGE_TABLE") {
        Some(name) => {
            let ledger = table(&sdk, &clock, &name);
            store_all_pending(deliveries, clock.now(), MARK_TIME_MAX, |change| {
                let ledger = ledger.clone();
                async move { ledger.store_pending(&change).await }
            })
            .await
        }
        None => BTreeSet::new(),
    };
    // Without the URL, the messages come back when the queue's own visibility time-out ends.
    let queues = ["POOLBRIDGE_QUEUE_URL", "POOLBRIDGE_BULK_QUEUE_URL"]
        .map(|variable| given(variable).map(|url| SqsQueue::new(queue_client(&sdk, &clock), url)));
    refuse(deliveries, &has_pending, |delivery, after| {
        let [live, bulk] = &queues;
        let queue = match delivery.line {
            QueueKind::Live => live.clone(),
            QueueKind::Bulk => bulk.clone(),
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
