//! `worker`: the consumer as a plain process, for a container, a laptop or a test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgePorts;
use poolbridge_aws::consume::{TimeBudget, consume};
use poolbridge_aws::identity::NotOurs;
use poolbridge_aws::sqs::{Delivery, SqsQueue};
use poolbridge_core::error::PortError;
use poolbridge_telemetry::{Output, Telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::CommandResult;
use super::context::Context;
use crate::failure::Failure;
use crate::terminal;

/// How long one receive waits: the longest that SQS allows, so that an idle worker costs next to
/// nothing.
const WAIT: Duration = Duration::from_secs(20);

/// How long to wait after a receive that failed.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Messages in one batch: the most that SQS hands out.
const BATCH: usize = 10;

/// Works until it is told to stop; the batches at hand are finished first. Each queue has a loop of
/// its own, so that bulk work never delays what people do.
pub(crate) async fn run(context: Context) -> anyhow::Result<CommandResult> {
    let mut interrupted = signal(SignalKind::interrupt()).context("listening to signals")?;
    let mut terminated = signal(SignalKind::terminate()).context("listening to signals")?;
    let checked = Box::pin(context.resources.check_identity()).await;
    checked.map_err(|why| Failure::new(format!("the worker does not start: {why}"), hint(&why)))?;
    let ports = Arc::new(context.ports().await?);
    terminal::say("working; SIGINT or SIGTERM stop it after the batch at hand");
    let (stop, stopped) = watch::channel(false);
    let reported = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        // Both loops hold a receiver, so that somebody hears it.
        let _ = stop.send(true);
    };
    let bulk = async {
        if let Some(queue) = &ports.resources.bulk {
            serve(&ports, queue, stopped.clone()).await;
        }
    };
    tokio::join!(reported, serve(&ports, &ports.resources.queue, stopped.clone()), bulk);
    terminal::say("stopped");
    Ok(CommandResult::Done)
}

/// What to do about an identity under which no worker may run.
const fn hint(why: &NotOurs) -> &'static str {
    match why {
        NotOurs::OtherRole(_) | NotOurs::NoRole => {
            "take on a role that operator_roles in the deployed bridge.toml names, or the role of \
             apply with POOLBRIDGE_OWN_ROLES set: the trail takes a password that anybody else \
             closes for one that its person chose"
        }
        NotOurs::Unknown(_) => {
            "check AWS_REGION, credentials and the network: GetCallerIdentity needs no permission"
        }
    }
}

/// Works off one queue until it is told to stop.
async fn serve(ports: &Arc<BridgePorts>, queue: &SqsQueue, mut stopped: watch::Receiver<bool>) {
    let telemetry = Telemetry::new(ports.resources.configuration.name.clone(), Output::Terminal);
    while !*stopped.borrow() {
        let received = tokio::select! {
            received = queue.receive(BATCH, WAIT) => received,
            _ = stopped.changed() => return,
        };
        match received {
            Ok(deliveries) => work(ports, queue, &telemetry, deliveries).await,
            Err(error) => {
                warn("receiving", &error);
                tokio::select! {
                    () = tokio::time::sleep(AFTER_FAULT) => {}
                    _ = stopped.changed() => return,
                }
            }
        }
    }
}

/// Works off a batch, and takes away what is done with.
async fn work(
    ports: &Arc<BridgePorts>,
    queue: &SqsQueue,
    telemetry: &Telemetry,
    deliveries: Vec<Delivery>,
) {
    if deliveries.is_empty() {
        return;
    }
    let receipts: Vec<(String, String)> = deliveries
        .iter()
        .map(|delivery| (delivery.message_id.clone(), delivery.receipt.clone()))
        .collect();
    // A laptop can be closed between a check and what follows it, and opened an hour later
    // (`LeaseOutlastsProcess`).
    let budget = TimeBudget { end: None, suspendable: true };
    let failed = consume(ports, telemetry, deliveries, budget).await;
    let failed: BTreeSet<String> = failed.into_iter().collect();
    for (id, receipt) in receipts {
        if failed.contains(&id) {
            continue;
        }
        if let Err(error) = queue.delete(&receipt).await {
            // It comes back, and costs one look.
            warn("deleting a message", &error);
        }
    }
}

fn warn(doing: &str, error: &PortError) {
    terminal::say(&format!("warning: {doing}: {error}; it is tried again"));
}
