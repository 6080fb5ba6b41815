//! A whole bridge, deployed to the local stack: two pools of different shapes whose triggers really
//! fire, the state table, the queues, the functions, and the command line beside them. For the
//! demonstration and for the end-to-end suite.

mod archive;
pub mod aws;
mod calls;
mod cdk;
pub mod cloudtrail;
pub mod operator;
pub mod patience;
pub mod privacy;
pub mod user_pool;
pub mod values;
mod programs;
mod settings;
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::change::Change;
use poolbridge_core::side::Side;
use serde_json::Value;

use self::aws::{Services, message, nonce};
use self::operator::Operator;
use self::patience::until;
use self::programs::Programs;
use self::user_pool::UserPool;
use self::values::Values;
use crate::stack::{Options, Place, PoolSeed, Stack, VERIFIES_AT_SIGN_UP};

pub use self::calls::Function;
pub use self::verdicts::Handled;

/// The name of the bridge, and the beginning of every deployed name.
pub const NAME: &str = "demo";

/// A group that both pools have from the start.
pub const GROUP: &str = "editors";

const OLD: &str = "us-east-1_AAAAAAAAA";
const NEW: &str = "us-east-1_BBBBBBBBB";
pub(crate) const CAPTURE: &str = "demo-capture";
pub(crate) const APPLY: &str = "demo-apply";
pub(crate) const TRAIL: &str = "demo-trail";
pub(crate) const SWEEP: &str = "demo-sweep";

/// The function behind the pools' pre-sign-up trigger: part of the stack, not of the bridge.
const VERIFIES: &str = "verifies";

/// How long a change may take to travel: a cold start, some looks a second apart, a busy machine.
const TRAVEL_LIMIT: Duration = Duration::from_secs(30);

/// How a bridge is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// As an operator does: the CDK app, through its own command line.
    Cdk,
    /// The same resources by direct calls, which takes a second instead of ten. With proxies before
    /// the pools and the services, so that calls can be counted and made to fail.
    Calls,
}

/// Names of deployed resources, as the outputs tell them.
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
    /// Where messages end that nobody could work off.
    pub dead_letter_url: String,
    /// The key's secret, or the key.
    pub key: String,
}

/// A message that was caught on its way.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Its text.
    pub body: String,
    /// All that SQS tells of it.
    pub whole: String,
}

/// A deployed bridge. Dropping it takes everything away again.
pub struct Deployment {
    /// The programs that it runs on.
    pub stack: Stack,
    /// The pool that people sign in to: usernames, a custom attribute `dept`.
    pub old: UserPool,
    /// The pool that they move to: e-mail addresses for usernames, a custom attribute `department`.
    pub new: UserPool,
    /// Queues, table and logs.
    pub services: Services,
    /// Names of deployed resources.
    pub names: Names,
    /// The command line.
    pub operator: Operator,
    /// Every value of a person that was used so far.
    pub values: Values,
    programs: Programs,
    configuration: String,
}

impl Deployment {
    /// Starts the stack: programs, pools, groups. Nothing of the bridge is there yet.
    pub async fn start_stack(ground: Ground) -> anyhow::Result<Stack> {
        Self::start_stack_with(ground, |old| old, |new| new).await
    }

    /// The same with other pools: each is given the usual one.
    pub async fn start_stack_with(
        ground: Ground,
        old: impl FnOnce(PoolSeed) -> PoolSeed,
        new: impl FnOnce(PoolSeed) -> PoolSeed,
    ) -> anyhow::Result<Stack> {
        let faults = match ground {
            Ground::Cdk => Vec::new(),
            Ground::Calls => vec![Place::Ministack, Place::Pool(0), Place::Pool(1)],
        };
        let pools = vec![old(settings::old_pool()), new(settings::new_pool())];
        let options = Options { ministack: true, pools, faults, ..Options::default() };
        let stack = Stack::start(options).await?;
        stack.deploy_python(VERIFIES, VERIFIES_AT_SIGN_UP).await?;
        Ok(stack)
    }

