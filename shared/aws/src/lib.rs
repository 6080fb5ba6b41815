//! The adapters of poolbridge: the only shared crate that names an SDK, the clock or tokio.

pub mod error;
pub mod clock;
pub mod client;
pub mod cognito;
pub mod secret;
pub mod wire;
pub mod dynamodb;
pub mod sqs;
pub mod identity;
pub mod consume;
pub mod resend;
pub mod bridge;
#[cfg(any(test, feature = "loopback"))]
pub mod loopback;
