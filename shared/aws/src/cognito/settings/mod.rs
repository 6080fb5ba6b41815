//! A pool's own settings as raw JSON. poolbridge reads them, changes only the triggers, and writes
//! all of them back.
//!
//! `UpdateUserPool` sets every setting that a call leaves out to its default ("Updating user pool
//! and app client configuration" in the Amazon Cognito Developer Guide), and a typed client drops
//! settings that are newer than itself. So no setting passes through a typed structure. poolbridge
//! sends what the pool answered, member by member by the table in `member`. It refuses to write a
//! pool with an unknown member.
//!
//! Settings may hold the team's own texts and names. Errors, differences and `Debug` show member
//! names only.

mod administration;
mod clearing;
mod member;
mod neutral;
mod recovery;
mod refusal;
mod trigger;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value, json};
use thiserror::Error;

pub use administration::{Administration, NotRead, NotWritten, Written};
pub use member::UnsupportedSetting;
pub use recovery::Recovery;
pub use trigger::SlotOwner;

/// The settings of one pool at one moment.
#[derive(Clone, PartialEq)]
pub struct PoolSettings {
    /// `UserPool` of `DescribeUserPool`.
    pool: Map<String, Value>,
    /// `GetUserPoolMfaConfig`: compared, and normally not sent. `UpdateUserPool` shares a setting
    /// with it.
    factors: Map<String, Value>,
}

impl fmt::Debug for PoolSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Settings({} members)", self.pool.len())
    }
}

/// The text is not a settings backup that this program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("reading a dump of a pool's settings: it is not one")]
pub struct NotASettingsBackup;

impl PoolSettings {
    /// The settings in the bodies of both answers; `None` if the bodies have another form.
    fn of_answers(pool: &Value, factors: Value) -> Option<Self> {
        let pool = pool.get("UserPool")?.as_object()?.clone();
        let Value::Object(factors) = factors else { return None };
        Some(Self { pool, factors })
    }

    /// All settings as text, for a sealed backup.
    pub fn dump(&self) -> String {
        json!({ "UserPool": self.pool, "MfaConfig": self.factors }).to_string()
    }

    /// Reads the text that [`PoolSettings::dump`] wrote.
    pub fn of_backup(text: &str) -> Result<Self, NotASettingsBackup> {
        let mut whole: Value = serde_json::from_str(text).map_err(|_| NotASettingsBackup)?;
        let factors = whole.get_mut("MfaConfig").map(Value::take).ok_or(NotASettingsBackup)?;
        Self::of_answers(&whole, factors).ok_or(NotASettingsBackup)
    }
}
