//! A whole bridge on the local stack, for the demo and the end-to-end suite: two pools of different
//! shapes with working triggers, the state table, the queues, the functions, and the command line.

mod archive;
pub mod aws;
mod calls;
mod cdk;
pub mod cloudtrail;
pub mod operator;
pub mod polling;
pub mod privacy;
pub mod user_pool;
pub mod values;
mod programs;
mod settings;
mod outcomes;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::side::Side;
use serde_json::Value;

use self::aws::{Services, message, nonce};
use self::operator::Operator;
use self::polling::until;
use self::programs::Programs;
use self::user_pool::UserPool;
use self::values::Values;
use crate::stack::{Options, Place, PoolSeed, Stack, VERIFIES_AT_SIGN_UP};

pub use self::calls::Function;
pub use self::outcomes::LoggedMessage;

/// The name of the bridge, and the prefix of every deployed name.
pub const NAME: &str = "demo";

/// A group that both pools have from the start.
pub const GROUP: &str = "editors";

const OLD: &str = "us-east-1_AAAAAAAAA";
const NEW: &str = "us-east-1_BBBBBBBBB";
pub(crate) const CAPTURE: &str = "demo-capture";
pub(crate) const APPLY: &str = "demo-apply";
pub(crate) const TRAIL: &str = "demo-trail";
pub(crate) const SWEEP: &str = "demo-sweep";

/// The function of the pools' pre-sign-up trigger. It belongs to the stack, not to the bridge.
const VERIFIES: &str = "verifies";

/// The time within which a change travels: a cold start, some observations a second apart, a busy
/// machine.
const TRAVEL_LIMIT: Duration = Duration::from_secs(30);

/// How the bridge is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentKind {
    /// As an operator does: by the CDK app's own command line.
    Cdk,
    /// The same resources by direct calls, which takes one second instead of ten. Proxies stand
    /// before the pools and the services, to count calls and to inject faults.
    Calls,
}

/// Names of deployed resources, as the stack's outputs give them.
#[derive(Clone, Debug)]
pub struct Names {
    /// The state table.
    pub table: String,
    /// The queue of changes.
    pub queue_url: String,
    /// The queue of bulk work.
    pub bulk_queue_url: String,
    /// The function that serves the old pool's triggers, and the new pool's.
    pub captures: [String; 2],
    /// The dead-letter queue.
    pub dead_letter_url: String,
    /// The key's secret, or the key.
    pub key: String,
}

/// A message that was caught before a function received it.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Its body.
    pub body: String,
    /// All that SQS says about it.
    pub whole: String,
}

/// A deployed bridge. Dropping it removes everything.
pub struct Deployment {
    /// The programs of the local stack.
    pub stack: Stack,
    /// The pool that people start in: usernames, a custom attribute `dept`.
    pub old: UserPool,
    /// The pool that they move to: e-mail addresses as usernames, a custom attribute `department`.
    pub new: UserPool,
    /// Queues, table and logs.
    pub services: Services,
    /// Names of deployed resources.
    pub names: Names,
    /// The command line.
    pub operator: Operator,
    /// Every value of a person that a test used so far.
    pub values: Values,
    programs: Programs,
    configuration: String,
}

impl Deployment {
    /// Starts the stack: programs, pools, groups. The bridge is not deployed yet.
    pub async fn start_stack(deployment_kind: DeploymentKind) -> anyhow::Result<Stack> {
        Self::start_stack_with(deployment_kind, |old| old, |new| new).await
    }

    /// The same with other pools: each closure receives the usual seed.
    pub async fn start_stack_with(
        deployment_kind: DeploymentKind,
        old: impl FnOnce(PoolSeed) -> PoolSeed,
        new: impl FnOnce(PoolSeed) -> PoolSeed,
    ) -> anyhow::Result<Stack> {
        let faults = match deployment_kind {
            DeploymentKind::Cdk => Vec::new(),
            DeploymentKind::Calls => vec![Place::Ministack, Place::Pool(0), Place::Pool(1)],
        };
        let pools = vec![old(settings::old_pool()), new(settings::new_pool())];
        let options = Options { ministack: true, pools, faults, ..Options::default() };
        let stack = Stack::start(options).await?;
        stack.deploy_python(VERIFIES, VERIFIES_AT_SIGN_UP).await?;
        Ok(stack)
    }

