//! The services of a sweep over a million people: they generate every answer, and count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poolbridge_core::change::ChangeEvent;
use poolbridge_core::control::Control;
use poolbridge_core::error::PortError;
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::ports::Clock;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::{Cursor, Partition, PartitionResult, Summary};
use poolbridge_sweep_core::ports::{
    BulkQueue, CheckpointStore, RecordOwner, RecordReader, SweepPorts,
};

use super::listing::{LargePoolLister, WrongListing};
use super::people::People;
use crate::world::chance::Seeded;
use crate::world::{WORLD_START, give_way};

/// The counters.
#[derive(Default)]
pub struct Counted {
    /// Calls that list the parts of a pool, by side.
    pub pages: BySide<u64>,
    /// Calls that list a whole pool although it is split into parts.
    pub whole_pages: BySide<u64>,
    /// Calls that list groups, by side.
    pub group_pages: BySide<u64>,
    /// Rows on the pages in use now.
    pub rows: usize,
    /// The maximum of `rows`.
    pub rows_most: usize,
    /// Everything that was sent.
    pub sent: Vec<ChangeEvent>,
    /// Messages that are not processed yet.
    pub outstanding: u64,
    /// The maximum of `outstanding`.
    pub outstanding_most: u64,
    /// Parts finished, in order.
    pub parts: Vec<Partition>,
    /// Passes that ended.
    pub passes: Vec<Summary>,
}

/// A million people and the services of a sweep.
pub struct LargePool {
    /// The people.
    pub people: Arc<People>,
    shared: Arc<SharedPools>,
    listers: BySide<LargePoolLister>,
}

/// The state, shared by the ports.
pub(super) struct SharedPools {
    state: Mutex<PoolsState>,
}

/// The mutable state.
pub struct PoolsState {
    /// The current time.
    pub now: Time,
    /// The sweep's progress.
    pub cursor: Cursor,
    /// The counters.
    pub counted: Counted,
    /// How listings are wrong.
    pub wrong_listing: Option<WrongListing>,
    /// Whether apply processes what is sent.
    pub working: bool,
    /// Calls that will still be throttled.
    pub throttled: u32,
    /// Whether any task made progress in this turn.
    pub(super) progressed_in_turn: bool,
    /// When the first sleeping task continues.
    wakes: Option<Time>,
    pub(super) chance: Seeded,
    nonce: u128,
}

impl PoolsState {
    /// If all tasks sleep, lets time pass until the first of them continues.
    pub fn pass(&mut self) {
        let wakes = self.wakes.take();
        if !std::mem::take(&mut self.progressed_in_turn) {
            self.now = self.now.max(wakes.unwrap_or(self.now));
        }
    }
}

impl SharedPools {
    pub(super) fn lock(&self) -> MutexGuard<'_, PoolsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LargePool {
    /// These people, in pools whose listings are correct.
    pub fn new(people: People, seed: u64) -> Self {
        let people = Arc::new(people);
        let state = PoolsState {
            now: WORLD_START,
            cursor: Cursor::default(),
            counted: Counted::default(),
            wrong_listing: None,
            working: true,
            throttled: 0,
            progressed_in_turn: false,
            wakes: None,
            chance: Seeded::new(seed),
            nonce: 0,
        };
        let shared = Arc::new(SharedPools { state: Mutex::new(state) });
        let listers = BySide::from_fn(|side| LargePoolLister {
            people: Arc::clone(&people),
            shared: Arc::clone(&shared),
            side,
        });
        Self { people, shared, listers }
    }

    /// The mutable state.
    pub fn state(&self) -> MutexGuard<'_, PoolsState> {
        self.shared.lock()
    }
}

impl RecordReader for LargePool {
    async fn people(&self, _side: Side, subs: &[Sub]) -> Result<Vec<RecordOwner>, PortError> {
        self.state().progressed_in_turn = true;
        give_way().await;
        let record = |sub: &Sub| People::of_sub(sub).and_then(|number| self.people.record(number));
        let found =
            |sub| record(sub).map_or(RecordOwner::Unknown, |it| RecordOwner::Person(Box::new(it)));
        Ok(subs.iter().map(found).collect())
    }

    async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        Ok(self.people.of_id(id).and_then(|number| self.people.record(number)))
    }

    async fn has_pending(&self, _side: Side, _sub: &Sub) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn control(&self) -> Result<Control, PortError> {
        Ok(Control::default())
    }
}

impl CheckpointStore for LargePool {
    async fn read(&self) -> Result<Cursor, PortError> {
        Ok(self.state().cursor.clone())
    }

    async fn write(&self, cursor: &Cursor) -> Result<(), PortError> {
        // The checkpoint is stored before the answer arrives: a worker that crashes here has stored
        // it too.
        {
            let mut state = self.state();
            state.cursor = cursor.clone();
            state.progressed_in_turn = true;
        }
        give_way().await;
        Ok(())
    }

    async fn wanted(&self) -> Result<Option<Time>, PortError> {
        Ok(None)
    }

    async fn began(&self, _at: Time) -> Result<(), PortError> {
        Ok(())
    }

    async fn ended(&self, summary: &Summary) -> Result<(), PortError> {
        self.state().counted.passes.push(summary.clone());
        Ok(())
    }
}

impl BulkQueue for LargePool {
    async fn outstanding(&self) -> Result<u64, PortError> {
        self.state().progressed_in_turn = true;
        give_way().await;
        let mut state = self.state();
        if state.working {
            state.counted.outstanding = 0;
        }
        Ok(state.counted.outstanding)
    }

    async fn send(&self, changes: &[ChangeEvent]) -> Result<(), PortError> {
        self.state().progressed_in_turn = true;
        give_way().await;
        let counted = &mut self.state().counted;
        counted.sent.extend_from_slice(changes);
        counted.outstanding += changes.len() as u64;
        counted.outstanding_most = counted.outstanding_most.max(counted.outstanding);
        Ok(())
    }
}

impl Clock for LargePool {
    fn now(&self) -> Time {
        self.state().now
    }

    fn nonce(&self) -> u128 {
        let mut state = self.state();
        state.nonce += 1;
        state.nonce
    }
}

impl SweepPorts for LargePool {
    type Lister = LargePoolLister;
    type Records = Self;
    type Checkpoints = Self;
    type Bulk = Self;
    type Clock = Self;

    fn lister(&self, side: Side) -> &LargePoolLister {
        self.listers.get(side)
    }

    fn records(&self) -> &Self {
        self
    }

    fn checkpoints(&self) -> &Self {
        self
    }

    fn bulk(&self) -> &Self {
        self
    }

    fn clock(&self) -> &Self {
        self
    }

    async fn rest_until(&self, moment: Time) {
        loop {
            {
                let mut state = self.state();
                if state.now >= moment {
                    return;
                }
                state.wakes = Some(state.wakes.map_or(moment, |wakes| wakes.min(moment)));
            }
            give_way().await;
        }
    }

    fn progressed(&self, partition: &Partition, _done: &PartitionResult, _left: usize) {
        self.state().counted.parts.push(partition.clone());
    }
}

impl Counted {
    /// How often each account was sent.
    pub fn hints(&self) -> BTreeMap<(Side, Sub), usize> {
        let mut hints = BTreeMap::new();
        for change in &self.sent {
            *hints.entry((change.side, change.sub.clone())).or_default() += 1;
        }
        hints
    }
}
