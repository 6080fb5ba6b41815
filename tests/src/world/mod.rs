//! A simulated world around the real protocol: two pools, the state table, the queue, the clock,
//! and fault injection.
//!
//! Everything happens in one thread and in an order that a [`Chooser`] decides. A task reaches the
//! world through its own [`ports::SimulatedPorts`]. Each call is a request that is sent at one poll
//! and answered at a later one, so that other tasks, people, time and crashes come in between.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::Cursor;

pub mod accounts;
pub mod observations;
pub mod chance;
pub mod clock;
pub mod deletions;
pub mod edits;
pub mod history;
pub mod ledger;
pub mod connection;
mod pool_behaviour;
pub(crate) mod pool_reads;
pub mod passwords;
pub mod pool;
pub mod ports;
pub mod write_checks;
pub mod queue;
mod record;
pub mod lister;
pub mod table;
pub mod trace;
pub mod watch;
pub mod fault_injection;

use accounts::Accounts;
use chance::Chooser;
use connection::{InFlight, SignedRequest};
use deletions::AccountDeletion;
use edits::Edits;
use fault_injection::FaultInjection;
use history::Histories;
use queue::Queue;
use table::Table;
use trace::Trace;
use watch::Watch;

/// The start time of every world. The number only has to be away from the edges of any range.
pub const WORLD_START: Time = Time(1_800_000_000_000);

/// One running task: a worker with one message, or one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// The whole state of a world.
pub struct WorldState {
    /// The current time.
    pub now: Time,
    /// Decides everything that is not determined.
    pub chooser: Box<dyn Chooser>,
    /// The fault injection.
    pub fault_injection: FaultInjection,
    /// The two pools.
    pub pools: BySide<Accounts>,
    /// The state table.
    pub table: Table,
    /// The queue.
    pub queue: Queue,
    /// The sweep's progress.
    pub cursor: Cursor,
    /// All edits.
    pub edits: Edits,
    /// All deletions.
    pub deletions: Vec<AccountDeletion>,
    /// What the tasks saw and did, for the checks.
    pub watch: Watch,
    /// The trace.
    pub trace: Trace,
    /// Requests that may still land although their sender gave up on them.
    pub in_flight: Vec<InFlight>,
    /// The requests that each task is about to send, numbered.
    pub about_to_send: BTreeMap<(TaskId, u64), SignedRequest>,
    /// The bound on stale reads.
    pub settle: Duration,
    /// How many milliseconds each task's clock is fast.
    clocks: BTreeMap<TaskId, i64>,
    /// The rules of the protocol that hold.
    pub rules: ProtocolRules,
    /// What each task received, where a search must distinguish equal states from different ones.
    pub histories: Option<Histories>,
    nonce: u128,
    requests: u64,
}

impl WorldState {
    /// An empty world.
    pub fn new(
        chooser: Box<dyn Chooser>,
        fault_injection: FaultInjection,
        settle: Duration,
        rules: ProtocolRules,
    ) -> Self {
        Self {
            now: WORLD_START,
            chooser,
            fault_injection,
            pools: BySide::from_fn(Accounts::new),
            table: Table::default(),
            queue: Queue::default(),
            cursor: Cursor::default(),
            edits: Edits::default(),
            deletions: Vec::new(),
            watch: Watch::default(),
            trace: Trace::default(),
            in_flight: Vec::new(),
            about_to_send: BTreeMap::new(),
            settle,
            clocks: BTreeMap::new(),
            rules,
            histories: None,
            nonce: 0,
            requests: 0,
        }
    }

    /// A copy of the state with another chooser. Requests cannot be copied, but at the beginning of
    /// a world there are none.
    #[must_use]
    pub fn copied(&self, chooser: Box<dyn Chooser>) -> Self {
        assert!(
            self.in_flight.is_empty() && self.about_to_send.is_empty(),
            "a request is in progress"
        );
        Self {
            now: self.now,
            chooser,
            fault_injection: self.fault_injection.clone(),
            pools: self.pools.clone(),
            table: self.table.clone(),
            queue: self.queue.clone(),
            cursor: self.cursor.clone(),
            edits: self.edits.clone(),
            deletions: self.deletions.clone(),
            watch: self.watch.clone(),
            trace: self.trace.clone(),
            in_flight: Vec::new(),
            about_to_send: BTreeMap::new(),
            settle: self.settle,
            clocks: self.clocks.clone(),
            rules: self.rules,
            histories: self.histories.clone(),
            nonce: self.nonce,
            requests: self.requests,
        }
    }

