//! The fakes: pools, table and queue of a simulated world without faults.

mod aws_quirks;

use std::collections::BTreeMap;
use std::time::Duration;

use poolbridge_core::account::{AccountRef, AttributeSchema, PoolSchema};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::error::PortError;
use poolbridge_core::names::PersonId;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::Cursor;
use poolbridge_sweep_core::ports::{CheckpointStore as _, SweepPorts};

use super::difference::ServiceBehaviour;
use super::ledger::TableFixture;
use super::pool::PoolFixture;
use super::queue::{QueueFixture, ReadMessage};
use super::resources;
use super::run::{ContractReport, run};
use crate::world::accounts::{attribute, group};
use crate::world::chance::Seeded;
use crate::world::fault_injection::{FaultInjection, FaultRates};
use crate::world::ledger::SimulatedLedger;
use crate::world::lister::{SimulatedLister, SimulatedRecords};
use crate::world::pool::SimulatedPool;
use crate::world::ports::SimulatedPorts;
use crate::world::queue::{Queue, Receipt, SimulatedOutbox};
use crate::world::{TaskId, World, WorldState};

/// The settle time. No case depends on it, because no fault is injected.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs every case whose name contains `filter` on the fakes.
pub async fn every(filter: &str) -> ContractReport {
    let pool_behaviour = ServiceBehaviour::of_aws();
    let fake = |side| Fake::new(side, pool_behaviour.clone());
    let by_email = run("pool of addresses", fake(Side::Old), super::pool::cases(), filter);
    let plain = run("pool of names", fake(Side::New), super::pool::cases(), filter);
    let aws_quirks = |side| run("pool with AWS's quirks", fake(side), aws_quirks::cases(), filter);
    let (aws_quirks_by_email, aws_quirks_plain) = (aws_quirks(Side::Old), aws_quirks(Side::New));
    let table = run("table", fake(Side::Old), super::ledger::cases(), filter);
    let queue = run("queue", fake(Side::Old), super::queue::cases(), filter);
    let aws_quirks = aws_quirks_by_email.await.and(aws_quirks_plain.await);
    by_email.await.and(plain.await).and(aws_quirks).and(table.await).and(queue.await)
}

/// A simulated world. The fixture uses one of its two pools.
#[derive(Clone)]
pub struct Fake {
    world: World,
    ports: SimulatedPorts,
    side: Side,
    pool_behaviour: ServiceBehaviour,
}

impl Fake {
    fn new(side: Side, pool_behaviour: ServiceBehaviour) -> Self {
        let fault_injection = FaultInjection::new(FaultRates::none());
        let chooser = Box::new(Seeded::new(1));
        let mut state = WorldState::new(chooser, fault_injection, SETTLE, ProtocolRules::WHOLE);
        state.pools.old.schema = schema(true);
        state.pools.new.schema = schema(false);
        let world = World::new(state);
        let ports = world.ports(TaskId(1));
        Self { world, ports, side, pool_behaviour }
    }

    fn pass(&self, span: Duration) {
        let mut state = self.world.lock();
        let until = state.now + span;
        state.pass(until);
    }
}

/// The pool schema that the local stack's pools get too.
fn schema(by_email: bool) -> PoolSchema {
    let bounded = AttributeSchema { longest: Some(2048), ..AttributeSchema::default() };
    let text = |name, mutable| (attribute(name), AttributeSchema { mutable, ..bounded.clone() });
    let flag = |name| (attribute(name), AttributeSchema::default());
    let mutable = ["email", "phone_number", "given_name", "family_name", "nickname", "locale"];
    let mut attributes: BTreeMap<_, _> = mutable.into_iter().map(|name| text(name, true)).collect();
    attributes.extend([
        text("preferred_username", true),
        text(resources::MUTABLE, true),
        text(resources::IMMUTABLE, false),
        flag("email_verified"),
        flag("phone_number_verified"),
    ]);
    let addresses = || by_email.then(|| attribute("email")).into_iter().collect();
    PoolSchema {
        attributes,
        username_attributes: addresses(),
        verified_by_code: addresses(),
        groups: resources::GROUPS.map(group).into(),
        case_sensitive: false,
        ..PoolSchema::default()
    }
}

