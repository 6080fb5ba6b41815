//! Connects the adapters: from the configuration and the environment to core's ports.

use std::sync::Arc;

use aws_config::SdkConfig;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::control::ConfigurationStamp;
use poolbridge_core::error::PortError;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::outcome::Reason;
use poolbridge_core::policy::{MatchBy, Policy};
use poolbridge_core::ports::{Clock, Ledger, Pool, Ports};
use poolbridge_core::reconcile::{Bridge, Report, Work};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use thiserror::Error;

use crate::client::{pool_client, sdk_config};
use crate::clock::SystemClock;
use crate::cognito::settings::Administration;
use crate::cognito::{CognitoPool, PoolLister, PoolOptions};
use crate::consume::MessageHandler;
use crate::dynamodb::DynamoLedger;
use crate::identity::{self, NotOurs};
use crate::secret::{Secret, SecretError};
use crate::sqs::{Delivery, QueueKind, SqsQueue};
use poolbridge_config::{Configuration, Environment};

/// Why the bridge cannot work yet.
#[derive(Debug, Error)]
pub enum StartupError {
    /// There is no key for fingerprints.
    #[error("reading the bridge's key")]
    Secret(#[from] SecretError),
    /// The invocation has too little time left.
    #[error("making the bridge ready took longer than the invocation has left")]
    OutOfTime,
    /// A pool's own settings could not be read, and case folding depends on them.
    #[error("reading the settings of the {side} pool: {error}")]
    PoolSchema {
        /// The pool.
        side: Side,
        /// The port error.
        error: PortError,
    },
}

impl StartupError {
    /// Logs why the component cannot work yet.
    pub fn log(&self) {
        let cause = std::error::Error::source(self).map(ToString::to_string);
        tracing::error!(cause, hint = self.hint(), "the bridge cannot start yet: {self}");
    }

    /// What an operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Secret(_) => "set POOLBRIDGE_KEY to the secret's ARN, and grant reading it",
            Self::OutOfTime => {
                "look for a service that does not answer; the next batch tries again"
            }
            Self::PoolSchema { error, .. } => Reason::PortError(error.kind).hint(),
        }
    }
}

/// The table, the queues and the clock, which every part of the bridge uses.
#[derive(Debug)]
pub struct BridgeResources {
    /// The settings of `bridge.toml`.
    pub configuration: Configuration,
    /// Names of deployed resources.
    pub environment: Environment,
    /// The clock.
    pub clock: Arc<SystemClock>,
    /// The state table, with the key that seals usernames.
    pub ledger: DynamoLedger,
    /// The queue of live changes.
    pub queue: SqsQueue,
    /// The bulk queue, if there is one.
    pub bulk: Option<SqsQueue>,
    /// The dead-letter queue, for messages that could not be processed.
    pub dead_letters: Option<SqsQueue>,
    /// `None` until the key is needed.
    keys: Option<Keyring>,
    sdk: SdkConfig,
}

impl BridgeResources {
    /// Creates the clients and fetches the key.
    pub async fn lay(
        configuration: Configuration,
        environment: Environment,
    ) -> Result<Self, StartupError> {
        Self::lay_without_key(configuration, environment).await.unlock().await
    }

    /// Checks that this process runs under one of the bridge's own roles, as a worker that closes
    /// passwords must. It makes no call if both pools are on this machine, because no trail watches
    /// them.
    ///
    /// # Errors
    ///
    /// If the role is another one, or if the check fails.
    pub async fn check_identity(&self) -> Result<(), NotOurs> {
        if identity::is_on_this_machine(&self.sdk, &self.configuration) {
            return Ok(());
        }
        let own_roles = &self.environment.own_roles;
        Box::pin(identity::check(&self.sdk, &self.clock, &self.configuration, own_roles)).await
    }

    /// Creates the clients and makes no call. Pending changes, counters, the control item and the
    /// journal need no key. Without it, person records are shown without usernames.
    pub async fn lay_without_key(configuration: Configuration, environment: Environment) -> Self {
        let clock = SystemClock::new();
        let sdk = sdk_config(&clock).await;
        let queues = queue_client(&sdk, &clock);
        Self {
            ledger: table(&sdk, &clock, &environment.table).without_usernames(),
            queue: SqsQueue::new(queues.clone(), environment.queue_url.clone()),
            bulk: environment
                .bulk_queue_url
                .clone()
                .map(|url| SqsQueue::new(queues.clone(), url).of_bulk()),
            dead_letters: environment.dead_letter_url.clone().map(|url| SqsQueue::new(queues, url)),
            keys: None,
            configuration,
            environment,
            clock,
            sdk,
        }
    }

    /// The administration of a side's pool, with the same access as its accounts. It makes no call.
    pub async fn administration(&self, side: Side) -> Administration {
        let settings = self.configuration.pools.get(side);
        let client = pool_client(&self.sdk, settings, &self.clock).await;
        Administration::new(client, settings.user_pool_id.clone())
    }

