//! The fakes: pools, table and queue of a simulated world without faults.

mod unkind;

use std::collections::BTreeMap;
use std::time::Duration;

use poolbridge_core::account::{AttributeShape, Handle, Shape};
use poolbridge_core::change::Change;
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::entry::{Entry, State as PersonState};
use poolbridge_core::fault::Fault;
use poolbridge_core::law::Law;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_core::sweep::pass::Cursor;
use poolbridge_core::sweep::ports::{Notebook as _, Outside};
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;

use super::difference::Manners;
use super::ground;
use super::ledger::TableStand;
use super::pool::PoolStand;
use super::queue::{Delivery, QueueStand};
use super::run::{Report, run};
use crate::world::accounts::{attribute, group};
use crate::world::chance::Seeded;
use crate::world::ledger::SimulatedLedger;
use crate::world::pool::SimulatedPool;
use crate::world::queue::{Queue, Receipt, SimulatedOutbox};
use crate::world::roster::{SimulatedRegister, SimulatedRoster};
use crate::world::weather::{Climate, Weather};
use crate::world::{Ports, State, TaskId, World};

/// The settle time. No case depends on it, because no fault is injected.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs every case whose name contains `filter` on the fakes.
pub async fn every(filter: &str) -> Report {
    let manners = Manners::of_aws();
    let fake = |side| Fake::new(side, manners.clone());
    let by_email = run("pool of addresses", fake(Side::Old), super::pool::cases(), filter);
    let plain = run("pool of names", fake(Side::New), super::pool::cases(), filter);
    let unkind = |side| run("pool as unkind as AWS", fake(side), unkind::cases(), filter);
    let (unkind_by_email, unkind_plain) = (unkind(Side::Old), unkind(Side::New));
    let table = run("table", fake(Side::Old), super::ledger::cases(), filter);
    let queue = run("queue", fake(Side::Old), super::queue::cases(), filter);
    let unkind = unkind_by_email.await.and(unkind_plain.await);
    by_email.await.and(plain.await).and(unkind).and(table.await).and(queue.await)
}

/// A simulated world. The stand uses one of its two pools.
#[derive(Clone)]
pub struct Fake {
    world: World,
    ports: Ports,
    side: Side,
    manners: Manners,
}

impl Fake {
    fn new(side: Side, manners: Manners) -> Self {
        let weather = Weather::new(Climate::calm());
        let chooser = Box::new(Seeded::new(1));
        let mut state = State::new(chooser, weather, SETTLE, Law::WHOLE);
        state.pools.old.shape = shape(true);
        state.pools.new.shape = shape(false);
        let world = World::new(state);
        let ports = world.ports(TaskId(1));
        Self { world, ports, side, manners }
    }

    fn pass(&self, span: Duration) {
        let mut state = self.world.lock();
        let until = state.now + span;
        state.pass(until);
    }
}

/// The pool schema that the local stack's pools get too.
fn shape(by_email: bool) -> Shape {
    let bounded = AttributeShape { longest: Some(2048), ..AttributeShape::default() };
    let text = |name, mutable| (attribute(name), AttributeShape { mutable, ..bounded.clone() });
    let flag = |name| (attribute(name), AttributeShape::default());
    let mutable = ["email", "phone_number", "given_name", "family_name", "nickname", "locale"];
    let mut attributes: BTreeMap<_, _> = mutable.into_iter().map(|name| text(name, true)).collect();
    attributes.extend([
        text("preferred_username", true),
        text(ground::MUTABLE, true),
        text(ground::IMMUTABLE, false),
        flag("email_verified"),
        flag("phone_number_verified"),
    ]);
    let addresses = || by_email.then(|| attribute("email")).into_iter().collect();
    Shape {
        attributes,
        username_attributes: addresses(),
        verified_by_code: addresses(),
        groups: ground::GROUPS.map(group).into(),
        case_sensitive: false,
        ..Shape::default()
    }
}

impl TableStand for Fake {
    type Register = SimulatedRegister;
    type Ledger = SimulatedLedger;

    fn ledger(&self) -> &SimulatedLedger {
        self.ports.ledger()
    }

    fn register(&self) -> &SimulatedRegister {
        self.ports.register()
    }

    async fn cursor(&self) -> Result<Cursor, Fault> {
        self.ports.notebook().read().await
    }

    async fn put_cursor(&self, cursor: &Cursor) -> Result<(), Fault> {
        self.ports.notebook().write(cursor).await
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }

    async fn person(&self, id: &PersonId) -> Result<Option<Entry>, Fault> {
        Ok(self.world.lock().table.person(id).cloned())
    }

    async fn back_off(
        &self,
        of: &Change,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> Result<bool, Fault> {
        Ok(self.world.lock().table.back_off(of.side, &of.sub, token, until, reason))
    }

    async fn close_breaker(&self) -> Result<(), Fault> {
        let mut state = self.world.lock();
        state.table.control.breaker = None;
        state.table.control.revision += 1;
        Ok(())
    }

    async fn allow_removals(&self, now: Time, more: u64) -> Result<(), Fault> {
        self.world.lock().table.allow_removals(now, more);
        Ok(())
    }

    async fn counted(&self) -> Result<BTreeMap<PersonState, i64>, Fault> {
        Ok(self.world.lock().table.counts.clone())
    }
}

impl PoolStand for Fake {
    type Pool = SimulatedPool;
    type Roster = SimulatedRoster;

    fn pool(&self) -> &SimulatedPool {
        self.ports.pool(self.side)
    }

    fn roster(&self) -> &SimulatedRoster {
        Outside::roster(&self.ports, self.side)
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

    fn manners(&self) -> &Manners {
        &self.manners
    }

    async fn delete(&self, account: &Handle) -> anyhow::Result<()> {
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

impl QueueStand for Fake {
    type Outbox = SimulatedOutbox;
    type Receipt = Receipt;

    fn outbox(&self) -> &SimulatedOutbox {
        self.ports.outbox()
    }

    fn nonce(&self) -> u128 {
        self.world.lock().nonce()
    }

    fn manners(&self) -> &Manners {
        &self.manners
    }

    async fn receive(&self) -> Result<Option<Delivery<Receipt>>, Fault> {
        let mut state = self.world.lock();
        let (now, hide) = (state.now, Duration::from_secs(ground::HIDDEN_SECONDS));
        // A message that moves to the dead-letter queue is not received; the next one is.
        while let Some(first) = state.queue.ready(now).first().copied() {
            if let Some((change, receipt)) = state.queue.receive(first, now, hide) {
                return Ok(Some(Delivery { change, receipt, receives: receipt.receives }));
            }
        }
        Ok(None)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), Fault> {
        let mut state = self.world.lock();
        let now = state.now;
        state.queue.delete(*receipt, now);
        Ok(())
    }

    async fn show_after(&self, receipt: &Receipt, after: Duration) -> Result<(), Fault> {
        let mut state = self.world.lock();
        let now = state.now;
        state.queue.postpone(*receipt, now + after, now);
        Ok(())
    }

    async fn counts(&self) -> Result<QueueCounts, Fault> {
        let state = self.world.lock();
        Ok(state.queue.counts(state.now))
    }

    async fn dead(&self) -> Result<u64, Fault> {
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
