//! What the function `apply` is made of. It starts whatever is wrong: with a broken configuration,
//! or with a pool or the key out of reach, every message goes back to the queue and nothing is
//! lost.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use poolbridge_core::time::Time;
use tokio::sync::OnceCell;

use super::{Ground, Wired, queue_client};
use crate::client::sdk_config;
use crate::clock::SystemClock;
use crate::config::{self, Asker, Configuration, Environment, Mistakes};
use crate::consume::{Bounds, consume, refuse};
use crate::sqs::{Received, SqsQueue};
use crate::telemetry::{self, Output, Telemetry};

/// The consumer, from the platform's point of view.
#[derive(Debug)]
pub struct ApplyLine {
    loaded: Result<(Configuration, Environment), Mistakes>,
    wired: OnceCell<Arc<Wired>>,
    telemetry: Telemetry,
}

impl ApplyLine {
    /// Reads configuration and environment; never fails.
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
        Self { loaded, wired: OnceCell::new(), telemetry }
    }

    /// Works off a batch. Answers the ids of the messages that must come back. `end`, by the
    /// machine's own clock, is when the platform ends the invocation.
    pub async fn batch(&self, deliveries: Vec<Received>, end: Time) -> Vec<String> {
        let wired = match &self.loaded {
            Ok(loaded) => self.wired.get_or_try_init(|| wire(loaded.clone())).await,
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
}

async fn wire(
    (configuration, environment): (Configuration, Environment),
) -> Result<Arc<Wired>, super::NotWired> {
    let ground = Box::pin(Ground::lay(configuration, environment)).await?;
    Box::pin(Wired::wire(ground)).await.map(Arc::new)
}

/// Sends every message back to the queue, with the little that is needed for that.
async fn send_back(deliveries: &[Received]) -> Vec<String> {
    let queue = queue_of_environment().await;
    refuse(deliveries, |delivery, after| {
        let (queue, receipt) = (queue.clone(), delivery.receipt.clone());
        async move {
            match queue {
                Some(queue) => queue.change_visibility(&receipt, after).await,
                None => Ok(()),
            }
        }
    })
    .await
}

/// The queue, if at least its address is known. Without it the messages come back when the queue's
/// own visibility time-out ends.
async fn queue_of_environment() -> Option<SqsQueue> {
    let url = std::env::var("POOLBRIDGE_QUEUE_URL").ok().filter(|url| !url.is_empty())?;
    let client: Client = queue_client(&sdk_config().await, &SystemClock::new());
    Some(SqsQueue::new(client, url))
}
