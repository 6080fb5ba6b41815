//! A multitude: pools of a million people who are made up as they are listed and kept nowhere, so
//! that what a sweep holds in memory is the sweep's own.

pub mod outside;
pub mod people;
pub mod run;

pub use outside::{Lie, Multitude};
pub use people::{Deed, People};
pub use run::{Run, run};
