//! The contract: what the protocol expects of the services. The same cases run on the fakes that
//! simulate them and on real services through the real adapters.
//!
//! ```text
//!                       +-> fakes.rs:    the simulated world's pools, table and queue
//!   one set of cases ---+
//!                       +-> services.rs: the adapters, before the services of the local stack
//! ```
//!
//! A fake that behaves differently would prove nothing. Where a program of the local stack differs
//! from AWS, the case names the difference: see [`difference`]. No case is skipped silently.

pub mod difference;
pub mod fakes;
pub mod ledger;
mod local_stack;
pub mod pool;
pub mod queue;
pub mod resend;
mod routes;
pub mod run;
pub mod services;

use std::future::Future;
use std::pin::Pin;

/// The result of a case.
pub type CaseResult = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// One case. It runs on a fixture `S`: anything that offers the port in question.
#[derive(Clone, Copy)]
pub struct Case<S> {
    /// What it shows.
    pub name: &'static str,
    /// Runs it. A broken promise panics. An error is a call that failed although it should not.
    pub run: fn(S) -> CaseResult,
}

/// Cases by the names of their functions.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        vec![$($crate::contract::Case {
            name: stringify!($case),
            run: |fixture| Box::pin($case(fixture)),
        }),*]
    };
}
pub(crate) use cases;

/// What both kinds of fixture have in common.
pub mod resources {
    /// The pool in which people sign up with their e-mail address.
    pub const BY_EMAIL: &str = "us-east-1_ByEmail01";
    /// The pool in which people choose a username.
    pub const PLAIN: &str = "us-east-1_ByName001";
    /// The groups that exist in both pools.
    pub const GROUPS: [&str; 2] = ["staff", "testers"];
    /// An attribute that can be changed.
    pub const MUTABLE: &str = "custom:dept";
    /// An attribute that can only be set at creation.
    pub const IMMUTABLE: &str = "custom:hired";
    /// How long the queue hides a received message, in seconds. Even, because cases also ask for
    /// half of it and visibility is in whole seconds. Long, because a busy machine is late.
    pub const HIDDEN_SECONDS: u64 = 4;
}
