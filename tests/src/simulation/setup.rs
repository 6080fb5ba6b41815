//! The setup for small stories: a world without faults, a bridge, and explicit steps. What happens
//! by chance elsewhere is written in the story.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::account::{Account, AttributeSchema, PoolSchema};
use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::control::ConfigurationStamp;
use poolbridge_core::error::PortError;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::names::{Sub, Username};
use poolbridge_core::outcome::Outcome;
use poolbridge_core::plan::Observation;
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Policy, Provision, StalePasswords};
use poolbridge_core::ports::Ports as _;
use poolbridge_core::profile::Factor;
use poolbridge_core::reconcile::operator::{LinkError, LinkRefusal};
use poolbridge_core::reconcile::{Bridge, Report, Work};
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_sweep_core::{Sweep, SweepSettings, Tick, compare};

use crate::world::accounts::{Body, SimulatedAccount, Version, attribute, group};
use crate::world::chance::Seeded;
use crate::world::edits::Human;
use crate::world::fault_injection::{FaultInjection, FaultRates};
use crate::world::ports::SimulatedPorts;
use crate::world::trace::Trace;
use crate::world::{TaskId, WORLD_START, World, WorldState};

/// A world without faults, with a bridge.
pub struct Setup {
    /// The world.
    pub world: World,
    /// The team's policy.
    pub policy: Policy,
    /// The time left in each worker's invocation when it begins with a person.
    pub invocation: Duration,
    /// Whether the platform may suspend a worker.
    pub suspendable: bool,
    keys: Keyring,
    configuration: ConfigurationStamp,
    tasks: u32,
}

impl Setup {
    /// Two empty pools of one shape.
    pub fn new(provision: Provision) -> Self {
        let chooser = Box::new(Seeded::new(1));
        let mut state = WorldState::new(
            chooser,
            FaultInjection::new(FaultRates::none()),
            limits::SETTLE,
            ProtocolRules::WHOLE,
        );
        state.trace = Trace::recording();
        for side in Side::BOTH {
            state.pools.get_mut(side).schema = schema();
        }
        let policy = Policy {
            match_by: MatchBy::Email,
            provision: BySide { old: provision, new: provision },
            conflicts: ConflictRule::ActiveWins,
            deletes: Deletes::Disable,
            groups: true,
            stale_passwords: StalePasswords::Close,
            settle: limits::SETTLE,
            clock_allowance: Duration::ZERO,
            mapping: Mapping::new(Vec::new(), &BTreeSet::new(), false, true)
                .expect("no rule at all contradicts none"),
            rules: ProtocolRules::WHOLE,
        };
        let configuration = ConfigurationStamp {
            hash: "setup".to_owned(),
            since: WORLD_START,
            pools: BySide::default(),
        };
        let keys = Keyring::new(1, [7; 32]);
        let (invocation, suspendable) = (limits::PERSON_TIME_MAX, false);
        let world = World::new(state);
        Self { world, policy, invocation, suspendable, keys, configuration, tasks: 0 }
    }

    /// A confirmed account with that address, verified or only claimed.
    pub fn account(&self, side: Side, human: u32, address: &str, proved: bool) -> Sub {
        let mut state = self.world.lock();
        let now = state.now;
        let pool = state.pools.get_mut(side);
        let sub = pool.next_sub();
        let attributes = BTreeMap::from([
            (attribute("email"), address.to_owned()),
            (attribute("email_verified"), proved.to_string()),
        ]);
        let body = Body::confirmed(attributes, now);
        let username = Username::try_from(format!("{side}-{human}").as_str())
            .expect("it is short and printable");
        let first = Version { at: now, body };
        pool.add(SimulatedAccount::new(sub.clone(), username, Human(human), false, first));
        sub
    }

    /// Edits an account as its owner or an administrator would.
    pub fn edit(&self, side: Side, sub: &Sub, edit: impl FnOnce(&mut Body)) {
        let mut state = self.world.lock();
        let now = state.now;
        let account = state.pools.get_mut(side).get_mut(sub).expect("there is such an account");
        account.change(now, |body| {
            edit(body);
            body.modified = now;
        });
    }

    /// Sets one attribute.
    pub fn set(&self, side: Side, sub: &Sub, name: &str, value: &str) {
        self.edit(side, sub, |body| {
            body.attributes.insert(attribute(name), value.to_owned());
        });
    }

    /// The value of an account's attribute.
    pub fn attribute(&self, side: Side, sub: &Sub, name: &str) -> Option<String> {
        self.body(side, sub).attributes.get(&attribute(name)).cloned()
    }

