//! What every command works with: configuration, table and queues.

use std::collections::BTreeMap;

use anyhow::Context as _;
use poolbridge_aws::config::{self, Asker};
use poolbridge_aws::dynamodb::JournalEntry;
use poolbridge_aws::wiring::{Ground, Wired};
use poolbridge_core::ports::Clock as _;

/// The ground, and what is done with all of it.
pub(crate) struct Desk {
    pub(crate) ground: Ground,
}

impl Desk {
    /// Reads configuration and environment. The key is fetched by [`Desk::wired`] alone: a bridge
    /// can be looked at and steered while its secret is out of reach.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let (configuration, environment) = config::load(Asker::Operator)?;
        let ground = Box::pin(Ground::lay_without_key(configuration, environment)).await;
        Ok(Self { ground })
    }

    /// Adds the key and the pools, for the commands that look at accounts.
    pub(crate) async fn wired(self) -> anyhow::Result<Wired> {
        Ok(Box::pin(Wired::wire(self.ground)).await?)
    }
}

/// Notes in the journal what was done. It was done whether or not that can be noted.
pub(crate) async fn note(ground: &Ground, what: &str, details: &[(&str, String)]) {
    let details: BTreeMap<String, String> =
        details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let entry = JournalEntry {
        at: ground.clock.now(),
        id: ground.clock.nonce(),
        who: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        what: what.to_owned(),
        details,
    };
    if let Err(fault) = Box::pin(ground.ledger.journal(&entry)).await.context("writing the journal")
    {
        crate::talk::say(&format!("warning: {fault:#}"));
    }
}
