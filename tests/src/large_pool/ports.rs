//! The services of a sweep over a million people: they generate every answer, and count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{GroupName, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::Clock;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::sweep::pass::{Cursor, Partition, PartitionResult, Summary};
use poolbridge_core::sweep::ports::{
    AccountLister, BulkQueue, CheckpointStore, Page, PageStream, RecordOwner, RecordReader,
    SweepPorts,
};
use poolbridge_core::sweep::shard::Prefix;
use poolbridge_core::time::Time;

use super::people::People;
use crate::world::chance::{Chooser, Seeded};
use crate::world::{BEGINNING, give_way};

/// Accounts per page, as in Cognito.
const PAGE: usize = 60;

/// How a listing can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Pages are short or empty although more follow. That is correct: the service says that it may
    /// happen.
    Short,
    /// The listing ends early.
    Ends,
    /// Some accounts are left out.
    LeavesOut,
    /// Some accounts are shown twice.
    Doubles,
    /// Accounts of another part are listed too.
    Strays,
    /// Some accounts are listed as they were before a change, and deleted accounts are listed.
    Old,
}

impl Lie {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Short, Self::Ends, Self::LeavesOut, Self::Doubles, Self::Strays, Self::Old];
}

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

struct SharedPools {
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
    pub lie: Option<Lie>,
    /// Whether apply processes what is sent.
    pub working: bool,
    /// Calls that will still be throttled.
    pub throttled: u32,
    /// Whether any task made progress in this turn.
    stirred: bool,
    /// When the first sleeping task continues.
    wakes: Option<Time>,
    chance: Seeded,
    nonce: u128,
}

impl PoolsState {
    /// If all tasks sleep, lets time pass until the first of them continues.
    pub fn pass(&mut self) {
        let wakes = self.wakes.take();
        if !std::mem::take(&mut self.stirred) {
            self.now = self.now.max(wakes.unwrap_or(self.now));
        }
    }
}

