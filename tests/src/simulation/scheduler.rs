//! The scheduler: chooses the next turn, and makes everything happen between turns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use poolbridge_core::change::{Evidence, PendingChange};
use poolbridge_core::drain::{DrainSnapshot, DrainWatch, SNAPSHOTS_APART};
use poolbridge_core::names::Sub;
use poolbridge_core::resend;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::Tick;

use super::initial_state::{self, Setting};
use super::parameters::WorldParameters;
use super::people;
use super::tasks::{self, Ended, Task, What};
use crate::world::chance::Chooser;
use crate::world::fault_injection::FaultInjection;
use crate::world::trace::Trace;
use crate::world::{TaskId, World, WorldState};

/// The maximum number of turns with faults.
const TURNS_MAX: usize = 900;

/// The number of turns after the last edit.
const TURNS_AFTER: usize = 80;

/// The duration of one turn.
const TICK: Duration = Duration::from_millis(7);

/// A world and all that runs in it.
pub struct Scheduler {
    /// The world.
    pub world: World,
    /// What stays the same during a run.
    pub setting: Arc<Setting>,
    /// What may happen.
    pub parameters: WorldParameters,
    /// What runs.
    pub tasks: Vec<Task>,
    /// Captures that could not store their pending change.
    pub lost_captures: u64,
    /// Pool writes that workers reported, failed attempts included.
    pub pool_writes: u64,
    next_task: u32,
    edits_left: usize,
    pub(super) left: RareMovesLeft,
    pub(super) drain_snapshots: Vec<DrainSnapshot>,
    /// A check for "drained" that has begun, and the moment that it asks about.
    pub(super) watch: DrainWatch,
    pub(super) drain_asked: Option<Time>,
}

/// How often each rare move may still happen.
#[derive(Clone)]
pub(super) struct RareMovesLeft {
    pub(super) crashes: u32,
    pub(super) suspensions: u32,
    pub(super) repeats: u32,
    pub(super) losses: u32,
    pub(super) outages: u32,
    pub(super) drain_checks: u32,
    pub(super) sweeps: u32,
}

impl Scheduler {
    /// A world at its beginning.
    pub fn new(chooser: Box<dyn Chooser>, parameters: &WorldParameters, trace: Trace) -> Self {
        let fault_injection = FaultInjection::new(parameters.rates.clone());
        let settle = poolbridge_core::limits::SETTLE;
        let mut state = WorldState::new(chooser, fault_injection, settle, parameters.rules);
        state.trace = trace;
        let setting = initial_state::create(&mut state, parameters);
        let left = RareMovesLeft {
            crashes: parameters.crashes,
            suspensions: parameters.suspensions,
            repeats: parameters.repeats,
            losses: parameters.losses,
            outages: parameters.outages,
            drain_checks: parameters.drain_checks,
            sweeps: parameters.sweeps,
        };
        let edits_left = setting.edits;
        let mut scheduler = Self {
            world: World::new(state),
            setting: Arc::new(setting),
            parameters: parameters.clone(),
            tasks: Vec::new(),
            lost_captures: 0,
            pool_writes: 0,
            next_task: 1,
            edits_left,
            left,
            drain_snapshots: Vec::new(),
            watch: DrainWatch::new(parameters.rules, SNAPSHOTS_APART),
            drain_asked: None,
        };
        scheduler.hint_at_unexpected();
        scheduler
    }

    /// The same beginning in a world of its own. No task may run in it yet.
    #[must_use]
    pub fn copied(&self, chooser: Box<dyn Chooser>) -> Self {
        assert!(self.tasks.is_empty(), "tasks cannot be copied");
        Self {
            world: World::new(self.world.lock().copied(chooser)),
            setting: Arc::clone(&self.setting),
            parameters: self.parameters.clone(),
            tasks: Vec::new(),
            lost_captures: self.lost_captures,
            pool_writes: self.pool_writes,
            next_task: self.next_task,
            edits_left: self.edits_left,
            left: self.left.clone(),
            drain_snapshots: self.drain_snapshots.clone(),
            watch: self.watch.clone(),
            drain_asked: self.drain_asked,
        }
    }

    /// The next task's number.
    pub fn number(&mut self) -> TaskId {
        self.next_task += 1;
        TaskId(self.next_task - 1)
    }