    /// A number that was never returned before.
    pub fn nonce(&mut self) -> u128 {
        let number = if let Some(histories) = &mut self.histories {
            histories.number()
        } else {
            self.nonce += 1;
            self.nonce
        };
        // Spread, so that the order of two numbers does not show their age.
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    /// The time of a process whose clock error is not known yet: fast, right or slow.
    pub fn clock_with_error(&mut self) -> Time {
        Time(self.now.0 + self.choose_clock_error())
    }

    /// The time by the clock of that task.
    pub fn clock_of(&mut self, task: TaskId) -> Time {
        Time(self.now.0 + self.error_of(task))
    }

    /// How many milliseconds the clock of that task is fast. It stays the same until the task
    /// ends.
    pub fn error_of(&mut self, task: TaskId) -> i64 {
        if self.fault_injection.rates.clock_error.is_zero() {
            return 0;
        }
        if let Some(&error) = self.clocks.get(&task) {
            return error;
        }
        let error = self.choose_clock_error();
        self.clocks.insert(task, error);
        error
    }

    fn choose_clock_error(&mut self) -> i64 {
        let most = i64::try_from(self.fault_injection.rates.clock_error.as_millis()).unwrap_or(0);
        if most == 0 {
            return 0;
        }
        let error = [0, most, -most][self.chooser.choose(3, "how wrong a clock is")];
        if error != 0 {
            self.fault_injection.count("clock that is wrong");
        }
        error
    }

    /// The number of the next request.
    pub const fn number_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Adds a line to the trace.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        self.trace.say(now, line);
    }

    /// The next time at which a request in flight lands by itself.
    pub fn next_landing(&self) -> Option<Time> {
        self.in_flight.iter().map(|flight| flight.lands_by).min()
    }

    /// Lets one request in flight land.
    pub fn land(&mut self, at: usize) {
        let flight = self.in_flight.remove(at);
        self.say(|| format!("{} lands late", flight.request.call));
        if let Some(histories) = &mut self.histories {
            histories.asking = flight.request.call.task.0;
        }
        (flight.request.effect)(self);
    }

    /// Moves time on. Requests in flight land meanwhile, at the last moment at which each can.
    pub fn pass(&mut self, until: Time) {
        while let Some(due) = self.next_landing().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            let at = self.in_flight.iter().position(|flight| flight.lands_by == due);
            self.land(at.expect("it was found a line above"));
        }
        self.now = self.now.max(until);
    }

    /// Removes the unsent requests of a crashing task. What it had written to the wire may land.
    pub fn abandon(&mut self, task: TaskId, may_land: bool) {
        let numbers: Vec<(TaskId, u64)> =
            self.about_to_send.keys().filter(|(whose, _)| *whose == task).copied().collect();
        for number in numbers {
            let Some(request) = self.about_to_send.remove(&number) else { continue };
            // As for a request that is sent late: the server refuses an old signature.
            let signed = self.now.since(request.signed) <= limits::SIGNATURE_LIFE;
            let changes = request.call.changes && signed;
            if changes && may_land && self.chooser.choose(2, "sent before the crash") == 1 {
                let lands_by = self.now + limits::LANDING_TIME;
                self.in_flight.push(InFlight { request, lands_by });
            }
        }
    }

    /// The account with that `sub`.
    pub fn account(&self, side: Side, sub: &Sub) -> Option<&accounts::SimulatedAccount> {
        self.pools.get(side).get(sub)
    }
}

/// A world, shared by its tasks. They all run in one thread: the lock exists because ports must be
/// `Sync`.
#[derive(Clone)]
pub struct World(Arc<Mutex<WorldState>>);

impl World {
    /// A world of that state.
    pub fn new(state: WorldState) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state. The lock is never held across a yield.
    pub fn lock(&self) -> MutexGuard<'_, WorldState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the scheduler a turn.
pub fn give_way() -> impl Future<Output = ()> + Send {
    GiveWay { gave: false }
}

struct GiveWay {
    gave: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.gave {
            return Poll::Ready(());
        }
        self.gave = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
