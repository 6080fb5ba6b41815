//! What the commands share: configuration, table, queues and the journal.

use std::collections::BTreeMap;

use anyhow::Context as _;
use poolbridge_aws::bridge::{BridgePorts, BridgeResources};
use poolbridge_aws::dynamodb::JournalEntry;
use poolbridge_config::{self as config, Component};
use poolbridge_core::limits;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::reconcile::Work;

use crate::render::drain::Queues;

/// The bridge's resources, without the key.
pub(crate) struct Context {
    pub(crate) resources: BridgeResources,
}

impl Context {
    /// Reads configuration and environment. Only [`Context::ports`] fetches the key, so commands
    /// that read no account work without access to the secret.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let (configuration, environment) = config::load(Component::Operator)?;
        let resources =
            Box::pin(BridgeResources::lay_without_key(configuration, environment)).await;
        Ok(Self { resources })
    }

    /// Adds the key and the pools, for the commands that read accounts.
    pub(crate) async fn ports(self) -> anyhow::Result<BridgePorts> {
        Ok(Box::pin(BridgePorts::wire(self.resources)).await?)
    }
}

/// Reads the counters of both queues.
pub(crate) async fn queues(resources: &BridgeResources) -> anyhow::Result<Queues> {
    let live = resources.queue.counts().await.context("reading the counters of the live queue")?;
    let bulk = match &resources.bulk {
        Some(bulk) => {
            let counts = bulk.counts().await;
            Some(counts.context("reading the counters of the bulk queue")?)
        }
        None => None,
    };
    Ok(Queues { live, bulk })
}

/// The time for one write of the state table under a lease.
pub(crate) fn work(ports: &BridgePorts) -> Work {
    let deadline = ports.resources.clock.now() + limits::PERSON_TIME_MAX;
    Work { deadline, invocation_end: deadline, suspendable: true }
}

/// Records a completed command in the journal. If that fails, it only warns, because the command
/// cannot be undone.
pub(crate) async fn journal(resources: &BridgeResources, what: &str, details: &[(&str, String)]) {
    let details: BTreeMap<String, String> =
        details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let entry = JournalEntry {
        at: resources.clock.now(),
        id: resources.clock.nonce(),
        who: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        what: what.to_owned(),
        details,
    };
    if let Err(error) =
        Box::pin(resources.ledger.journal(&entry)).await.context("writing the journal")
    {
        crate::terminal::message(&format!("warning: {error:#}"));
    }
}