    /// Sends a hint for each account that is unknown or not linked, as a backfill does.
    fn hint_at_unexpected(&mut self) {
        let mut state = self.world.lock();
        let mut accounts: Vec<(Side, Sub)> = Vec::new();
        for side in Side::BOTH {
            let living = state.pools.get(side).living();
            accounts.extend(living.map(|account| (side, account.sub.clone())));
        }
        for (side, sub) in accounts {
            let linked = state.table.find(side, &sub).is_some_and(|one| one.only_side().is_none());
            if !linked {
                announce(&mut state, side, sub, Evidence::Hint);
            }
        }
    }

    /// The part with faults: everything may happen, until the edits are used up and some turns
    /// longer.
    pub fn run_random_moves(&mut self) {
        let mut after = 0;
        for _ in 0..TURNS_MAX {
            self.turn();
            let captures = self.tasks.iter().any(Task::is_capture);
            if self.edits_left == 0 && !captures {
                after += 1;
            }
            if after > TURNS_AFTER || !self.world.lock().watch.violations.is_empty() {
                break;
            }
        }
    }

    fn turn(&mut self) {
        self.pass(TICK);
        let move_weights = self.parameters.move_weights;
        let (ready, in_flight) = {
            let state = self.world.lock();
            (state.queue.ready(state.now), state.in_flight.len())
        };
        let runnable = self.runnable();
        let workers = self.tasks.iter().filter(|task| task.is_worker()).count();
        let can_crash = self.tasks.iter().any(|task| !task.is_capture());
        let idle = workers < self.setting.workers;
        let possible = |weight: u32, possible: bool| if possible { weight } else { 0 };
        let weights = [
            possible(move_weights.turn, !runnable.is_empty()),
            possible(move_weights.edit, self.edits_left > 0),
            possible(move_weights.deliver, idle && !ready.is_empty()),
            move_weights.moment,
            // While a worker is active, long waits are rare: the platform would kill all workers.
            if runnable.is_empty() { move_weights.wait * 6 } else { move_weights.wait },
            possible(move_weights.crash, can_crash && self.left.crashes > 0),
            possible(move_weights.land, in_flight > 0),
            move_weights.rare,
        ];
        match self.weigh(&weights, "what happens") {
            0 => {
                let at = runnable[self.choose(runnable.len(), "who runs")];
                self.run(at);
            }
            1 => self.edit(),
            2 => {
                let number = ready[self.choose(ready.len(), "which message")];
                self.receive(number);
            }
            3 => {
                let span = [100, 1_000, 3_000][self.choose(3, "how long")];
                self.pass(Duration::from_millis(span));
            }
            4 => self.wait(),
            5 => self.crash(),
            6 => {
                let at = self.choose(in_flight, "what lands");
                self.world.lock().land(at);
            }
            _ => self.rare(),
        }
    }

    /// Chooses one of that many options.
    pub fn choose(&self, options: usize, what: &'static str) -> usize {
        self.world.lock().chooser.choose(options, what)
    }

    pub(super) fn weigh(&self, weights: &[u32], what: &'static str) -> usize {
        self.world.lock().chooser.weigh(weights, what)
    }

    pub(super) fn runnable(&self) -> Vec<usize> {
        let now = self.world.lock().now;
        let awake = |task: &Task| task.suspended_until.is_none_or(|until| until <= now);
        (0..self.tasks.len()).filter(|&at| awake(&self.tasks[at])).collect()
    }

    /// Gives one task a turn.
    pub fn run(&mut self, at: usize) {
        let Poll::Ready(ended) = self.tasks[at].turn() else { return };
        let task = self.tasks.remove(at);
        let mut state = self.world.lock();
        match (ended, task.what) {
            (Ended::Worked(report), What::Worker(receipt)) => {
                self.pool_writes += u64::from(report.pool_writes);
                tasks::answer(&mut state, receipt, &report);
            }
            (Ended::Captured(captured), What::Capture(human, _)) => {
                if captured.pending.is_err() {
                    self.lost_captures += 1;
                }
                if !captured.survives() {
                    state.edits.failed_lookup(human);
                }
                let survives = captured.survives();
                state.say(|| format!("{} captured: {survives}", task.id));
            }
            (Ended::Swept(tick), _) => {
                state.say(|| format!("{} swept: {tick:?}", task.id));
                if matches!(&tick, Ok(Tick::Worked(worked)) if worked.ended.is_some()) {
                    state.fault_injection.count("pass");
                }
            }
            (Ended::Worked(_) | Ended::Captured(_), _) => {}
        }
    }

    /// Receives a message with a fresh worker.
    pub fn receive(&mut self, number: u64) {
        let id = self.number();
        self.tasks.extend(tasks::receiving(&self.world, &self.setting, id, number));
    }

