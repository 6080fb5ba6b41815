//! Capture stores a pending change in the table and sends a message to the queue, both at once.
//!
//! Either is enough: `drain` and the sweep resend the pending change, and apply reads the message.
//! Only if both fail must the sweep find the change (invariant 2).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

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

/// Stores the pending change and sends the message, at the same time.
pub async fn capture(ledger: &impl Ledger, outbox: &impl Outbox, change: &ChangeEvent) -> Captured {
    let (pending, message) = together(ledger.store_pending(change), outbox.send(change)).await;
    Captured { pending, message }
}

/// Waits for both futures and polls each until it is ready. Core has no runtime.
async fn together<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    poll_fn(move |context| {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = two.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
