//! The changes that are counted. First all are captured while no worker receives messages; then
//! apply processes them. So each call certainly belongs to capture or to apply.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::calls::{CallCounts, CallKind, Counter};
use super::process::EnvVars;
use super::target::{Scenario, TargetResult};
use super::{SETTLE, trail};
use crate::deployment::aws::changed;
use crate::deployment::polling::until;
use crate::deployment::{APPLY, CAPTURE, Deployment, GROUP};

/// The mean is taken over this many people.
const PEOPLE: usize = 20;

/// After this time, all earlier changes are settled.
const SETTLED: Duration = SETTLE.saturating_add(Duration::from_millis(500));

/// The time within which log lines arrive after their messages are deleted.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// A person with an account in both pools.
struct BenchPerson {
    name: String,
    old: String,
    new: String,
}

/// A bridge whose calls are counted.
pub(super) struct Bench<'a> {
    pub(super) bridge: &'a Deployment,
    counter: Counter,
    /// The event source mapping that feeds apply.
    mapping: String,
    /// The variables of the functions, for the process that captures in their place.
    environment: &'a EnvVars,
}

/// What apply logged during a phase.
#[derive(Default)]
struct PhaseLog {
    received: usize,
    deleted: usize,
    outcomes: BTreeMap<String, usize>,
}

impl<'a> Bench<'a> {
    pub(super) async fn new(
        bridge: &'a Deployment,
        environment: &'a EnvVars,
    ) -> anyhow::Result<Self> {
        let mapping = bridge.services.mapping_of(APPLY, &bridge.names.queue_url).await?;
        Ok(Self { bridge, counter: Counter::of(&bridge.stack), mapping, environment })
    }

    /// Starts the functions: one person's change travels. Returns the calls that happen only at the
    /// start.
    pub(super) async fn warm_up(&self) -> anyhow::Result<CallCounts> {
        self.counter.begin().await?;
        self.sign_up("warming-up").await?;
        self.bridge.wait_until_processed().await?;
        let calls = self.counter.calls().await?.0;
        let calls = calls.into_iter().filter_map(|(operation, count)| {
            let call = CallCounts([(operation, count)].into());
            (call.of(CallKind::StartTime) > 0).then_some(call.0)
        });
        Ok(CallCounts(calls.flatten().collect()))
    }

    /// Counts every scenario, each with the same people.
    pub(super) async fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let bridge = self.bridge;
        let names: Vec<String> = (0..PEOPLE).map(|number| format!("bench-{number:03}")).collect();
        let name = "a. sign-up confirmed in the old pool, created in the new";
        let sign_ups = async {
            for name in &names {
                self.sign_up(name).await?;
            }
            Ok(())
        };
        let mut all = vec![self.count(name, TargetResult::Larger, sign_ups).await?];
        let people = self.people(&names).await?;

        let edits = async {
            for person in &people {
                bridge.old.edit(&person.name, &[("given_name", "Bench-Given")]).await?;
            }
            Ok(())
        };
        let edited = self.settled(edits, Side::Old, &people).await?;
        let name = "b. attribute edited in the old pool, captured when settled";
        all.push(self.count(name, TargetResult::Effective, self.send_events(&edited)).await?);

        let echoes = self.settled(async { Ok(()) }, Side::New, &people).await?;
        let name = "c. echo: the account that poolbridge wrote in b";
        all.push(self.count(name, TargetResult::Echo, self.send_events(&echoes)).await?);

        let again = async {
            for change in &edited {
                bridge.send(change, 1).await?;
            }
            Ok(())
        };
        let name = "d. the message of b, delivered a second time";
        all.push(self.count(name, TargetResult::Echo, again).await?);

        let joined = async {
            for person in &people {
                bridge.old.add_to_group(&person.name, GROUP).await?;
            }
            Ok(())
        };
        let joined = self.settled(joined, Side::Old, &people).await?;
        let name = "e. group added in the old pool, captured when settled";
        all.push(self.count(name, TargetResult::Effective, self.send_events(&joined)).await?);

        tokio::time::sleep(SETTLED).await;
        let sign_ins = async {
            for person in &people {
                self.sign_in(person).await?;
            }
            Ok(())
        };
        let name = "f. sign-in hint, nothing changed, observed at once";
        all.push(self.count(name, TargetResult::Echo, sign_ins).await?);