    fn edit(&mut self) {
        self.edits_left -= 1;
        let done = people::edit(&mut self.world.lock(), &self.setting, &self.parameters);
        if let Some((human, change)) = done {
            if self.parameters.no_events {
                self.world.lock().edits.failed_lookup(human);
                return;
            }
            let id = self.number();
            self.tasks.push(tasks::capturing(&self.world, id, human, change));
        }
    }

    /// Lets time pass. A task that the platform kills meanwhile ends at its own moment.
    pub fn pass(&mut self, span: Duration) {
        let until = self.world.lock().now + span;
        while let Some(end) =
            self.tasks.iter().filter_map(|task| task.ends).min().filter(|&end| end <= until)
        {
            self.world.lock().pass(end);
            let at = self.tasks.iter().position(|task| task.ends == Some(end));
            self.kill(at.expect("it was found a line above"));
        }
        self.world.lock().pass(until);
    }

    /// Moments after which something becomes possible or certain.
    pub fn interesting(&self) -> BTreeSet<Time> {
        let bound = self.setting.policy.bound();
        let state = self.world.lock();
        let mut moments: BTreeSet<Time> = BTreeSet::new();
        moments.extend(state.queue.messages().iter().map(|message| message.visible));
        for record in state.table.people.values() {
            moments.extend(record.lease.iter().map(|lease| lease.free_at));
            moments.insert(record.not_before);
            moments.extend(record.intent.iter().map(|intent| intent.until + bound));
        }
        moments.extend(state.table.pending_changes.values().map(|pending| pending.last + bound));
        moments.extend(self.tasks.iter().filter_map(|task| task.suspended_until));
        moments.into_iter().filter(|&moment| moment > state.now).collect()
    }

    fn wait(&mut self) {
        let moments: Vec<Time> = self.interesting().into_iter().take(3).collect();
        if moments.is_empty() {
            return;
        }
        let until = moments[self.choose(moments.len(), "until when")];
        let now = self.world.lock().now;
        self.pass(until.since(now));
    }

    fn crash(&mut self) {
        let workers: Vec<usize> =
            (0..self.tasks.len()).filter(|&at| !self.tasks[at].is_capture()).collect();
        self.left.crashes -= 1;
        let at = workers[self.choose(workers.len(), "who dies")];
        self.world.lock().fault_injection.count("crash");
        self.kill(at);
    }

    /// Kills a task: drops its future. Its lease and its message stay.
    pub fn kill(&mut self, at: usize) {
        let task = self.tasks.remove(at);
        let mut state = self.world.lock();
        state.say(|| format!("{} crashes", task.id));
        state.abandon(task.id, true);
    }

    /// Sends the pending changes that are due, as a scheduled run of apply does, and delays the
    /// next send.
    pub fn resend_pending(&mut self) {
        let mut state = self.world.lock();
        let pending_changes: Vec<PendingChange> =
            state.table.pending_changes.values().cloned().collect();
        let due = resend::due(pending_changes, state.now, self.only_disables(&state), usize::MAX);
        let rest = state.now + resend::REST_AFTER;
        resend_pending(&mut state, &due);
        for pending in due {
            if let Some(pending) = state.table.pending_changes.get_mut(&(pending.side, pending.sub))
            {
                pending.not_before = rest;
            }
        }
    }

    /// Sends every pending change, due or not: the first round of `drain` and of `resume`.
    pub fn resend_all_pending(&mut self) {
        let mut state = self.world.lock();
        let pending_changes: Vec<PendingChange> =
            state.table.pending_changes.values().cloned().collect();
        resend_pending(&mut state, &pending_changes);
    }

    /// When the next pending change is due to be sent again.
    pub fn next_due(&self) -> Option<Time> {
        let state = self.world.lock();
        let stopped = self.only_disables(&state);
        state
            .table
            .pending_changes
            .values()
            .filter_map(|pending| resend::due_at(pending, stopped))
            .min()
    }

    fn only_disables(&self, state: &WorldState) -> bool {
        state.table.control.only_disables(&self.setting.configuration.hash).is_some()
    }
}

fn resend_pending(state: &mut WorldState, pending_changes: &[PendingChange]) {
    for pending in pending_changes {
        let id = state.nonce();
        state.table.has_pending.insert(id);
        crate::world::queue::send(state, &resend::of_pending(pending, id));
    }
}

/// Stores a pending change of an account and sends a message about it, as the sweep does.
pub fn announce(state: &mut WorldState, side: Side, sub: Sub, evidence: Evidence) {
    let change = people::change(state, side, sub, evidence, false);
    let fresh = state.nonce();
    state.table.store_pending(&change, fresh);
    crate::world::queue::send(state, &change);
}
