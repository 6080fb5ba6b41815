//! Pools of a million people. Each account is generated as it is listed and stored nowhere, so all
//! memory that a sweep uses is its own.

pub mod outside;
pub mod people;
pub mod run;

pub use outside::{Lie, Multitude};
pub use people::{Deed, People};
pub use run::{Run, run};