        tokio::time::sleep(SETTLED).await;
        let resets = async {
            for person in &people {
                bridge.old.reset_password(&person.name, "Other-Horse-78").await?;
            }
            Ok(())
        };
        let name = "g. password reset in the old pool, observed at once";
        all.push(self.count(name, TargetResult::Larger, resets).await?);
        Ok(all)
    }

    /// Counts one scenario: `capture` leaves a message for each person.
    async fn count(
        &self,
        name: &'static str,
        outcome: TargetResult,
        capture: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Scenario> {
        let services = &self.bridge.services;
        services.poll(&self.mapping, false).await?;
        self.counter.begin().await?;
        let began = Instant::now();
        capture.await.context(name)?;
        let captured_in = began.elapsed();
        let captured = self.counter.calls().await?;
        let before = self.logged().await?;
        self.counter.begin().await?;
        services.poll(&self.mapping, true).await?;
        self.bridge.wait_until_processed().await.context(name)?;
        let logged = until("log lines", LOG_LIMIT, async || {
            let logged = self.logged().await?.since(&before);
            Ok(if logged.deleted >= PEOPLE {
                ControlFlow::Break(logged)
            } else {
                ControlFlow::Continue(format!("{} messages done with", logged.deleted))
            })
        })
        .await
        .context(name)?;
        let scenario = Scenario {
            name,
            outcome,
            changes: PEOPLE,
            captured_in,
            capture: captured,
            apply: self.counter.calls().await?,
            received: logged.received,
            deleted: logged.deleted,
            outcomes: logged.outcomes,
        };
        let writes = scenario.apply.of(CallKind::PoolWrite);
        let effective = writes >= PEOPLE || outcome == TargetResult::Echo;
        ensure!(effective, "{name}: {writes} writes for {PEOPLE} changes, so it is something else");
        Ok(scenario)
    }

    /// Makes an edit. Returns its changes once no read can be older than the edit.
    async fn settled(
        &self,
        action: impl Future<Output = anyhow::Result<()>>,
        side: Side,
        people: &[BenchPerson],
    ) -> anyhow::Result<Vec<ChangeEvent>> {
        action.await?;
        let sub = |person: &BenchPerson| match side {
            Side::Old => person.old.clone(),
            Side::New => person.new.clone(),
        };
        let changes = people.iter().map(|person| changed(side, &sub(person)));
        let changes = changes.collect::<anyhow::Result<_>>()?;
        tokio::time::sleep(SETTLED).await;
        Ok(changes)
    }

    async fn send_events(&self, changes: &[ChangeEvent]) -> anyhow::Result<()> {
        trail::send_events(self.environment, changes).await
    }

    async fn sign_up(&self, name: &str) -> anyhow::Result<()> {
        let address = address(name);
        let attributes = [
            ("email", address.as_str()),
            ("custom:dept", "Department-One"),
            ("family_name", "Bench-Family"),
        ];
        self.bridge.old.sign_up(name, "Correct-Horse-77", &attributes).await?;
        self.bridge.old.confirm(name).await
    }

    /// The stack's pools have no sign-in trigger. So this calls the function with the event that
    /// such a trigger would send.
    async fn sign_in(&self, person: &BenchPerson) -> anyhow::Result<()> {
        let source = "PostAuthentication_Authentication";
        let event = event(&self.bridge.old.id, source, &person.name, &person.old);
        let event = event.to_string();
        let limit = Duration::from_secs(10);
        self.bridge.services.invoke(CAPTURE, event.as_bytes(), limit).await.map(drop)
    }

    /// The people who reached both pools.
    async fn people(&self, names: &[String]) -> anyhow::Result<Vec<BenchPerson>> {
        let mut people = Vec::new();
        for name in names {
            let old = self.bridge.old.account(name).await?;
            let new = self.bridge.new.account(&address(name)).await?;
            let sub = |account: Option<crate::deployment::user_pool::AdminView>| {
                account.map(|account| account.sub).with_context(|| format!("{name} is missing"))
            };
            people.push(BenchPerson { name: name.clone(), old: sub(old)?, new: sub(new)? });
        }
        Ok(people)
    }

    /// Everything that apply has logged about messages so far.
    async fn logged(&self) -> anyhow::Result<PhaseLog> {
        let mut logged = PhaseLog::default();
        for line in self.bridge.services.log(APPLY).await? {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let Some(outcome) = line["outcome"].as_str() else { continue };
            logged.received += 1;
            logged.deleted += usize::from(line["back_after_milliseconds"].is_null());
            *logged.outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
        Ok(logged)
    }
}

impl PhaseLog {
    /// What apply logged after `before`.
    fn since(mut self, before: &Self) -> Self {
        self.received -= before.received;
        self.deleted -= before.deleted;
        for (outcome, count) in &before.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() -= count;
        }
        self.outcomes.retain(|_, count| *count > 0);
        self
    }
}

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// A trigger event with the usual attributes of a person.
pub(super) fn event(pool: &str, source: &str, name: &str, sub: &str) -> Value {
    json!({
        "version": "1",
        "triggerSource": source,
        "region": "us-east-1",
        "userPoolId": pool,
        "userName": name,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "oldapp"},
        "request": {
            "userAttributes": {
                "sub": sub,
                "cognito:user_status": "CONFIRMED",
                "email": address(name),
                "email_verified": "true",
                "given_name": "Bench-Given",
                "family_name": "Bench-Family",
                "custom:dept": "Department-One",
            },
            "newDeviceUsed": false,
        },
        "response": {},
    })
}
