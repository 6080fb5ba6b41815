//! `worker`: apply as a plain process, for a container, a laptop or a test.

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

/// How long one receive waits: the maximum of SQS, so that an idle worker makes few calls.
const WAIT: Duration = Duration::from_secs(20);

/// How long to wait after a failed receive.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// Messages in one batch: the maximum of SQS.
const BATCH: usize = 10;

/// Processes messages until a signal stops it, and finishes the current batches first. Each queue
/// has its own loop, so that bulk work never delays live changes.
pub(crate) async fn run(context: Context) -> anyhow::Result<CommandResult> {
    let mut interrupted = signal(SignalKind::interrupt()).context("listening to signals")?;
    let mut terminated = signal(SignalKind::terminate()).context("listening to signals")?;
    let checked = Box::pin(context.resources.check_identity()).await;
    checked.map_err(|why| Failure::new(format!("the worker does not start: {why}"), hint(&why)))?;
    let ports = Arc::new(context.ports().await?);
    terminal::message("processing messages; SIGINT or SIGTERM stops it after the current batch");
    let (stop, stopped) = watch::channel(false);
    let signalled = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        // It fails only without a receiver, and both loops hold one.
        let _ = stop.send(true);
    };
    let bulk = async {
        if let Some(queue) = &ports.resources.bulk {
            serve(&ports, queue, stopped.clone()).await;
        }
    };
    tokio::join!(signalled, serve(&ports, &ports.resources.queue, stopped.clone()), bulk);
    terminal::message("stopped");
    Ok(CommandResult::Done)
}

/// The hint for an identity under which no worker may run.
const fn hint(why: &NotOurs) -> &'static str {
    match why {
        NotOurs::OtherRole(_) | NotOurs::NoRole => {
            "assume a role that operator_roles of the deployed bridge.toml names, or apply's role \
             with POOLBRIDGE_OWN_ROLES set: trail takes a password that another role closes for \
             one that the person chose"
        }
        NotOurs::Unknown(_) => {
            "check AWS_REGION, credentials and the network: GetCallerIdentity needs no permission"
        }
    }
}

/// Processes one queue until it is stopped.
async fn serve(ports: &Arc<BridgePorts>, queue: &SqsQueue, mut stopped: watch::Receiver<bool>) {
    let telemetry = Telemetry::new(ports.resources.configuration.name.clone(), Output::Terminal);
    while !*stopped.borrow() {
        let received = tokio::select! {
            received = queue.receive(BATCH, WAIT) => received,
            _ = stopped.changed() => return,
        };
        match received {
            Ok(deliveries) => process(ports, queue, &telemetry, deliveries).await,
            Err(error) => {
                warn("receiving", &error);
                tokio::select! {
                    () = tokio::time::sleep(AFTER_ERROR) => {}
                    _ = stopped.changed() => return,
                }
            }
        }
    }
}

/// Processes a batch, and deletes the processed messages.
async fn process(
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
    // A laptop can be suspended between a check and the next call, and resumed an hour later
    // (`LeaseOutlastsProcess`).
    let budget = TimeBudget { end: None, suspendable: true };
    let failed = consume(ports, telemetry, deliveries, budget).await;
    let failed: BTreeSet<String> = failed.into_iter().collect();
    for (id, receipt) in receipts {
        if failed.contains(&id) {
            continue;
        }
        if let Err(error) = queue.delete(&receipt).await {
            // The queue delivers it again, which costs one read.
            warn("deleting a message", &error);
        }
    }
}

fn warn(action: &str, error: &PortError) {
    terminal::message(&format!("warning: {action}: {error}; the worker tries again"));
}
