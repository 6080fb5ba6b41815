//! The changes that are counted. First all are captured while no worker receives messages; then
//! apply processes them. So each call certainly belongs to capture or to apply.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use poolbridge_core::change::Change;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::calls::{Calls, Counter, Kind};
use super::process::Environment;
use super::target::{Outcome, Scenario};
use super::{SETTLE, trail};
use crate::deployment::aws::changed;
use crate::deployment::patience::until;
use crate::deployment::{APPLY, CAPTURE, Deployment, GROUP};

/// The mean is taken over this many people.
const PEOPLE: usize = 20;

/// After this time, all earlier changes are settled.
const SETTLED: Duration = SETTLE.saturating_add(Duration::from_millis(500));

/// The time within which log lines arrive after their messages are deleted.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// A person with an account in both pools.
struct Person {
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
    environment: &'a Environment,
}

/// What apply logged during a phase.
#[derive(Default)]
struct Told {
    received: usize,
    deleted: usize,
    verdicts: BTreeMap<String, usize>,
}

impl<'a> Bench<'a> {
    pub(super) async fn new(
        bridge: &'a Deployment,
        environment: &'a Environment,
    ) -> anyhow::Result<Self> {
        let mapping = bridge.services.mapping_of(APPLY, &bridge.names.queue_url).await?;
        Ok(Self { bridge, counter: Counter::of(&bridge.stack), mapping, environment })
    }

    /// Starts the functions: one person's change travels. Returns the calls that happen only at the
    /// start.
    pub(super) async fn warm_up(&self) -> anyhow::Result<Calls> {
        self.counter.begin().await?;
        self.sign_up("warming-up").await?;
        self.bridge.worked_off().await?;
        let calls = self.counter.calls().await?.0;
        let calls = calls.into_iter().filter_map(|(operation, count)| {
            let call = Calls([(operation, count)].into());
            (call.of(Kind::Start) > 0).then_some(call.0)
        });
        Ok(Calls(calls.flatten().collect()))
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
        let mut all = vec![self.count(name, Outcome::Larger, sign_ups).await?];
        let people = self.people(&names).await?;

        let edits = async {
            for person in &people {
                bridge.old.edit(&person.name, &[("given_name", "Bench-Given")]).await?;
            }
            Ok(())
        };
        let edited = self.settled(edits, Side::Old, &people).await?;
        let name = "b. attribute edited in the old pool, told when settled";
        all.push(self.count(name, Outcome::Effective, self.tell(&edited)).await?);

        let echoes = self.settled(async { Ok(()) }, Side::New, &people).await?;
        let name = "c. echo: the account that poolbridge wrote in b";
        all.push(self.count(name, Outcome::Echo, self.tell(&echoes)).await?);

        let again = async {
            for change in &edited {
                bridge.send(change, 1).await?;
            }
            Ok(())
        };
        let name = "d. the message of b, delivered a second time";
        all.push(self.count(name, Outcome::Echo, again).await?);

        let joined = async {
            for person in &people {
                bridge.old.add_to_group(&person.name, GROUP).await?;
            }
            Ok(())
        };
        let joined = self.settled(joined, Side::Old, &people).await?;
        let name = "e. group added in the old pool, told when settled";
        all.push(self.count(name, Outcome::Effective, self.tell(&joined)).await?);

        tokio::time::sleep(SETTLED).await;
        let sign_ins = async {
            for person in &people {
                self.sign_in(person).await?;
            }
            Ok(())
        };
        let name = "f. sign-in hint, nothing changed, looked at as it comes";
        all.push(self.count(name, Outcome::Echo, sign_ins).await?);

        tokio::time::sleep(SETTLED).await;
        let resets = async {
            for person in &people {
                bridge.old.reset_password(&person.name, "Other-Horse-78").await?;
            }
            Ok(())
        };
        let name = "g. password reset in the old pool, looked at as it comes";
        all.push(self.count(name, Outcome::Larger, resets).await?);
        Ok(all)
    }