    /// The current state of an account.
    pub fn body(&self, side: Side, sub: &Sub) -> Body {
        self.world.lock().account(side, sub).expect("there is such an account").body().clone()
    }

    /// The change that a trigger would receive for an edit made now.
    pub fn change(&mut self, side: Side, sub: &Sub, evidence: Evidence) -> ChangeEvent {
        self.tasks += 1;
        let at = self.world.lock().now;
        let (sub, id) = (sub.clone(), u128::from(self.tasks));
        let (password, administrator, claimed) = (false, false, false);
        ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id }
    }

    /// Does what a trigger does.
    pub fn capture(&mut self, side: Side, sub: &Sub) {
        let change = self.change(side, sub, Evidence::Changed);
        let ports = self.world.ports(TaskId(self.tasks));
        assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    }

    fn work(&self) -> Work {
        let now = self.world.lock().now;
        let (deadline, invocation_end) = (now + limits::PERSON_TIME_MAX, now + self.invocation);
        Work { deadline, invocation_end, suspendable: self.suspendable }
    }

    /// One run of apply for one change.
    pub fn process(&mut self, change: &ChangeEvent) -> Report {
        self.tasks += 1;
        let ports = self.world.ports(TaskId(self.tasks));
        let bridge = Bridge {
            ports: &ports,
            policy: &self.policy,
            keys: &self.keys,
            configuration: &self.configuration,
        };
        let work = self.work();
        finish(bridge.reconcile(change, &work))
    }

    /// One run of apply for one change by a worker that crashes after that many turns. Returns
    /// whether it was still running then.
    pub fn observe_and_crash(&mut self, change: &ChangeEvent, turns: usize) -> bool {
        self.tasks += 1;
        let task = TaskId(self.tasks);
        let ports = self.world.ports(task);
        let Self { policy, keys, configuration, .. } = &*self;
        let bridge = Bridge { ports: &ports, policy, keys, configuration };
        let work = self.work();
        let mut run = Box::pin(bridge.reconcile(change, &work));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..turns {
            if run.as_mut().poll(&mut context).is_ready() {
                return false;
            }
        }
        drop(run);
        self.world.lock().abandon(task, false);
        true
    }

    /// Links two accounts as an operator does: writes the table, and captures a change of both.
    pub fn link(&mut self, old: &Sub, new: &Sub, federated: bool) -> Result<(), LinkRefusal> {
        let subs = BySide { old: old.clone(), new: new.clone() };
        self.by_operator(async |bridge, work| {
            Box::pin(bridge.link_by_operator(&subs, federated, work)).await.map(drop)
        })?;
        self.hint(Side::Old, old);
        self.hint(Side::New, new);
        Ok(())
    }

    /// Separates the accounts of a person as an operator does.
    pub fn unlink(&mut self, side: Side, sub: &Sub) -> Result<(), LinkRefusal> {
        let halves = self
            .by_operator(async |bridge, work| bridge.unlink_by_operator(side, sub, work).await)?;
        for side in Side::BOTH {
            if let Some(known) = halves.get(side).accounts.get(side) {
                self.hint(side, &known.sub);
            }
        }
        Ok(())
    }

    fn by_operator<T>(
        &mut self,
        act: impl AsyncFnOnce(&Bridge<'_, SimulatedPorts>, &Work) -> Result<T, LinkError>,
    ) -> Result<T, LinkRefusal> {
        self.tasks += 1;
        let ports = self.world.ports(TaskId(self.tasks));
        let bridge = Bridge {
            ports: &ports,
            policy: &self.policy,
            keys: &self.keys,
            configuration: &self.configuration,
        };
        let now = self.world.lock().now;
        let deadline = now + limits::PERSON_TIME_MAX;
        let work = Work { deadline, invocation_end: deadline, suspendable: true };
        match finish(act(&bridge, &work)) {
            Ok(done) => Ok(done),
            Err(LinkError::Refused(refusal)) => Err(refusal),
            Err(LinkError::Failed(error)) => panic!("a call failed: {error}"),
        }
    }

    fn hint(&mut self, side: Side, sub: &Sub) {
        let change = self.change(side, sub, Evidence::Hint);
        let ports = self.world.ports(TaskId(self.tasks));
        assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    }

    /// One invocation of the sweep. The caller polls it while time passes, because it paces itself.
    pub fn sweep(&mut self) -> impl Future<Output = Result<Tick, PortError>> + use<> {
        self.tasks += 1;
        let ports = self.world.ports(TaskId(self.tasks));
        let (policy, keys) = (self.policy.clone(), self.keys.clone());
        let configuration = self.configuration.clone();
        let end = self.world.lock().now + Duration::from_mins(5);
        async move {
            let settings =
                SweepSettings { every: Duration::ZERO, quota_percent: 50, one_quota: false };
            let sweep = Sweep {
                ports: &ports,
                policy: &policy,
                keys: &keys,
                configuration: &configuration,
                settings,
            };
            Box::pin(sweep.tick(end)).await
        }
    }

    /// Lets time pass.
    pub fn wait(&self, span: Duration) {
        let mut state = self.world.lock();
        let until = state.now + span;
        state.pass(until);
    }

    /// Processes every pending change again and again until none is left. Returns the outcomes.
    pub fn settle(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for _ in 0..50 {
            self.wait(limits::SETTLE);
            let pending_changes: Vec<(Side, Sub)> =
                self.world.lock().table.pending_changes.keys().cloned().collect();
            if pending_changes.is_empty() {
                return outcomes;
            }
            for (side, sub) in pending_changes {
                let pending =
                    self.world.lock().table.pending_changes.get(&(side, sub.clone())).cloned();
                let Some(at) = pending.map(|pending| pending.last) else { continue };
                let change = ChangeEvent { at, ..self.change(side, &sub, Evidence::Hint) };
                outcomes.push(self.process(&change).outcome);
            }
        }
        panic!("the changes do not settle: {outcomes:?}");
    }

    /// Captures a change and processes it. Returns the outcomes.
    pub fn captured(&mut self, side: Side, sub: &Sub) -> Vec<Outcome> {
        self.capture(side, sub);
        self.settle()
    }

    /// Does what the trail function does about a deletion.
    pub fn deleted(&mut self, side: Side, sub: &Sub) -> Vec<Outcome> {
        let change = self.change(side, sub, Evidence::Deleted);
        let mut outcomes = Vec::new();
        self.wait(limits::SETTLE);
        for _ in 0..10 {
            let report = self.process(&change);
            outcomes.push(report.outcome.clone());
            let Outcome::Retry(after, _) = report.outcome else { return outcomes };
            self.wait(after);
        }
        panic!("the changes do not settle: {outcomes:?}");
    }

    /// The person record of that account.
    pub fn record(&self, side: Side, sub: &Sub) -> PersonRecord {
        self.world.lock().table.find(side, sub).expect("the person is known").clone()
    }

    /// Whether a pass of the sweep that lists this account as it is would send a hint about it.
    pub fn swept(&self, side: Side, sub: &Sub) -> bool {
        let record = self.record(side, sub);
        let state = self.world.lock();
        let whole = state.account(side, sub).and_then(SimulatedAccount::whole);
        let Some(listed) = whole else { return false };
        let listed = Account { groups: None, factors: None, ..listed };
        let schemas = BySide::from_fn(|side| Arc::new(state.pools.get(side).schema.clone()));
        let Self { policy, keys, .. } = self;
        let observation = Observation::new(policy, side, listed, &schemas, state.now);
        let now = state.now;
        compare::differs(
            &compare::CompareInput { policy, keys, side, record: &record, now },
            &observation,
        )
    }

    /// How often a pool was written.
    pub fn writes(&self) -> u64 {
        self.world.lock().watch.writes
    }

    /// The number of accounts in a pool.
    pub fn living(&self, side: Side) -> usize {
        self.world.lock().pools.get(side).living().count()
    }

    /// Two accounts of one human, linked and equal.
    pub fn pair(&mut self) -> (Sub, Sub) {
        let old = self.account(Side::Old, 1, "one@example.com", true);
        let new = self.account(Side::New, 1, "one@example.com", true);
        self.captured(Side::Old, &old);
        assert_eq!(self.record(Side::Old, &old).state, PersonState::Synced);
        assert_eq!(self.record(Side::New, &new).id, self.record(Side::Old, &old).id);
        (old, new)
    }
}

/// The schema of both pools.
pub fn schema() -> PoolSchema {
    let names = ["email", "email_verified", "name", "nickname", "phone_number"];
    let names = names.into_iter().chain(["phone_number_verified"]);
    PoolSchema {
        attributes: names
            .map(|name| {
                (
                    attribute(name),
                    AttributeSchema { longest: Some(20), ..AttributeSchema::default() },
                )
            })
            .collect(),
        case_sensitive: true,
        groups: BTreeSet::from([group("staff"), group("admins")]),
        factors: BTreeSet::from([Factor::Sms, Factor::Email]),
        ..PoolSchema::default()
    }
}

/// Polls a future to its end, in this thread.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the flow does not end");
}