    /// Deploys the bridge to a stack and waits until it is complete.
    pub async fn deploy(stack: Stack, deployment_kind: DeploymentKind) -> anyhow::Result<Self> {
        Self::deploy_changed(stack, deployment_kind, |text| text).await
    }

    /// The same with another `bridge.toml`: `change` receives the usual one.
    pub async fn deploy_changed(
        stack: Stack,
        deployment_kind: DeploymentKind,
        change: impl FnOnce(String) -> String,
    ) -> anyhow::Result<Self> {
        // The folder belongs to a program of the stack, which removes it in every case.
        let folder = stack.folder().join("ministack").join("deployment");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let configuration = folder.join("bridge.toml");
        let text = change(settings::configuration(&stack));
        fs::write(&configuration, &text).context("writing bridge.toml")?;
        let programs = Programs::find()?;
        let services = Services { url: stack.ministack_url_direct() };
        let names = match deployment_kind {
            DeploymentKind::Cdk => {
                programs.setup(&folder.join("lambda"))?;
                cdk::deploy(&stack, &folder, &configuration, &programs.operator).await?
            }
            DeploymentKind::Calls => calls::deploy(&services, &programs, &text).await?,
        };
        let values = Values::default();
        let pool = |side, index, id: &str| UserPool {
            side,
            id: id.to_owned(),
            client: format!("{side}app"),
            url: stack.pool_url_direct(index),
            values: values.clone(),
        };
        let (old, new) = (pool(Side::Old, 0, OLD), pool(Side::New, 1, NEW));
        for pool in [&old, &new] {
            pool.create_group(GROUP).await?;
        }
        let operator = Operator {
            program: programs.operator.clone(),
            environment: settings::operator_environment(&stack, &configuration, &names),
            said: Mutex::default(),
        };
        let configuration = text;
        Ok(Self { stack, old, new, services, names, operator, values, programs, configuration })
    }

    /// The pool of that side.
    pub const fn pool(&self, side: Side) -> &UserPool {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    /// A function like the bridge's own, under another name: a test changes and deploys it.
    pub fn function(&self, name: &str, program: &'static str) -> Function {
        Function {
            name: name.to_owned(),
            program,
            timeout: 10,
            configuration: Some(self.configuration.clone()),
            environment: calls::environment(&self.names),
        }
    }

    /// Deploys one more function.
    pub async fn add(&self, function: &Function) -> anyhow::Result<()> {
        calls::create(&self.services, &self.programs, function).await
    }

    /// Creates one more queue, which no function reads. Returns its URL.
    pub async fn add_queue(&self, name: &str) -> anyhow::Result<String> {
        calls::queue(&self.services, name, serde_json::json!({})).await
    }

    /// Sends a change's message that many times. All have the same body; none is a duplicate to the
    /// queue.
    pub async fn send(&self, change: &ChangeEvent, times: usize) -> anyhow::Result<()> {
        let (group, body) = message(change);
        for _ in 0..times {
            self.services.send(&self.names.queue_url, &group, nonce(), &body).await?;
        }
        Ok(())
    }

    /// Waits until both queues are empty and no message is in flight.
    pub async fn wait_until_processed(&self) -> anyhow::Result<()> {
        until("empty queues", TRAVEL_LIMIT, async || {
            let live = self.services.messages(&self.names.queue_url).await?;
            let bulk = self.services.messages(&self.names.bulk_queue_url).await?;
            Ok(if live.none() && bulk.none() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(format!("{live:?}, bulk: {bulk:?}"))
            })
        })
        .await
    }

