//! The sweep: looks at everybody without reading anybody, and hands on who differs.
//!
//! Most changes of a person fire no trigger, and an event can be lost. So both pools are listed now
//! and then, in parts that can be listed again, and what the listings show is compared with what
//! the ledger says was agreed. A listing bills nobody; a read of an account does, so apply reads
//! only who differs. A listing is old, short, or wrong at times: nothing follows from it but a
//! look.
//!
//! - Who differs, joined a group, or is new is noticed as the page goes by ([`judge`]).
//! - Whose account or membership no page shows is known at the end of a pass, from a table of sums
//!   that is as large for a million people as for ten ([`difference`]).
//! - Factors are in no listing: what changes in them is noticed by other routes, or at the next
//!   look that something else causes.
//! - Somebody known on one side only who is deleted there leaves no trace in any listing; on the
//!   other side nothing of them is to be deleted.
//!
//! Not a page token is kept between two invocations, since those die after an hour: a part of a
//! pool that was not listed to its end is listed again ([`shard`], [`pass`]).

mod conclude;
mod counts;
pub mod difference;
pub mod flow;
pub mod judge;
pub mod pace;
mod parts;
pub mod pass;
pub mod ports;
pub mod shard;

pub use flow::{Settings, Sweep, Tick, Worked};
