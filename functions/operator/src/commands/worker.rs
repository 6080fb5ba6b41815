//! `worker`: the consumer as a plain process, for a container, a laptop or a test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::consume::{Bounds, consume};
use poolbridge_aws::sqs::Received;
use poolbridge_aws::telemetry::{Output, Telemetry};
use poolbridge_aws::wiring::Wired;
use poolbridge_core::fault::Fault;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Outcome;
use super::desk::Desk;
use crate::talk;

/// How long one receive waits: the longest that SQS allows, so that an idle worker costs next to
/// nothing.
const WAIT: Duration = Duration::from_secs(20);

/// How long to wait after a receive that failed.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Messages in one batch: the most that SQS hands out.
const BATCH: usize = 10;

/// Tells when to stop.
struct Stop {
    interrupted: Signal,
    terminated: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening to signals");
        Ok(Self {
            interrupted: listen(SignalKind::interrupt())?,
            terminated: listen(SignalKind::terminate())?,
        })
    }

    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

/// Works until it is told to stop; the batch at hand is finished first.
pub(crate) async fn run(desk: Desk) -> anyhow::Result<Outcome> {
    let mut stop = Stop::listen()?;
    let wired = Arc::new(desk.wired().await?);
    let telemetry = Telemetry::new(wired.ground.configuration.name.clone(), Output::Talk);
    talk::say("working; SIGINT or SIGTERM stop it after the batch at hand");
    loop {
        let received = tokio::select! {
            received = wired.ground.queue.receive(BATCH, WAIT) => received,
            () = stop.wanted() => break,
        };
        match received {
            Ok(deliveries) => work(&wired, &telemetry, deliveries).await,
            Err(fault) => {
                warn("receiving", &fault);
                tokio::select! {
                    () = tokio::time::sleep(AFTER_FAULT) => {}
                    () = stop.wanted() => break,
                }
            }
        }
    }
    talk::say("stopped");
    Ok(Outcome::Done)
}

/// Works off a batch, and takes away what is done with.
async fn work(wired: &Arc<Wired>, telemetry: &Telemetry, deliveries: Vec<Received>) {
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
        if let Err(fault) = wired.ground.queue.delete(&receipt).await {
            // It comes back, and costs one look.
            warn("deleting a message", &fault);
        }
    }
}

fn warn(doing: &str, fault: &Fault) {
    talk::say(&format!("warning: {doing}: {fault}; it is tried again"));
}
