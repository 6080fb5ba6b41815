#![doc = include_str!("../README.md")]

mod variants;

pub mod time;
pub mod side;
pub mod names;
pub mod change;
pub mod account_event;
pub mod account;
pub mod profile;
pub mod fingerprint;
pub mod normalise;
pub mod mapping;
pub mod policy;
pub mod step;
pub mod tombstone;
pub mod breaker;
pub mod restore;
pub mod control;
pub mod record;
pub mod merge;
pub mod plan;
pub mod error;
pub mod outcome;
pub mod limits;
pub mod rules;
pub mod search;
pub mod ports;
pub mod reconcile;
pub mod capture;
pub mod acknowledge;
pub mod guard;
pub mod drain;
pub mod resend;

#[cfg(test)]
mod stored_names;
