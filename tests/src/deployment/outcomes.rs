//! What `apply` did, read from its log: one wide line per message.

use serde_json::Value;

use super::{APPLY, Deployment};

/// One processed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMessage {
    /// The `sub` of the account.
    pub sub: String,
    /// `applied`, `unchanged`, `retry`, `held` or `rejected`.
    pub outcome: String,
    /// The reason, where the outcome is not a plain success.
    pub reason: String,
    /// Writes to a pool.
    pub pool_writes: u64,
}

impl Deployment {
    /// The log lines of `apply` about the changes of one account, oldest first.
    pub async fn handled(&self, sub: &str) -> anyhow::Result<Vec<LoggedMessage>> {
        let log = self.services.log(APPLY).await?;
        Ok(log.iter().filter_map(|line| handled(line)).filter(|it| it.sub == sub).collect())
    }
}

fn handled(line: &str) -> Option<LoggedMessage> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    Some(LoggedMessage {
        sub: text("change.sub")?,
        outcome: text("outcome")?,
        reason: text("reason").unwrap_or_default(),
        pool_writes: line["pool_writes"].as_u64()?,
    })
}
