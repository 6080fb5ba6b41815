//! The sweep: compares every person without reading any account, and sends those who differ to
//! apply.
//!
//! Most changes of an account fire no trigger, and an event can be lost. So the sweep lists both
//! pools periodically, in partitions that can be listed again. It compares the listings with the
//! baselines in the ledger. A listing bills no person; a read of an account does, so apply reads
//! only the accounts that differ. A listing is sometimes stale, short, or wrong. So nothing follows
//! from it except a hint to apply.
//!
//! - A person who differs, joined a group, or is new is found while the page is read ([`compare`]).
//! - A missing account or membership is known at the end of a pass, from a table of sums that is as
//!   large for a million people as for ten ([`difference`]).
//! - No listing shows second factors. Other detection routes notice their changes, or the next
//!   observation that has another cause.
//! - If a person with an account in one pool only is deleted there, no listing shows it. The other
//!   pool has no account of that person to delete.
//!
//! The sweep keeps no page token between two invocations, because a token expires after an hour. A
//! partition that was not listed to its end is listed again ([`shard`], [`pass`]).

pub mod compare;
mod conclude;
mod counts;
pub mod difference;
pub mod flow;
mod gate;
pub mod pace;
mod partition;
pub mod pass;
pub mod ports;
pub mod shard;
mod sweep;

pub use flow::{Tick, Worked};
pub use sweep::{Sweep, SweepSettings};
