//! A pool's own settings, as raw JSON: read, changed in their triggers alone, and written back whole.
//!
//! `UpdateUserPool` sets every setting that a call leaves out to its default ("Updating user pool
//! and app client configuration" in the Amazon Cognito Developer Guide), and a typed client drops
//! settings that are newer than itself. So nothing here passes through a typed structure: what the
//! pool answered is what is sent, member by member as `member` has it, and a member that it does
//! not know is refused and not guessed at.
//!
//! Settings may hold texts and names that are the team's own. Errors, differences and `Debug` name
//! members only.

mod administration;
mod clearing;
mod member;
mod recovery;
mod refusal;
mod trigger;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value, json};
use thiserror::Error;

pub use administration::{Administration, NotRead, NotWritten, Written};
pub use member::Unsendable;
pub use recovery::Recovery;
pub use trigger::{Holder, same_function};

/// The settings of one pool, at one moment.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// `UserPool` of `DescribeUserPool`.
    pool: Map<String, Value>,
    /// `GetUserPoolMfaConfig`: never sent, but watched. `UpdateUserPool` shares a setting with it.
    factors: Map<String, Value>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Settings({} members)", self.pool.len())
    }
}

/// A dump is not what this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("reading a dump of a pool's settings: it is not one")]
pub struct NotADump;

impl Settings {
    /// The settings in the bodies of both answers; `None` if that is not what they are.
    fn of_answers(pool: &Value, factors: Value) -> Option<Self> {
        let pool = pool.get("UserPool")?.as_object()?.clone();
        let Value::Object(factors) = factors else { return None };
        Some(Self { pool, factors })
    }

    /// All of it as text, to be kept sealed.
    pub fn dump(&self) -> String {
        json!({ "UserPool": self.pool, "MfaConfig": self.factors }).to_string()
    }

    /// What [`Settings::dump`] wrote.
    pub fn of_dump(text: &str) -> Result<Self, NotADump> {
        let mut whole: Value = serde_json::from_str(text).map_err(|_| NotADump)?;
        let factors = whole.get_mut("MfaConfig").map(Value::take).ok_or(NotADump)?;
        Self::of_answers(&whole, factors).ok_or(NotADump)
    }
}
