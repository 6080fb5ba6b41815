//! The weather: a simulated world for the real protocol, the local stack, and what the suites share.

pub mod stack;
pub mod deployment;
pub mod demo;
pub mod bench;
pub mod world;
pub mod simulation;
pub mod contract;
pub mod protocol;
pub mod multitude;
pub mod payloads;
