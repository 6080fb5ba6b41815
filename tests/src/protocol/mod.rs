//! The protocol suite: small worlds, explored to the last state, over the real `converge`.
//!
//! Where the simulation draws worlds at random, this takes small ones and tries everything that can
//! happen in them, in every order: each worker's turn at each call to the outside, each delivery of
//! a message, each deed of a person at any moment (or never), the trigger's own two calls, and
//! every trouble that the world has a budget for:
//!
//! - a *crash*: a worker's future is dropped where it stands; its request in flight is lost, lands
//!   at any moment within the landing time, or lands at the end of it;
//! - a *stale read*: an account, a list of groups or a listing as it was just before the last
//!   change, or as long ago as the bound allows;
//! - a *failing call*: throttled, lost, unanswered or late;
//! - a *lost message*, a *lost mark*, a message that *comes again* while it is worked at;
//! - a *jump*: time runs on although somebody is at work, to any of the moments at which something
//!   becomes possible (a lease runs out, a message shows again, a read is fresh for certain). That
//!   is how a worker is suspended and outlives its lease.
//!
//! Each world's bounds stand in its doc ([`worlds`]) and in the output. Every run ends as the
//! simulation's do: the weather clears up, marks are sent again, a sweep follows, and the same
//! checks judge. In every state it is asked besides whether all is drained (R14), with the queue's
//! counters taken to say that it is empty, since they lag.
//!
//! # How it is done
//!
//! Futures cannot be cloned, so the search is stateless ([`explore()`]): each run replays a prefix
//! of choices from the beginning, takes the first option of everything after it, and ends at a
//! state that was seen before. A state's [`key`] holds all that could still be asked for: time,
//! table, queue, pools with their past, requests in flight, what the checks noted, and for each
//! running task all that it was told since it began, which is what its next step follows from.
//! Numbers that must be unique are made from who asks for them, not from when, so that orders which
//! lead to the same state meet there. A test holds the pruned search against one without pruning.
//!
//! # What the bounds leave out
//!
//! - More than two workers, more than one person, more than three deeds; more than the budgets say.
//! - After so many receptions as a world allows, what is left is worked off in one order.
//! - Time stands still while somebody can move, but for jumps and for one millisecond with each
//!   deed and each write, which keeps their order. When nobody can move it goes to the next moment
//!   at which something is possible, not to others between.
//! - Where captures are *prompt*, mark and message are there as soon as the deed is done.
//! - In most worlds others get a turn before each call, not between a deed and its answer. A crash
//!   there is the same as one before the next call; what time it is there is not.
//! - A stale read shows one of two moments, not every version between them.
//! - The control item does not change, so reading it is no occasion for others to take a turn.
//! - The phase is always `follow`, conflicts go to the active side, and where two halves meet their
//!   ids have one order, not both.
//! - Edits that fall into one of the oracle's gaps are counted with the ends, as in the simulation.
//! - Of the rules, R9 and R12 need more than these worlds have; R21 and the switch are not in them.
//!   The simulation has worlds for those.

pub mod explore;
pub mod key;
pub mod moves;
pub mod run;
pub mod small;
pub mod worlds;

pub use explore::explore;
