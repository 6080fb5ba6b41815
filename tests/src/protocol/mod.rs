//! The protocol suite: small worlds, explored to the last state, over the real `converge`.
//!
//! Where the simulation draws worlds at random, this takes small ones and tries everything that can
//! happen in them, in every order: each worker's turn at each call to the outside and before each
//! answer to a change, each delivery of a message, each deed of a person at any moment (or never),
//! the trigger's own two calls, and every trouble that the world has a budget for:
//!
//! - a *crash*: a worker's future is dropped where it stands; its request in flight is lost, lands
//!   at any moment within the landing time, or lands at the end of it;
//! - a *stale read*: an account, a list of groups or a listing as it was just before the last
//!   change, or as long ago as the bound allows;
//! - a *failing call*: throttled, lost, unanswered or late;
//! - a *refused write*: the pool does not take it for what it says, alone or with others;
//! - a *lost message*, a *lost mark*, a message that *comes again* while it is worked at;
//! - a *jump*: time runs on although somebody is at work, to any of the moments at which something
//!   becomes possible (a lease runs out, a message shows again, a read is fresh for certain). That
//!   is how a worker is suspended and outlives its lease, or is killed with a write in hand;
//! - a *switch*: announced at any moment, and done at any moment after the leases have run out.
//!
//! Each world's bounds stand in its doc ([`worlds`]) and in the output. Every run ends as the
//! simulation's do: the weather clears up, marks are sent again, a sweep follows, and the same
//! checks judge. In every state it is asked besides whether all is drained (R14), with the queue's
//! counters taken to say that it is empty, since they lag.
//!
//! An edit that falls into one of the oracle's gaps ([`Gap`](crate::simulation::oracle::Gap)) is
//! excused, and nothing else is: both sides must agree, on something that was somebody's last word,
//! and every other field and edit is judged as ever. The output says for each world how many ends
//! have which gap.
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
//! A turn that makes no difference is taken at one moment only: a capture's end, and a worker's turn
//! in which it is told what nobody can change any more (an answer; the control item, where nobody
//! writes it), does not look at the clock, and does nothing but get its next request ready. Whether
//! it was such a turn shows when it was taken, and then the other moves beside it are not tried. A
//! test holds the ends of the reduced search against those of the whole one, with the law and
//! without.
//!
//! # What the bounds leave out
//!
//! - More than two workers, more than one person, more than four deeds; more than the budgets say.
//! - After so many receptions as a world allows, what is left is worked off in one order.
//! - Time stands still while somebody can move, but for jumps and for one millisecond with each
//!   deed and each write, which keeps their order. When nobody can move it goes to the next moment
//!   at which something is possible, not to others between.
//! - Where captures are *prompt*, mark and message are there as soon as the deed is done.
//! - A stale read shows one of two moments, not every version between them.
//! - Where time runs on while somebody is at work, reading the control item is no occasion for
//!   others to take a turn.
//! - Where two halves meet their ids have one order, not both. Only the worlds of
//!   [`phases`](worlds::phases) switch, begin with the new pool active, or hold conflicts.
//! - A pool's refusal is not a property of the value: what was refused once may be taken later.
//! - R22 (two looks prove an absence) is kept where a stranger takes a name, but nothing hangs on it
//!   before deletions travel. R23, R24 and R26 are about those, and are left to the simulation.

pub mod explore;
pub mod key;
pub mod moves;
mod operator;
pub mod run;
pub mod small;
pub mod worlds;

pub use explore::explore;
