//! The user pools' trigger. capture stores that an account may have changed and returns the event
//! unchanged. If a chained function is configured, capture returns that function's answer.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

mod chain;
mod guard;
mod handler;
mod lines;
mod recent;
mod record;
mod triggers;

pub use chain::FunctionError;
pub use handler::{CaptureHandler, Invocation};
