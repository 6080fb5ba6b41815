//! `worker`: the consumer as a plain process, for a container, a laptop or a test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::consume::{Bounds, consume};
use poolbridge_aws::identity::NotOurs;
use poolbridge_aws::sqs::{Received, SqsQueue};
use poolbridge_aws::telemetry::{Output, Telemetry};
use poolbridge_aws::wiring::Wired;
use poolbridge_core::fault::Fault;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Outcome;
use super::desk::Desk;
use crate::failure::Failure;
use crate::talk;

/// How long one receive waits: the longest that SQS allows, so that an idle worker costs next to
/// nothing.
const WAIT: Duration = Duration::from_secs(20);

/// How long to wait after a receive that failed.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Messages in one batch: the most that SQS hands out.
const BATCH: usize = 10;

/// Works until it is told to stop; the batches at hand are finished first. Each queue has a loop of
/// its own, so that bulk work never delays what people do.
pub(crate) async fn run(desk: Desk) -> anyhow::Result<Outcome> {
    let mut interrupted = signal(SignalKind::interrupt()).context("listening to signals")?;
    let mut terminated = signal(SignalKind::terminate()).context("listening to signals")?;
    let checked = Box::pin(desk.ground.check_identity()).await;
    checked.map_err(|why| Failure::new(format!("the worker does not start: {why}"), hint(&why)))?;
    let wired = Arc::new(desk.wired().await?);
    talk::say("working; SIGINT or SIGTERM stop it after the batch at hand");
    let (stop, stopped) = watch::channel(false);
    let told = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        // Both loops hold a receiver, so that somebody hears it.
        let _ = stop.send(true);
    };
    let bulk = async {
        if let Some(queue) = &wired.ground.bulk {
            serve(&wired, queue, stopped.clone()).await;
        }
    };
    tokio::join!(told, serve(&wired, &wired.ground.queue, stopped.clone()), bulk);
    talk::say("stopped");
    Ok(Outcome::Done)
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
async fn serve(wired: &Arc<Wired>, queue: &SqsQueue, mut stopped: watch::Receiver<bool>) {
    let telemetry = Telemetry::new(wired.ground.configuration.name.clone(), Output::Talk);
    while !*stopped.borrow() {
        let received = tokio::select! {
            received = queue.receive(BATCH, WAIT) => received,
            _ = stopped.changed() => return,
        };
        match received {
            Ok(deliveries) => work(wired, queue, &telemetry, deliveries).await,
            Err(fault) => {
                warn("receiving", &fault);
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
    wired: &Arc<Wired>,
    queue: &SqsQueue,
    telemetry: &Telemetry,
    deliveries: Vec<Received>,
) {
    if deliveries.is_empty() {
        return;
    }
    let receipts: Vec<(String, String)> = deliveries
        .iter()
        .map(|delivery| (delivery.message_id.clone(), delivery.receipt.clone()))
        .collect();
    // A laptop can be closed between a check and what follows it, and opened an hour later (R7).
    let bounds = Bounds { end: None, suspendable: true };
    let failed = consume(wired, telemetry, deliveries, bounds).await;
    let failed: BTreeSet<String> = failed.into_iter().collect();
    for (id, receipt) in receipts {
        if failed.contains(&id) {
            continue;
        }
        if let Err(fault) = queue.delete(&receipt).await {
            // It comes back, and costs one look.
            warn("deleting a message", &fault);
        }
    }
}

fn warn(doing: &str, fault: &Fault) {
    talk::say(&format!("warning: {doing}: {fault}; it is tried again"));
}