impl SharedPools {
    fn lock(&self) -> MutexGuard<'_, PoolsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LargePool {
    /// These people, in pools whose listings are correct.
    pub fn new(people: People, seed: u64) -> Self {
        let people = Arc::new(people);
        let state = PoolsState {
            now: BEGINNING,
            cursor: Cursor::default(),
            counted: Counted::default(),
            lie: None,
            working: true,
            throttled: 0,
            stirred: false,
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

/// One pool.
pub struct LargePoolLister {
    people: Arc<People>,
    shared: Arc<SharedPools>,
    side: Side,
}

/// A listing in progress.
pub struct LargePoolPages {
    people: Arc<People>,
    shared: Arc<SharedPools>,
    side: Side,
    prefix: Option<Prefix>,
    whole: bool,
    after: Option<u64>,
    ended: bool,
    rows: usize,
}

impl LargePoolPages {
    /// The numbers on the next page; `None` at the end.
    fn numbers(&mut self) -> Result<Option<Vec<u64>>, PortError> {
        let mut state = self.shared.lock();
        let counted = &mut state.counted;
        counted.rows -= self.rows;
        self.rows = 0;
        if self.ended {
            return Ok(None);
        }
        let pages = match (&self.prefix, self.whole) {
            (None, _) => &mut counted.group_pages,
            (Some(prefix), true) if prefix.is_whole() => &mut counted.whole_pages,
            (Some(_), _) => &mut counted.pages,
        };
        *pages.get_mut(self.side) += 1;
        if state.throttled > 0 {
            state.throttled -= 1;
            return Err(PortError::new(ErrorKind::Throttled, "ListUsers"));
        }
        let lie = state.lie;
        let mut most = PAGE;
        if lie == Some(Lie::Short) {
            most = [0, 1, 7, 60][state.chance.choose(4, "how short")];
        }
        let mut numbers = self.next_numbers(most);
        self.ended = numbers.len() < most;
        if let Some(last) = numbers.last() {
            self.after = Some(*last);
        }
        match lie {
            Some(Lie::Ends) if state.chance.happens(40, "ends") => self.ended = true,
            Some(Lie::LeavesOut) => {
                numbers.retain(|_| !state.chance.happens(50, "left out"));
            }
            Some(Lie::Doubles) if state.chance.happens(4, "doubled") => {
                let twice = numbers.clone();
                numbers.extend(twice);
            }
            Some(Lie::Strays) if state.chance.happens(4, "strays") => {
                let among = usize::try_from(self.people.count).unwrap_or(1);
                numbers.push(state.chance.choose(among, "who") as u64);
            }
            Some(_) | None => {}
        }
        self.rows = numbers.len();
        let counted = &mut state.counted;
        counted.rows += self.rows;
        counted.rows_most = counted.rows_most.max(counted.rows);
        Ok(Some(numbers))
    }

    fn next_numbers(&self, most: usize) -> Vec<u64> {
        let Some(prefix) = &self.prefix else {
            let first = self.after.map_or(0, |after| after + 1);
            let everybody = first..self.people.count;
            let members = everybody.filter(|number| self.people.member(self.side, *number));
            return members.take(most).collect();
        };
        self.people.listed(self.side, prefix, self.after).take(most).collect()
    }
}

impl Drop for LargePoolPages {
    fn drop(&mut self) {
        self.shared.lock().counted.rows -= self.rows;
    }
}

impl PageStream<Account> for LargePoolPages {
    async fn next(&mut self) -> Result<Option<Page<Account>>, PortError> {
        self.shared.lock().stirred = true;
        give_way().await;
        let Some(numbers) = self.numbers()? else { return Ok(None) };
        let old = self.shared.lock().lie == Some(Lie::Old);
        let account = |number: u64| {
            let account = self.people.account(self.side, number);
            let before =
                if old { People::new(0).account(self.side, number) } else { return account };
            Account { sub: account.sub, ..before }
        };
        Ok(Some(Page { read: numbers.into_iter().map(account).collect(), unreadable: 0 }))
    }
}

impl PageStream<Sub> for LargePoolPages {
    async fn next(&mut self) -> Result<Option<Page<Sub>>, PortError> {
        self.shared.lock().stirred = true;
        give_way().await;
        let Some(numbers) = self.numbers()? else { return Ok(None) };
        let sub = |number: u64| self.people.sub(self.side, number);
        Ok(Some(Page { read: numbers.into_iter().map(sub).collect(), unreadable: 0 }))
    }
}

impl LargePoolLister {
    fn pages(&self, prefix: Option<Prefix>) -> LargePoolPages {
        let depth = self.shared.lock().cursor.pass.as_ref().map(|pass| *pass.depth.get(self.side));
        LargePoolPages {
            people: Arc::clone(&self.people),
            shared: Arc::clone(&self.shared),
            side: self.side,
            prefix,
            whole: depth.is_some_and(|depth| depth > 0),
            after: None,
            ended: false,
            rows: 0,
        }
    }
}

impl AccountLister for LargePoolLister {
    type Accounts = LargePoolPages;
    type Members = LargePoolPages;

    async fn schema(&self) -> Result<Arc<PoolSchema>, PortError> {
        Ok(Arc::new(self.people.schema.clone()))
    }

    async fn estimate(&self) -> Result<Option<u64>, PortError> {
        Ok(Some(self.people.count))
    }

    fn accounts(&self, prefix: &Prefix) -> LargePoolPages {
        self.pages(Some(prefix.clone()))
    }

    fn members(&self, _group: &GroupName) -> LargePoolPages {
        self.pages(None)
    }
}

impl RecordReader for LargePool {
    async fn people(&self, _side: Side, subs: &[Sub]) -> Result<Vec<RecordOwner>, PortError> {
        self.state().stirred = true;
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
        // The checkpoint is stored before the answer arrives: a worker that dies here has stored it
        // too.
        {
            let mut state = self.state();
            state.cursor = cursor.clone();
            state.stirred = true;
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
        self.state().stirred = true;
        give_way().await;
        let mut state = self.state();
        if state.working {
            state.counted.outstanding = 0;
        }
        Ok(state.counted.outstanding)
    }

    async fn send(&self, changes: &[ChangeEvent]) -> Result<(), PortError> {
        self.state().stirred = true;
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
    pub fn looks(&self) -> BTreeMap<(Side, Sub), usize> {
        let mut looks = BTreeMap::new();
        for change in &self.sent {
            *looks.entry((change.side, change.sub.clone())).or_default() += 1;
        }
        looks
    }
}
