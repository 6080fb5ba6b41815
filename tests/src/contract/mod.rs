//! The contract: what the protocol takes the outside to be like, asked of the fakes that simulate it
//! and of real services through the real adapters, in the very same words.
//!
//! ```text
//!                       +-> fakes.rs:    the simulated world's pools, table and queue
//!   one set of cases ---+
//!                       +-> services.rs: the adapters, before the services of the local stack
//! ```
//!
//! A fake with manners of its own would prove nothing. Where a program of the local stack is not like
//! AWS, the case says so by name: see [`difference`]. No case is left out anywhere in silence.

pub mod difference;
pub mod fakes;
pub mod ledger;
pub mod pool;
pub mod queue;
pub mod resend;
mod routes;
pub mod run;
pub mod services;

use std::future::Future;
use std::pin::Pin;

/// What a case comes to.
pub type Outcome = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// One case, to be run at a stand `S`: at anything that offers the port in question.
#[derive(Clone, Copy)]
pub struct Case<S> {
    /// What it shows.
    pub name: &'static str,
    /// Runs it. A broken promise panics; an error is a call that failed though it should not.
    pub run: fn(S) -> Outcome,
}

/// Cases by the names of their functions.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        vec![$($crate::contract::Case {
            name: stringify!($case),
            run: |stand| Box::pin($case(stand)),
        }),*]
    };
}
pub(crate) use cases;

/// What both kinds of stand agree upon when they are set up.
pub mod ground {
    /// The pool whose people sign up with their e-mail address.
    pub const BY_EMAIL: &str = "us-east-1_ByEmail01";
    /// The pool whose people choose a username.
    pub const PLAIN: &str = "us-east-1_ByName001";
    /// The groups that exist in both pools.
    pub const GROUPS: [&str; 2] = ["staff", "testers"];
    /// An attribute that can be changed.
    pub const MUTABLE: &str = "custom:dept";
    /// An attribute that can only be given at birth.
    pub const IMMUTABLE: &str = "custom:hired";
    /// How long the queue hides a message that was received, in seconds. Even, since half of it is asked
    /// for too and visibility is told in whole seconds; long, since a busy machine is late.
    pub const HIDDEN_SECONDS: u64 = 4;
}