    /// Deploys the bridge to a stack and waits until it stands.
    pub async fn deploy(stack: Stack, ground: Ground) -> anyhow::Result<Self> {
        Self::deploy_changed(stack, ground, |text| text).await
    }

    /// The same with another `bridge.toml`: `change` is given the usual one.
    pub async fn deploy_changed(
        stack: Stack,
        ground: Ground,
        change: impl FnOnce(String) -> String,
    ) -> anyhow::Result<Self> {
        // Within a program's own folder, which goes with that program however we end.
        let folder = stack.folder().join("ministack").join("deployment");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let configuration = folder.join("bridge.toml");
        let text = change(settings::configuration(&stack));
        fs::write(&configuration, &text).context("writing bridge.toml")?;
        let programs = Programs::find()?;
        let services = Services { url: stack.ministack_url_direct() };
        let names = match ground {
            Ground::Cdk => {
                programs.stage(&folder.join("lambda"))?;
                cdk::deploy(&stack, &folder, &configuration, &programs.operator).await?
            }
            Ground::Calls => calls::deploy(&services, &programs, &text).await?,
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

    /// A function like the bridge's own, under a name of its own: for a test to change and deploy.
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

    /// Makes one more queue, which nobody reads; answers its URL.
    pub async fn add_queue(&self, name: &str) -> anyhow::Result<String> {
        calls::queue(&self.services, name, serde_json::json!({})).await
    }

    /// Sends a change's message, as often as said: the same text, and to the queue no duplicates.
    pub async fn send(&self, change: &Change, times: usize) -> anyhow::Result<()> {
        let (group, body) = message(change);
        for _ in 0..times {
            self.services.send(&self.names.queue_url, &group, nonce(), &body).await?;
        }
        Ok(())
    }

    /// Waits until the queue holds nothing and nobody is at work on it.
    pub async fn worked_off(&self) -> anyhow::Result<()> {
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

    /// Waits until a pool shows an account as it ought to be; answers it. `wrong` says what is not
    /// as it ought to be yet.
    pub async fn shows(
        &self,
        side: Side,
        username: &str,
        wrong: impl Fn(&user_pool::Account) -> Option<String>,
    ) -> anyhow::Result<user_pool::Account> {
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

    /// Lets `deed` happen while nobody takes anything off the queue, and reads the message that it
    /// left there. The message then goes its way.
    pub async fn catch_a_message(
        &self,
        deed: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Caught> {
        let mapping = self.services.mapping_of(APPLY, &self.names.queue_url).await?;
        self.services.poll(&mapping, false).await?;
        deed.await?;
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

    /// Lets `deed` happen while nobody takes anything off the queue, and takes every message that it
    /// left there, for good. The pending changes stand: `drain` sends them again.
    pub async fn take_messages(
        &self,
        deed: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Vec<Value>> {
        let url = &self.names.queue_url;
        let mapping = self.services.mapping_of(APPLY, url).await?;
        self.services.poll(&mapping, false).await?;
        deed.await?;
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

    /// No function takes anything off the queues any more: for a consumer of the test's own.
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

    /// Everything in the dead-letter queue.
    pub async fn dead_letters(&self) -> anyhow::Result<u64> {
        let messages = self.services.messages(&self.names.dead_letter_url).await?;
        Ok(messages.waiting + messages.in_flight)
    }

    /// The functions' last words, for whoever has to find out why something is not so.
    pub async fn last_words(&self, lines: usize) -> String {
        let mut words = Vec::new();
        for function in [CAPTURE, TRAIL, SWEEP, APPLY] {
            let log = self.services.log(function).await.unwrap_or_default();
            let tail = log.get(log.len().saturating_sub(lines)..).unwrap_or_default();
            words.push(format!("== the log of {function} ends:\n{}\n", tail.join("\n")));
        }
        words.concat()
    }

    /// Takes everything away, and says if that did not succeed.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stack.stop()
    }
}
