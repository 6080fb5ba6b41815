//! Connects the adapters: from the configuration and the environment to core's ports.

mod apply;
mod capture;
mod settings;
mod sweep;
mod trail;

use std::sync::Arc;

use aws_config::SdkConfig;
use poolbridge_core::change::Change;
use poolbridge_core::converge::{Bridge, Report, Work};
use poolbridge_core::fault::Fault;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::policy::{ConfigurationStamp, MatchBy, Policy};
use poolbridge_core::ports::{Clock, Ledger, Pool, Ports};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;
use thiserror::Error;

use crate::client::{pool_client, sdk_config};
use crate::clock::SystemClock;
use crate::cognito::tally::Tally;
use crate::cognito::{CognitoPool, PoolOptions, PoolRoster};
use crate::config::{Configuration, Environment};
use crate::consume::Hands;
use crate::dynamodb::DynamoLedger;
use crate::identity::{self, NotOurs};
use crate::secret::{Secret, SecretError};
use crate::sqs::{Line, Received, SqsQueue};

pub use apply::ApplyLine;
pub use capture::{CaptureLine, Invocation};
pub use sweep::SweepLine;
pub use trail::TrailLine;

/// Why the bridge cannot work yet.
#[derive(Debug, Error)]
pub enum NotWired {
    /// There is no key for fingerprints.
    #[error("reading the bridge's key")]
    Secret(#[from] SecretError),
    /// The invocation has too little time left.
    #[error("making the bridge ready took longer than the invocation has left")]
    OutOfTime,
    /// A pool's own settings could not be read, and case folding depends on them.
    #[error("reading the settings of the {side} pool: {fault}")]
    Shape {
        /// The pool.
        side: Side,
        /// The port error.
        fault: Fault,
    },
}

impl NotWired {
    /// What an operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Secret(_) => "set POOLBRIDGE_KEY to the secret's ARN, and grant reading it",
            Self::OutOfTime => {
                "look for a service that does not answer; the next batch tries again"
            }
            Self::Shape { fault, .. } => Reason::Outside(fault.kind).hint(),
        }
    }
}

/// The table, the queues and the clock, which every part of the bridge uses.
#[derive(Debug)]
pub struct Ground {
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
    /// How many times each pool was called, for the benchmark.
    pub calls: Arc<Tally>,
    /// `None` until the key is needed.
    keys: Option<Keyring>,
    sdk: SdkConfig,
}

impl Ground {
    /// Creates the clients and fetches the key.
    pub async fn lay(
        configuration: Configuration,
        environment: Environment,
    ) -> Result<Self, NotWired> {
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
            calls: Arc::default(),
            keys: None,
            configuration,
            environment,
            clock,
            sdk,
        }
    }

    /// The queue that a message came from, to return it there.
    pub fn line(&self, line: Line) -> &SqsQueue {
        match (&self.bulk, line) {
            (Some(bulk), Line::Bulk) => bulk,
            (_, Line::Live | Line::Bulk) => &self.queue,
        }
    }

    /// Fetches the key, unless it was fetched already.
    pub async fn unlock(mut self) -> Result<Self, NotWired> {
        if self.keys.is_none() {
            let source = self.environment.key.as_deref().ok_or(SecretError::NotSet)?;
            let secret = Secret::from_source(source, self.environment.local, &self.sdk).await?;
            self.ledger = self.ledger.with_sealer(secret.sealer());
            self.keys = Some(secret.keyring());
        }
        Ok(self)
    }
}

fn table(sdk: &SdkConfig, clock: &Arc<SystemClock>, name: &str) -> DynamoLedger {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk).interceptor(clock.reader());
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    DynamoLedger::new(client, name)
}

fn queue_client(sdk: &SdkConfig, clock: &Arc<SystemClock>) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(sdk).interceptor(clock.reader());
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// The real ports that `converge` needs.
#[derive(Debug)]
pub struct Wired {
    /// The table, the queues and the clock.
    pub ground: Ground,
    pools: BySide<Arc<CognitoPool>>,
    policy: Policy,
    keys: Keyring,
    stamp: ConfigurationStamp,
}

impl Wired {
    /// Adds the pools and reads their own settings once. If one pool is not case-sensitive, the
    /// mapping must ignore case too, or apply would write to both pools in turn forever.
    pub async fn wire(ground: Ground) -> Result<Self, NotWired> {
        let ground = ground.unlock().await?;
        let keys = ground.keys.clone().ok_or(SecretError::NotSet)?;
        let configuration = &ground.configuration;
        let pools =
            BySide { old: pool(&ground, Side::Old).await, new: pool(&ground, Side::New).await };
        let mut fold = false;
        for side in Side::BOTH {
            let shape = pools.get(side).shape().await;
            let shape = shape.map_err(|fault| NotWired::Shape { side, fault })?;
            fold |= !shape.case_sensitive;
        }
        let mut policy = configuration.policy.clone();
        policy.mapping = policy.mapping.folding(fold);
        let stamp = configuration.stamp(ground.clock.now());
        Ok(Self { ground, pools, policy, keys, stamp })
    }

    /// The pool of that side, for listings.
    pub fn roster(&self, side: Side) -> PoolRoster {
        PoolRoster(Arc::clone(self.pools.get(side)))
    }

    /// The bridge for one piece of work.
    pub const fn bridge(&self) -> Bridge<'_, Self> {
        Bridge { ports: self, policy: &self.policy, keys: &self.keys, configuration: &self.stamp }
    }
}

async fn pool(ground: &Ground, side: Side) -> Arc<CognitoPool> {
    let settings = ground.configuration.pools.get(side);
    let client = pool_client(&ground.sdk, settings, &ground.clock).await;
    let policy = &ground.configuration.policy;
    let options = PoolOptions {
        groups: policy.groups,
        client_attributes: matches!(policy.match_by, MatchBy::OldSub(_)),
        schema_only: false,
    };
    Arc::new(CognitoPool::new(&client, settings, side, options, &ground.clock, &ground.calls))
}

impl Ports for Wired {
    type Pool = CognitoPool;
    type Ledger = DynamoLedger;
    type Clock = SystemClock;

    fn pool(&self, side: Side) -> &CognitoPool {
        self.pools.get(side)
    }

    fn ledger(&self) -> &DynamoLedger {
        &self.ground.ledger
    }

    fn clock(&self) -> &SystemClock {
        &self.ground.clock
    }
}

impl Hands for Wired {
    fn now(&self) -> Time {
        self.ground.clock.now()
    }

    fn throttled(&self) -> Option<Time> {
        let asked = |side| self.pool(side).throttled();
        Side::BOTH.into_iter().filter_map(asked).max()
    }

    async fn converge(&self, change: &Change, work: &Work) -> Report {
        // The future contains every call's future. Boxed, it is not moved.
        Box::pin(self.bridge().converge(change, work)).await
    }

    async fn hide(&self, delivery: &Received, after: std::time::Duration) -> Result<(), Fault> {
        let queue = self.ground.line(delivery.line);
        queue.change_visibility(&delivery.receipt, after).await
    }

    async fn put_off(&self, change: &Change, until: Time, reason: Reason) -> Result<bool, Fault> {
        let ledger = &self.ground.ledger;
        let Some(mark) = ledger.read_mark(change.side, &change.sub).await? else {
            return Ok(false);
        };
        if mark.is_newer_than(change) {
            // A newer event has a message of its own and must not wait because of this one.
            return Ok(true);
        }
        ledger.back_off(change.side, &change.sub, mark.token, until, reason).await
    }
}
