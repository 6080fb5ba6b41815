//! The adapters of poolbridge: the only crate that names an SDK, serde, the clock or the
//! environment.

pub mod error;
pub mod clock;
pub mod client;
pub mod cognito;
pub mod secret;
pub mod wire;
pub mod dynamodb;
pub mod sqs;
pub mod config;
pub mod telemetry;
pub mod chain;
pub mod guard;
pub mod triggers;
pub mod operations;
pub mod trail;
pub mod identity;
pub mod consume;
pub mod resend;
pub mod wiring;
