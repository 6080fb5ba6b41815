//! Capture stores a pending change in the table and sends a message to the queue, both at once.
//!
//! Either is enough: `drain` and the sweep resend the pending change, and apply reads the message.
//! Only if both fail must the sweep find the change (invariant 2).

use std::future::Future;

use futures_util::future::join;

use crate::change::ChangeEvent;
use crate::error::PortError;
use crate::ports::{Ledger, Outbox};

/// The result for one captured change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The result of storing the pending change. A failure is counted, because `drained` must know
    /// about it (`DrainedMeansEmpty`).
    pub pending: Result<(), PortError>,
    /// The result of sending the message.
    pub message: Result<(), PortError>,
}

impl Captured {
    /// Whether the change will be found without the sweep.
    pub const fn survives(&self) -> bool {
        self.pending.is_ok() || self.message.is_ok()
    }
}

/// Limits how long one call may take. Core has no timer, and a person may be waiting.
pub trait TimeLimit: Sync {
    /// The answer of `call`, or a port error of `operation` if none came in time.
    fn limit(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<(), PortError>> + Send,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Waits as long as the calls take.
struct NoLimit;

impl TimeLimit for NoLimit {
    async fn limit(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<(), PortError>> + Send,
    ) -> Result<(), PortError> {
        call.await
    }
}

/// Stores the pending change and sends the message, at the same time, and waits as long as the two
/// calls take: no person waits.
pub async fn capture(ledger: &impl Ledger, outbox: &impl Outbox, change: &ChangeEvent) -> Captured {
    capture_within(ledger, outbox, &NoLimit, change).await
}

/// The same with a time limit for each call. A call that does not answer has failed, whatever the
/// result of the other.
pub async fn capture_within(
    ledger: &impl Ledger,
    outbox: &impl Outbox,
    limit: &impl TimeLimit,
    change: &ChangeEvent,
) -> Captured {
    let store = limit.limit("UpdateItem", ledger.store_pending(change));
    let send = limit.limit("SendMessage", outbox.send(change));
    let (pending, message) = join(store, send).await;
    Captured { pending, message }
}
