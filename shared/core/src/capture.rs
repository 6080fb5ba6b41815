//! What a trigger leaves behind: a mark in the table and a message in the queue, side by side.
//!
//! Either alone is enough for the change to be found: the mark is re-sent by `drain` and the sweep, the
//! message makes apply look. Only when both fail is it left to the sweep (invariant 2).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::change::Change;
use crate::fault::Fault;
use crate::ports::{Ledger, Outbox};

/// What became of one captured change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// What became of the mark. Its failure is counted: `drained` must know of it (R14).
    pub mark: Result<(), Fault>,
    /// What became of the message.
    pub message: Result<(), Fault>,
}

impl Captured {
    /// Whether the change will be found without the sweep.
    pub const fn survives(&self) -> bool {
        self.mark.is_ok() || self.message.is_ok()
    }
}

/// Marks the account and sends the change, at the same time.
pub async fn capture(ledger: &impl Ledger, outbox: &impl Outbox, change: &Change) -> Captured {
    let (mark, message) = together(ledger.mark(change), outbox.send(change)).await;
    Captured { mark, message }
}

/// Waits for both futures, polling each as it becomes ready. Core brings no runtime.
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
