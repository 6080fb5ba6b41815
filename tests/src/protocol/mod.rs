//! The protocol suite: small worlds, explored to the last state, over the real `reconcile`.
//!
//! The simulation draws worlds at random. This suite takes small ones and tries everything that can
//! happen in them, in every order: each worker's turn at each call to a service and before each
//! answer to a change, each delivery of a message, each edit of a person at any moment (or never),
//! the trigger's own two calls, and every fault that the world has a budget for:
//!
//! - a *crash*: a worker's future is dropped where it is; its request in flight is lost, lands at
//!   any moment within the landing time, or lands at the end of it;
//! - a *stale read*: an account, a list of groups or a listing as it was just before the last
//!   change, or as long ago as the bound allows;
//! - a *failing call*: throttled, lost, unanswered or late;
//! - a *refused write*: the pool rejects it for its content, alone or with others;
//! - a *lost message*, a *lost pending change*, a message that becomes *visible again* while a
//!   worker processes it;
//! - a *jump*: time runs on although a worker is active, to any of the moments at which something
//!   becomes possible (a lease expires, a message becomes visible, a read is certainly fresh). So a
//!   worker can be suspended and outlive its lease, or be killed during a write;
//! - a *switch*: announced at any moment, and made at any moment after the leases have expired.
//!
//! Each world's doc ([`worlds`]) and the output give its bounds. Every run ends as the simulation's
//! do: all faults stop, pending changes are sent again, a sweep follows, and the same checks run.
//! In every state the suite also asks whether all is drained (`DrainedMeansEmpty`). It assumes
//! that the queue's counters show an empty queue, because they lag.
//!
//! An edit that falls into one of the oracle's gaps ([`Gap`](crate::simulation::oracle::Gap)) is
//! excused, and nothing else is: both sides must agree on a value that a person set last, and every
//! other field and edit is checked as usual. The output says for each world how many ends have
//! which gap.
//!
//! # How it is done
//!
//! Futures cannot be cloned, so the search is stateless ([`explore()`]): each run replays a prefix
//! of choices from the beginning, takes the first option of everything after it, and ends at a
//! state that was seen before. A state's [`key`] holds everything that can still be read: time,
//! table, queue, pools with their past, requests in flight, the notes of the checks, and for each
//! running task all answers that it received, because they decide its next step. Numbers that must
//! be unique derive from the task that asks for them, not from the time, so that orders which lead
//! to the same state meet there. A test compares the pruned search with one without pruning.
//!
//! The search takes a turn that makes no difference at one moment only. Such turns are a capture's
//! end, and a turn in which a worker receives an answer that nothing can change any more (an
//! answer; the control item, where no task writes it), does not read the clock, and only prepares
//! its next request. The search sees afterwards that it was such a turn, and then skips the other
//! moves. A test compares the ends of the reduced search with those of the complete one, with all
//! rules and without.
//!
//! # What the bounds leave out
//!
//! - More than two workers, more than one person, more than four edits; more than the budgets
//!   allow.
//! - After a world's last reception, the rest is processed in one order.
//! - Time stands still while a task can move, except for jumps and for one millisecond with each
//!   edit and each write, which keeps their order. When no task can move, time goes to the next
//!   moment at which something is possible, not to others between.
//! - Where captures are *prompt*, pending change and message exist as soon as the edit is made.
//! - A stale read shows one of two moments, not every version between them.
//! - Where time runs on while a worker is active, other tasks get no turn at a read of the control
//!   item.
//! - Where two one-sided records meet, their ids have one order, not both. Only the worlds of
//!   [`phases`](worlds::phases) switch, begin with the new pool active, or hold conflicts.
//! - A pool's refusal does not depend on the value: what was refused once may be accepted later.
//! - `AbsenceTwice` (two observations prove an absence) is kept where another person takes a
//!   username, but nothing depends on it before deletions travel. `TombstoneFirst`,
//!   `TombstoneStays` and `DeletedNeverMatch` are about deletions; the simulation covers them.

pub mod explore;
pub mod initial_world;
pub mod key;
pub mod moves;
mod operator;
pub mod run;
pub mod small;
pub mod worlds;

pub use explore::explore;
