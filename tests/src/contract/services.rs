//! The services: the real adapters, wired as in a function, on the programs of the local stack.
//!
//! The adapters take their settings from the environment, as every AWS SDK does, and a process
//! cannot safely change its own environment. So the suite sets the services up here and starts
//! itself once more with the variables set.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use poolbridge_aws::bridge::{BridgePorts, BridgeResources};
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::cognito::{CognitoPool, PoolLister};
use poolbridge_aws::dynamodb::DynamoLedger;
use poolbridge_aws::sqs::{SqsOutbox, SqsQueue};
use poolbridge_aws::wire;
use poolbridge_config::{Component, Configuration, Environment};
use poolbridge_core::account::AccountRef;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::control::{ConfigurationStamp, Control, Phase};
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::PersonId;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Clock as _, Ports as _};
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::Cursor;
use serde_json::json;

use super::difference::ServiceBehaviour;
use super::ledger::TableFixture;
use super::local_stack::{cognito, create_variables, options};
use super::pool::PoolFixture;
use super::queue::{QueueFixture, ReadMessage};
use super::resend::{ResendFixture, StopReason};
use super::run::{ContractReport, run};
use crate::stack::Stack;
use crate::stack::http::call;

/// Set in the process that runs the cases: where the services other than the pools answer.
const ENDPOINT: &str = "POOLBRIDGE_CONTRACT_ENDPOINT";

/// Starts the stack, sets it up, and runs this program once more on it.
pub async fn run_again_on_the_stack(filter: &str) -> anyhow::Result<ExitStatus> {
    let stack = Stack::start(options()).await?;
    let outcome = run_again(&stack, filter).await;
    let outcome = outcome.with_context(|| format!("the stack's logs:\n{}", stack.logs(20)));
    stack.stop()?;
    outcome
}

async fn run_again(stack: &Stack, filter: &str) -> anyhow::Result<ExitStatus> {
    let variables = create_variables(stack).await?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    // The caller's own AWS settings, such as a profile, must not take part.
    let foreign = std::env::vars_os().map(|(name, _)| name);
    for name in foreign.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let environment = stack.environment();
    command.envs(environment).envs(variables).env(ENDPOINT, stack.ministack_url());
    command.arg(filter).kill_on_drop(true).status().await.context("running the services' half")
}

/// Where the services answer, if this process runs the cases on them.
pub fn endpoint() -> Option<String> {
    std::env::var(ENDPOINT).ok()
}

/// Runs every case whose name contains `filter` on the services that the environment names.
pub async fn every(
    endpoint: String,
    filter: &str,
) -> anyhow::Result<(ContractReport, ServiceBehaviour)> {
    let variable = |name: &str| std::env::var(name).ok();
    let file = variable("POOLBRIDGE_CONFIG").context("POOLBRIDGE_CONFIG is not set")?;
    let configuration = Configuration::read(Path::new(&file))?;
    let environment = Environment::read(Component::Operator, true, &variable)
        .map_err(|mistakes| anyhow!("the environment: {mistakes:?}"))?;
    let bridge_resources = Box::pin(BridgeResources::lay(configuration, environment)).await?;
    let ports = Box::pin(BridgePorts::wire(bridge_resources)).await?;
    let outbox = ports.resources.queue.outbox();
    let (ports, pool_behaviour) = (Arc::new(ports), ServiceBehaviour::of_the_local_stack());
    let (endpoint, outbox) = (Arc::<str>::from(endpoint), Arc::new(outbox));
    let service = |side| Service {
        ports: Arc::clone(&ports),
        lister: ports.lister(side),
        outbox: Arc::clone(&outbox),
        endpoint: Arc::clone(&endpoint),
        side,
        pool_behaviour: pool_behaviour.clone(),
    };
    // The services are independent, and much of the time of queues and pools is waiting.
    let (of_addresses, of_names, table, routes, queue) = tokio::join!(
        run("pool of addresses", service(Side::Old), super::pool::cases(), filter),
        run("pool of names", service(Side::New), super::pool::cases(), filter),
        run("table", service(Side::Old), super::ledger::cases(), filter),
        run("table", service(Side::Old), super::routes::cases(), filter),
        run("queue", service(Side::Old), super::queue::cases(), filter),
    );
    // These cases need the queue for themselves.
    let resend = run("resend", service(Side::Old), super::resend::cases(), filter).await;
    Ok((of_addresses.and(of_names).and(table).and(routes).and(queue).and(resend), pool_behaviour))
}

/// The adapters. The fixture uses one of the two pools.
#[derive(Clone)]
pub struct Service {
    ports: Arc<BridgePorts>,
    lister: PoolLister,
    outbox: Arc<SqsOutbox>,
    endpoint: Arc<str>,
    side: Side,
    pool_behaviour: ServiceBehaviour,
}

impl Service {
    fn dead_letters(&self) -> &SqsQueue {
        let dead_letters = self.ports.resources.dead_letters.as_ref();
        dead_letters.expect("the environment names it")
    }
}

impl TableFixture for Service {
    type RecordReader = DynamoLedger;
    type Ledger = DynamoLedger;