    /// Counts one scenario: `capture` leaves a message for each person.
    async fn count(
        &self,
        name: &'static str,
        outcome: Outcome,
        capture: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Scenario> {
        let services = &self.bridge.services;
        services.poll(&self.mapping, false).await?;
        self.counter.begin().await?;
        let began = Instant::now();
        capture.await.context(name)?;
        let captured_in = began.elapsed();
        let captured = self.counter.calls().await?;
        let before = self.told().await?;
        self.counter.begin().await?;
        services.poll(&self.mapping, true).await?;
        self.bridge.worked_off().await.context(name)?;
        let told = until("log lines", LOG_LIMIT, async || {
            let told = self.told().await?.since(&before);
            Ok(if told.deleted >= PEOPLE {
                ControlFlow::Break(told)
            } else {
                ControlFlow::Continue(format!("{} messages done with", told.deleted))
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
            received: told.received,
            deleted: told.deleted,
            verdicts: told.verdicts,
        };
        let writes = scenario.apply.of(Kind::PoolWrite);
        let effective = writes >= PEOPLE || outcome == Outcome::Echo;
        ensure!(effective, "{name}: {writes} writes for {PEOPLE} changes, so it is something else");
        Ok(scenario)
    }

    /// Makes an edit. Returns its changes once no read can be older than the edit.
    async fn settled(
        &self,
        deed: impl Future<Output = anyhow::Result<()>>,
        side: Side,
        people: &[Person],
    ) -> anyhow::Result<Vec<Change>> {
        deed.await?;
        let sub = |person: &Person| match side {
            Side::Old => person.old.clone(),
            Side::New => person.new.clone(),
        };
        let changes = people.iter().map(|person| changed(side, &sub(person)));
        let changes = changes.collect::<anyhow::Result<_>>()?;
        tokio::time::sleep(SETTLED).await;
        Ok(changes)
    }

    async fn tell(&self, changes: &[Change]) -> anyhow::Result<()> {
        trail::tell(self.environment, changes).await
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
    async fn sign_in(&self, person: &Person) -> anyhow::Result<()> {
        let source = "PostAuthentication_Authentication";
        let event = event(&self.bridge.old.id, source, &person.name, &person.old);
        let event = event.to_string();
        let limit = Duration::from_secs(10);
        self.bridge.services.invoke(CAPTURE, event.as_bytes(), limit).await.map(drop)
    }

    /// The people who reached both pools.
    async fn people(&self, names: &[String]) -> anyhow::Result<Vec<Person>> {
        let mut people = Vec::new();
        for name in names {
            let old = self.bridge.old.account(name).await?;
            let new = self.bridge.new.account(&address(name)).await?;
            let sub = |account: Option<crate::deployment::user_pool::Account>| {
                account.map(|account| account.sub).with_context(|| format!("{name} is missing"))
            };
            people.push(Person { name: name.clone(), old: sub(old)?, new: sub(new)? });
        }
        Ok(people)
    }

    /// Everything that apply has logged about messages so far.
    async fn told(&self) -> anyhow::Result<Told> {
        let mut told = Told::default();
        for line in self.bridge.services.log(APPLY).await? {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let Some(verdict) = line["verdict"].as_str() else { continue };
            told.received += 1;
            told.deleted += usize::from(line["back_after_milliseconds"].is_null());
            *told.verdicts.entry(verdict.to_owned()).or_default() += 1;
        }
        Ok(told)
    }
}

impl Told {
    /// What apply logged after `before`.
    fn since(mut self, before: &Self) -> Self {
        self.received -= before.received;
        self.deleted -= before.deleted;
        for (verdict, count) in &before.verdicts {
            *self.verdicts.entry(verdict.clone()).or_default() -= count;
        }
        self.verdicts.retain(|_, count| *count > 0);
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
