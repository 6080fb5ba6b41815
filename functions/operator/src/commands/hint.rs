//! Makes apply process an account: stores a pending change with the evidence `hint`, and sends it.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::Side;

/// Stores the pending change of an account and sends its message.
pub(super) async fn send(resources: &BridgeResources, side: Side, sub: &Sub) -> anyhow::Result<()> {
    let change = ChangeEvent {
        side,
        sub: sub.clone(),
        at: resources.clock.now(),
        evidence: Evidence::Hint,
        password: false,
        administrator: false,
        claimed: false,
        id: resources.clock.nonce(),
    };
    let outbox = resources.queue.outbox();
    let captured = Box::pin(capture(&resources.ledger, &outbox, &change)).await;
    captured.pending.context("storing a pending change of the account")?;
    captured.message.context("sending the change")?;
    Ok(())
}