    /// The queue that a message came from, to return it there.
    pub fn line(&self, line: QueueKind) -> &SqsQueue {
        match (&self.bulk, line) {
            (Some(bulk), QueueKind::Bulk) => bulk,
            (_, QueueKind::Live | QueueKind::Bulk) => &self.queue,
        }
    }

    /// Fetches the key, unless it was fetched already.
    pub async fn unlock(mut self) -> Result<Self, StartupError> {
        if self.keys.is_none() {
            let source = self.environment.key.as_deref().ok_or(SecretError::NotSet)?;
            let secret = Secret::from_source(source, self.environment.local, &self.sdk).await?;
            self.ledger = self.ledger.with_sealer(secret.sealer());
            self.keys = Some(secret.keyring());
        }
        Ok(self)
    }
}

/// The state table of that name, without a key.
pub fn table(sdk: &SdkConfig, clock: &Arc<SystemClock>, name: &str) -> DynamoLedger {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk).interceptor(clock.reader());
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    DynamoLedger::new(client, name)
}

/// The client of the queues.
pub fn queue_client(sdk: &SdkConfig, clock: &Arc<SystemClock>) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(sdk).interceptor(clock.reader());
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// The real ports that `reconcile` needs.
#[derive(Debug)]
pub struct BridgePorts {
    /// The table, the queues and the clock.
    pub resources: BridgeResources,
    pools: BySide<Arc<CognitoPool>>,
    policy: Policy,
    keys: Keyring,
    stamp: ConfigurationStamp,
}

impl BridgePorts {
    /// Adds the pools and reads their own settings once. If one pool is not case-sensitive, the
    /// mapping must ignore case too, or apply would write to both pools in turn forever.
    pub async fn wire(resources: BridgeResources) -> Result<Self, StartupError> {
        let resources = resources.unlock().await?;
        let keys = resources.keys.clone().ok_or(SecretError::NotSet)?;
        let configuration = &resources.configuration;
        let pools = BySide {
            old: pool(&resources, Side::Old).await,
            new: pool(&resources, Side::New).await,
        };
        let mut fold = false;
        for side in Side::BOTH {
            let schema = pools.get(side).schema().await;
            let schema = schema.map_err(|error| StartupError::PoolSchema { side, error })?;
            fold |= !schema.case_sensitive;
        }
        let mut policy = configuration.policy.clone();
        policy.mapping = policy.mapping.folding(fold);
        let stamp = configuration.stamp(resources.clock.now());
        Ok(Self { resources, pools, policy, keys, stamp })
    }

    /// The pool of that side, for listings.
    pub fn lister(&self, side: Side) -> PoolLister {
        PoolLister(Arc::clone(self.pools.get(side)))
    }

    /// The bridge for one piece of work.
    pub const fn bridge(&self) -> Bridge<'_, Self> {
        Bridge { ports: self, policy: &self.policy, keys: &self.keys, configuration: &self.stamp }
    }
}

async fn pool(resources: &BridgeResources, side: Side) -> Arc<CognitoPool> {
    let settings = resources.configuration.pools.get(side);
    let client = pool_client(&resources.sdk, settings, &resources.clock).await;
    let policy = &resources.configuration.policy;
    let options = PoolOptions {
        groups: policy.groups,
        client_attributes: matches!(policy.match_by, MatchBy::OldSub(_)),
        schema_only: false,
    };
    Arc::new(CognitoPool::new(&client, settings, side, options, &resources.clock))
}

impl Ports for BridgePorts {
    type Pool = CognitoPool;
    type Ledger = DynamoLedger;
    type Clock = SystemClock;

    fn pool(&self, side: Side) -> &CognitoPool {
        self.pools.get(side)
    }

    fn ledger(&self) -> &DynamoLedger {
        &self.resources.ledger
    }

    fn clock(&self) -> &SystemClock {
        &self.resources.clock
    }
}

impl MessageHandler for BridgePorts {
    fn now(&self) -> Time {
        self.resources.clock.now()
    }

    fn throttled(&self) -> Option<Time> {
        let asked = |side| self.pool(side).throttled();
        Side::BOTH.into_iter().filter_map(asked).max()
    }

    async fn reconcile(&self, change: &ChangeEvent, work: &Work) -> Report {
        // The future contains every call's future. Boxed, it is not moved.
        Box::pin(self.bridge().reconcile(change, work)).await
    }

    async fn hide(&self, delivery: &Delivery, after: std::time::Duration) -> Result<(), PortError> {
        let queue = self.resources.line(delivery.line);
        queue.change_visibility(&delivery.receipt, after).await
    }

    async fn put_off(
        &self,
        change: &ChangeEvent,
        until: Time,
        reason: Reason,
    ) -> Result<bool, PortError> {
        let ledger = &self.resources.ledger;
        let Some(pending) = ledger.read_pending(change.side, &change.sub).await? else {
            return Ok(false);
        };
        if pending.is_newer_than(change) {
            // A newer event has a message of its own and must not wait because of this one.
            return Ok(true);
        }
        ledger.back_off(change.side, &change.sub, pending.token, until, reason).await
    }
}
