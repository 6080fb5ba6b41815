//! The protocol suite: small worlds, explored to the last state, over the real `converge`.
pub mod explore;
pub mod key;
pub mod small;

pub mod worlds;