    fn ledger(&self) -> &DynamoLedger {
        self.ports.ledger()
    }

    fn records(&self) -> &DynamoLedger {
        self.ports.ledger()
    }

    async fn cursor(&self) -> Result<Cursor, PortError> {
        self.ports.ledger().sweep_cursor().await
    }

    async fn put_cursor(&self, cursor: &Cursor) -> Result<(), PortError> {
        self.ports.ledger().put_sweep_cursor(cursor).await
    }

    fn nonce(&self) -> u128 {
        self.ports.clock().nonce()
    }

    async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        self.ports.ledger().person(id).await
    }

    async fn back_off(
        &self,
        of: &ChangeEvent,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> Result<bool, PortError> {
        self.ports.ledger().back_off(of.side, &of.sub, token, until, reason).await
    }

    async fn close_breaker(&self) -> Result<(), PortError> {
        let close = |control: &mut Control| control.breaker = None;
        self.ports.ledger().change_control(close).await.map(drop)
    }

    async fn allow_removals(&self, now: Time, more: u64) -> Result<(), PortError> {
        self.ports.ledger().allow_removals(now, more).await
    }

    async fn counted(&self) -> Result<BTreeMap<PersonState, i64>, PortError> {
        let counted = self.ports.ledger().people_counts().await?.by_state;
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(counted.into_iter().map(|(state, count)| (state, signed(count))).collect())
    }
}

impl PoolFixture for Service {
    type Pool = CognitoPool;
    type AccountLister = PoolLister;

    fn pool(&self) -> &CognitoPool {
        self.ports.pool(self.side)
    }

    fn lister(&self) -> &PoolLister {
        &self.lister
    }

    fn by_email(&self) -> bool {
        self.side == Side::Old
    }

    fn now(&self) -> Time {
        self.ports.clock().now()
    }

    fn nonce(&self) -> u128 {
        self.ports.clock().nonce()
    }

    fn pool_behaviour(&self) -> &ServiceBehaviour {
        &self.pool_behaviour
    }

    async fn delete(&self, account: &AccountRef) -> anyhow::Result<()> {
        let settings = self.ports.resources.configuration.pools.get(self.side);
        let url = settings.endpoint_url.as_deref().context("the pool has no endpoint")?;
        let name = account.username.as_ref().context("no name to delete by")?;
        let input = json!({"UserPoolId": settings.user_pool_id, "Username": name.reveal()});
        cognito(url, "AdminDeleteUser", &input).await.map(drop)
    }

    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl ResendFixture for Service {
    type Clock = SystemClock;

    fn table(&self) -> &DynamoLedger {
        self.ports.ledger()
    }

    fn sender(&self) -> &SqsOutbox {
        &self.outbox
    }

    fn clock(&self) -> &SystemClock {
        self.ports.clock()
    }

    async fn stop(&self, stop: Option<StopReason>) -> anyhow::Result<()> {
        let why = (stop == Some(StopReason::Pause)).then(|| "a test".to_owned());
        let other = (stop == Some(StopReason::OtherConfiguration)).then(|| ConfigurationStamp {
            hash: "another one".to_owned(),
            since: self.ports.clock().now(),
            pools: BySide::default(),
        });
        let change = |control: &mut Control| {
            control.phase = Phase::Follow;
            control.paused.clone_from(&why);
            control.configuration.clone_from(&other);
        };
        self.ports.ledger().change_control(change).await?;
        Ok(())
    }
}

impl QueueFixture for Service {
    type Outbox = SqsOutbox;
    type Receipt = String;

    fn outbox(&self) -> &SqsOutbox {
        &self.outbox
    }

    fn nonce(&self) -> u128 {
        self.ports.clock().nonce()
    }

    fn pool_behaviour(&self) -> &ServiceBehaviour {
        &self.pool_behaviour
    }

    async fn receive(&self) -> Result<Option<ReadMessage<String>>, PortError> {
        let came = self.ports.resources.queue.receive(1, Duration::ZERO).await?;
        let Some(came) = came.into_iter().next() else { return Ok(None) };
        let change = wire::decode(&came.body, self.ports.clock().now())
            .map_err(|_| PortError::new(ErrorKind::Unreadable, "ReceiveMessage"))?;
        Ok(Some(ReadMessage { change, receipt: came.receipt, receives: came.receives }))
    }

    async fn delete(&self, receipt: &String) -> Result<(), PortError> {
        self.ports.resources.queue.delete(receipt).await
    }

    async fn show_after(&self, receipt: &String, after: Duration) -> Result<(), PortError> {
        self.ports.resources.queue.change_visibility(receipt, after).await
    }

    async fn counts(&self) -> Result<QueueCounts, PortError> {
        self.ports.resources.queue.counts().await
    }

    async fn dead(&self) -> Result<u64, PortError> {
        self.dead_letters().message_count().await
    }

    async fn empty(&self) -> anyhow::Result<()> {
        let environment = &self.ports.resources.environment;
        for url in [Some(&environment.queue_url), environment.dead_letter_url.as_ref()] {
            call(&self.endpoint, "AmazonSQS.PurgeQueue", &json!({"QueueUrl": url})).await?;
        }
        Ok(())
    }

    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