    /// Waits until a pool shows an account as wanted and returns it. `wrong` returns what still
    /// differs.
    pub async fn shows(
        &self,
        side: Side,
        username: &str,
        wrong: impl Fn(&user_pool::AdminView) -> Option<String>,
    ) -> anyhow::Result<user_pool::AdminView> {
        let what = format!("an account in the {side} pool");
        until(&what, TRAVEL_LIMIT, async || {
            Ok(match self.pool(side).account(username).await? {
                None => ControlFlow::Continue("no such account".to_owned()),
                Some(account) => match wrong(&account) {
                    Some(wrong) => ControlFlow::Continue(wrong),
                    None => ControlFlow::Break(account),
                },
            })
        })
        .await
    }

    /// Runs `act` while no function receives messages, and reads the message that it left.
    /// Afterwards apply processes the message as usual.
    pub async fn catch_a_message(
        &self,
        act: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Caught> {
        let mapping = self.services.mapping_of(APPLY, &self.names.queue_url).await?;
        self.services.poll(&mapping, false).await?;
        act.await?;
        let url = &self.names.queue_url;
        let message = until("a message", TRAVEL_LIMIT, async || {
            let taken = self.services.take(url).await?;
            let message = taken.into_iter().next();
            Ok(message.map_or(ControlFlow::Continue("none".to_owned()), ControlFlow::Break))
        })
        .await?;
        self.services.poll(&mapping, true).await?;
        let body = message["Body"].as_str().context("a message without a body")?.to_owned();
        let group = message["Attributes"]["MessageGroupId"].as_str().unwrap_or("any");
        self.services.send(url, group, nonce(), &body).await?;
        Ok(Caught { body, whole: message.to_string() })
    }

    /// Runs `act` while no function receives messages, and deletes every message that it left. The
    /// pending changes stay: `drain` sends them again.
    pub async fn take_messages(
        &self,
        act: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Vec<Value>> {
        let url = &self.names.queue_url;
        let mapping = self.services.mapping_of(APPLY, url).await?;
        self.services.poll(&mapping, false).await?;
        act.await?;
        let mut messages = Vec::new();
        loop {
            let taken = self.services.take(url).await?;
            if taken.is_empty() {
                break;
            }
            messages.extend(taken);
        }
        self.services.poll(&mapping, true).await?;
        let body = |message: &Value| {
            let text = message["Body"].as_str().context("a message without a body")?;
            serde_json::from_str(text).context("a body that is no JSON")
        };
        messages.iter().map(body).collect()
    }

    /// Stops all functions from receiving messages, for a test with its own consumer.
    pub async fn stop_functions(&self) -> anyhow::Result<()> {
        for url in [&self.names.queue_url, &self.names.bulk_queue_url] {
            let mapping = self.services.mapping_of(APPLY, url).await?;
            self.services.poll(&mapping, false).await?;
        }
        Ok(())
    }

    /// The accounts that have a pending change, as `side#sub`.
    pub async fn pending(&self) -> anyhow::Result<BTreeSet<String>> {
        let items = self.services.items(&self.names.table).await?;
        let pending = items
            .iter()
            .filter(|item| item["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("PENDING#")));
        Ok(pending.filter_map(|item| item["sk"]["S"].as_str().map(str::to_owned)).collect())
    }

    /// The number of messages in the dead-letter queue.
    pub async fn dead_letters(&self) -> anyhow::Result<u64> {
        let messages = self.services.messages(&self.names.dead_letter_url).await?;
        Ok(messages.waiting + messages.in_flight)
    }

    /// The last log lines of the functions, to find the cause of a failure.
    pub async fn log_tails(&self, lines: usize) -> String {
        let mut words = Vec::new();
        for function in [CAPTURE, TRAIL, SWEEP, APPLY] {
            let log = self.services.log(function).await.unwrap_or_default();
            let tail = log.get(log.len().saturating_sub(lines)..).unwrap_or_default();
            words.push(format!("== the log of {function} ends:\n{}\n", tail.join("\n")));
        }
        words.concat()
    }

    /// Removes everything, and reports it if that failed.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stack.stop()
    }
}
