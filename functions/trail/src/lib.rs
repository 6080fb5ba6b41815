//! Receives `CloudTrail` events from `EventBridge` and stores which accounts may have changed.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

mod decoder;
mod handler;
mod lines;

pub use handler::{NotRecorded, TrailHandler};