impl TableFixture for Fake {
    type RecordReader = SimulatedRecords;
    type Ledger = SimulatedLedger;

    fn ledger(&self) -> &SimulatedLedger {
        self.ports.ledger()
    }

    fn records(&self) -> &SimulatedRecords {
        self.ports.records()
    }

    async fn cursor(&self) -> Result<Cursor, PortError> {
        self.ports.checkpoints().read().await
    }

    async fn put_cursor(&self, cursor: &Cursor) -> Result<(), PortError> {
        self.ports.checkpoints().write(cursor).await
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }

    async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        Ok(self.world.lock().table.person(id).cloned())
    }

    async fn back_off(
        &self,
        of: &ChangeEvent,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> Result<bool, PortError> {
        Ok(self.world.lock().table.back_off(of.side, &of.sub, token, until, reason))
    }

    async fn close_breaker(&self) -> Result<(), PortError> {
        let mut state = self.world.lock();
        state.table.control.breaker = None;
        state.table.control.revision += 1;
        Ok(())
    }

    async fn allow_removals(&self, now: Time, more: u64) -> Result<(), PortError> {
        self.world.lock().table.allow_removals(now, more);
        Ok(())
    }

    async fn counted(&self) -> Result<BTreeMap<PersonState, i64>, PortError> {
        Ok(self.world.lock().table.counts.clone())
    }
}

impl PoolFixture for Fake {
    type Pool = SimulatedPool;
    type AccountLister = SimulatedLister;

    fn pool(&self) -> &SimulatedPool {
        self.ports.pool(self.side)
    }

    fn lister(&self) -> &SimulatedLister {
        SweepPorts::lister(&self.ports, self.side)
    }

    fn by_email(&self) -> bool {
        self.side == Side::Old
    }

    fn now(&self) -> Time {
        self.world.lock().now
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }

    fn pool_behaviour(&self) -> &ServiceBehaviour {
        &self.pool_behaviour
    }

    async fn delete(&self, account: &AccountRef) -> anyhow::Result<()> {
        // A pool distinguishes versions by time.
        self.pass(Duration::from_millis(1));
        let mut state = self.world.lock();
        let now = state.now;
        if let Some(account) = state.pools.get_mut(self.side).get_mut(&account.sub) {
            account.change(now, |body| body.exists = false);
        }
        Ok(())
    }

    async fn wait(&self, span: Duration) {
        self.pass(span);
    }
}

impl QueueFixture for Fake {
    type Outbox = SimulatedOutbox;
    type Receipt = Receipt;

    fn outbox(&self) -> &SimulatedOutbox {
        self.ports.outbox()
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }

    fn pool_behaviour(&self) -> &ServiceBehaviour {
        &self.pool_behaviour
    }

    async fn receive(&self) -> Result<Option<ReadMessage<Receipt>>, PortError> {
        let mut state = self.world.lock();
        let (now, hide) = (state.now, Duration::from_secs(resources::HIDDEN_SECONDS));
        // A message that moves to the dead-letter queue is not received; the next one is.
        while let Some(first) = state.queue.ready(now).first().copied() {
            if let Some((change, receipt)) = state.queue.receive(first, now, hide) {
                return Ok(Some(ReadMessage { change, receipt, receives: receipt.receives }));
            }
        }
        Ok(None)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), PortError> {
        let mut state = self.world.lock();
        let now = state.now;
        state.queue.delete(*receipt, now);
        Ok(())
    }

    async fn show_after(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let mut state = self.world.lock();
        let now = state.now;
        state.queue.postpone(*receipt, now + after, now);
        Ok(())
    }

    async fn counts(&self) -> Result<QueueCounts, PortError> {
        let state = self.world.lock();
        Ok(state.queue.counts(state.now))
    }

    async fn dead(&self) -> Result<u64, PortError> {
        Ok(self.world.lock().queue.dead.len() as u64)
    }

    async fn empty(&self) -> anyhow::Result<()> {
        self.world.lock().queue = Queue::default();
        Ok(())
    }

    async fn wait(&self, span: Duration) {
        self.pass(span);
    }
}
