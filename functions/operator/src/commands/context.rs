//! What every command works with: configuration, table and queues.

use std::collections::BTreeMap;

use anyhow::Context as _;
use poolbridge_aws::bridge::{BridgePorts, BridgeResources};
use poolbridge_aws::dynamodb::JournalEntry;
use poolbridge_config::{self as config, Component};
use poolbridge_core::ports::Clock as _;

/// The ground, and what is done with all of it.
pub(crate) struct Context {
    pub(crate) resources: BridgeResources,
}

impl Context {
    /// Reads configuration and environment. The key is fetched by [`Context::ports`] alone: a
    /// bridge can be looked at and steered while its secret is out of reach.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let (configuration, environment) = config::load(Component::Operator)?;
        let resources =
            Box::pin(BridgeResources::lay_without_key(configuration, environment)).await;
        Ok(Self { resources })
    }

    /// Adds the key and the pools, for the commands that look at accounts.
    pub(crate) async fn ports(self) -> anyhow::Result<BridgePorts> {
        Ok(Box::pin(BridgePorts::wire(self.resources)).await?)
    }
}

/// Notes in the journal what was done. It was done whether or not that can be noted.
pub(crate) async fn note(resources: &BridgeResources, what: &str, details: &[(&str, String)]) {
    let details: BTreeMap<String, String> =
        details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let record = JournalEntry {
        at: resources.clock.now(),
        id: resources.clock.nonce(),
        who: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        what: what.to_owned(),
        details,
    };
    if let Err(error) =
        Box::pin(resources.ledger.journal(&record)).await.context("writing the journal")
    {
        crate::terminal::say(&format!("warning: {error:#}"));
    }
}
