//! One run of a small world: the possible moves, and their execution.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_core::drain::{self, DrainSnapshot, QueueCounts, SNAPSHOTS_APART};
use poolbridge_core::limits;
use poolbridge_core::names::Owner;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::key::key;
use super::moves::Move;
use super::small::{FixedAnswers, ScriptedEdit, SmallWorld, Switch};
use crate::simulation::oracle::Gap;
use crate::simulation::parameters::WorldParameters;
use crate::simulation::scheduler::Scheduler;
use crate::simulation::tasks::{self, What};
use crate::simulation::{checks, people};
use crate::world::chance::{Answered, DepthFirst, SharedChooser};
use crate::world::history::Histories;
use crate::world::watch::Violation;
use crate::world::{TaskId, World};

/// The maximum length of a run, far above what any small world needs. It catches a world that never
/// ends.
const STEPS_MAX: usize = 4_000;

/// Captures, workers and resends have numbers from here on, by the edit or the message that they
/// concern. The tasks at the end of a world have numbers from 1 and never reach these.
const CAPTURES: u32 = 1_000;
const AGAIN: u32 = 5_000;
const WORKERS: u32 = 10_000;

/// Messages have short names: the number of an edit, or a number from here on if the message
/// existed at the start or was sent again.
pub(super) const HINTS: u32 = 50;
const RESENT: u32 = 60;

/// One run.
pub struct ProtocolRun<'a> {
    pub(super) small: &'a SmallWorld,
    pub(super) scheduler: Scheduler,
    pub(super) chooser: SharedChooser<DepthFirst>,
    pub(super) prefix: usize,
    pub(super) reduced: bool,
    pub(super) left: RemainingBudget,
    /// A short name for each change, by its number. It stays the same for every resend.
    pub(super) names: BTreeMap<u128, u32>,
    /// The key of the state in which the run ended, if it did.
    pub ended: Option<u128>,
    /// The gaps that edits fell into, if the run ended.
    pub gaps: Vec<Gap>,
    /// The violation.
    pub violation: Option<Violation>,
}

/// The remaining budget.
#[derive(Clone, Debug, Hash)]
pub(super) struct RemainingBudget {
    pub(super) edits: Vec<bool>,
    pub(super) receptions: u32,
    pub(super) crashes: u32,
    pub(super) repeats: u32,
    pub(super) losses: u32,
    pub(super) jumps: u32,
    pub(super) again: u32,
    pub(super) switch: Option<Switch>,
    /// The owners that held a lease when the switch was announced, if it was.
    pub(super) held: Option<BTreeSet<Owner>>,
}

impl ProtocolRun<'_> {
    /// Continues until the run ends, breaks a promise, or meets a state that is not `new`.
    pub fn go(&mut self, new: &mut impl FnMut(u128) -> bool) {
        for _ in 0..STEPS_MAX {
            if self.violated() {
                return;
            }
            // An earlier run already saw and checked what is replayed.
            let fresh = self.chooser.lock().answered().len() >= self.prefix;
            if fresh {
                if !new(self.key()) {
                    return;
                }
                self.process();
                if self.violated() {
                    return;
                }
            }
            let moves = self.moves();
            let at = self.chooser.lock().answered().len();
            let taken = self.scheduler.choose(moves.len(), "what happens");
            let timeless = self.make(moves[taken]);
            if timeless && moves.len() > 1 {
                self.chooser.lock().settle(at);
            }
            if self.ended.is_some() {
                return;
            }
        }
        let detail = format!("{STEPS_MAX} steps and no end");
        self.violation = Some(Violation { promise: "the world becomes quiescent", detail });
    }

    /// The key of the current state.
    pub fn key(&self) -> u128 {
        key(&self.scheduler, self.small.jumps > 0, &self.left)
    }

    /// Every choice of the run, in order.
    pub fn answered(&self) -> Vec<Answered> {
        self.chooser.lock().answered().to_vec()
    }

    /// The trace, if it was recorded.
    pub fn trace_lines(&self) -> Vec<String> {
        let mut lines = self.scheduler.world.lock().trace.lines().to_vec();
        lines.extend(self.violation.iter().map(|violation| format!("VIOLATION {violation}")));
        lines
    }

    fn violated(&mut self) -> bool {
        let first = self.scheduler.world.lock().watch.violations.first().cloned();
        self.violation = self.violation.take().or(first);
        self.violation.is_some()
    }

    /// Makes a move. Returns whether the move is timeless: it would be the same at any other time
    /// and would change no other move. The search tries such a move only once.
    fn make(&mut self, what: Move) -> bool {
        let versions = self.versions();
        let mut timeless = false;
        match what {
            Move::Turn(task) => timeless = self.turn(task),
            Move::Receive(number) => self.receive(number),
            Move::ScriptedEdit(at) => self.edit(at),
            Move::Crash(task) => {
                self.left.crashes -= 1;
                self.scheduler.kill(self.position(task));
            }
            Move::Repeat(number) => {
                self.left.repeats -= 1;
                let mut state = self.scheduler.world.lock();
                let now = state.now;
                state.say(|| format!("message {number} shows again"));
                state.queue.make_visible(number, now);
            }
            Move::Lose(number) => self.lose(number),
            Move::Land(at) => self.scheduler.world.lock().land(at),
            Move::Jump => self.jump(),
            Move::Again => self.again(),
            Move::Announce => self.announce(),
            Move::Switch => self.switch(),
            Move::End => self.end(),
        }
        if self.versions() != versions && self.ended.is_none() {
            self.tick();
        }
        self.forget_released();
        timeless
    }

    /// The number of versions of all accounts.
    fn versions(&self) -> usize {
        let state = self.scheduler.world.lock();
        let all = state.pools.old.all().iter().chain(state.pools.new.all());
        all.map(|account| account.versions().len()).sum()
    }

    /// Lets a moment pass, so that the next action is later than the last.
    pub(super) fn tick(&mut self) {
        self.scheduler.pass(Duration::from_millis(1));
    }

    fn position(&self, task: TaskId) -> usize {
        let tasks = &self.scheduler.tasks;
        tasks.iter().position(|one| one.id == task).expect("only living tasks are moved")
    }

    /// Sets the task that asks for numbers from now on.
    fn asks(world: &World, who: u32) {
        if let Some(histories) = &mut world.lock().histories {
            histories.asking = who;
        }
    }

    /// Lets a task take a turn. Returns whether the turn was timeless: the task received an answer
    /// that nothing can change any more, and only prepared its next request, without reading the
    /// clock. Where time runs on while a worker is active, a request's signature depends on the
    /// time, so no turn is timeless.
    fn turn(&mut self, task: TaskId) -> bool {
        Self::asks(&self.scheduler.world, task.0);
        let (asked, reads) = self.at(task);
        self.scheduler.run(self.position(task));
        let (asks, reads_after) = self.at(task);
        let private = match asked {
            None => true,
            Some(operation) => operation == "control" && self.small.switch.is_none(),
        };
        let timeless = private && asks.is_some() && reads == reads_after;
        self.reduced && self.small.jumps == 0 && timeless
    }

    /// The request that the task is about to send, and how often the clock was read so far.
    fn at(&self, task: TaskId) -> (Option<&'static str>, u64) {
        let state = self.scheduler.world.lock();
        let mut requests = state.about_to_send.iter();
        let request = requests.find(|((owner, _), _)| *owner == task);
        let reads = state.histories.as_ref().map_or(0, Histories::clock_reads);
        (request.map(|(_, request)| request.call.operation), reads)
    }

    fn receive(&mut self, number: u64) {
        self.left.receptions -= 1;
        let id = {
            let state = self.scheduler.world.lock();
            let message = state.queue.messages().iter().find(|one| one.number == number);
            let message = message.expect("only messages that are there are received");
            TaskId(WORKERS + self.names[&message.change.id] * 100 + message.receives + 1)
        };
        Self::asks(&self.scheduler.world, id.0);
        let Scheduler { world, setting, .. } = &self.scheduler;
        let task = tasks::receiving(world, setting, id, number);
        self.scheduler.tasks.extend(task);
        // Before its first request, no one can tell whether a worker has begun.
        if self.scheduler.tasks.iter().any(|task| task.id == id) {
            self.turn(id);
        }
    }

    /// A person makes an edit, and the trigger begins to capture it.
    fn edit(&mut self, at: usize) {
        self.tick();
        self.left.edits[at] = false;
        let ScriptedEdit { side, act, text } = self.small.edits[at];
        let id = TaskId(CAPTURES + u32::try_from(at).unwrap_or(0));
        Self::asks(&self.scheduler.world, id.0);
        let done = {
            let mut state = self.scheduler.world.lock();
            let before = state.pools.old.living().count();
            let owner = if side == Side::Old { 0 } else { before };
            let fixed = FixedAnswers::default().with("whose account", [owner]);
            let parameters = WorldParameters {
                acts: vec![(act, 1)],
                texts: vec![text],
                ..WorldParameters::minimal()
            };
            let chooser = std::mem::replace(&mut state.chooser, Box::new(fixed));
            let done = people::edit(&mut state, &self.scheduler.setting, &parameters);
            state.chooser = chooser;
            done
        };
        if let Some((human, change)) = done {
            self.names.insert(change.id, u32::try_from(at).unwrap_or(0));
            let task = tasks::capturing(&self.scheduler.world, id, human, change);
            self.scheduler.tasks.push(task);
            self.turn(id);
        }
    }

    fn lose(&mut self, number: u64) {
        self.left.losses -= 1;
        let mut state = self.scheduler.world.lock();
        let now = state.now;
        let message = state.queue.messages().iter().find(|one| one.number == number);
        let change = message.expect("only messages that are there are lost").change.clone();
        state.queue.lose(number, now);
        state.say(|| format!("message {number} is lost"));
        if !state.table.has_pending.contains(&change.id) {
            // With neither pending change nor message, only the sweep can find the edit. (Capture
            // tries the pending change no later than the message.)
            let human = state.account(change.side, &change.sub).map(|account| account.human);
            if let Some(human) = human {
                state.edits.failed_lookup(human);
            }
        }
    }

    /// Lets time pass until the next moment that matters; while a worker is active, until any of
    /// those moments.
    fn jump(&mut self) {
        let mut moments: Vec<Time> = self.scheduler.interesting().into_iter().collect();
        let landing = self.scheduler.world.lock().next_landing();
        moments.extend(landing);
        moments.sort_unstable();
        let mut at = 0;
        if !self.scheduler.tasks.is_empty() {
            self.left.jumps -= 1;
            at = self.scheduler.choose(moments.len().max(1), "until when");
        }
        let now = self.scheduler.world.lock().now;
        if let Some(until) = moments.get(at) {
            self.scheduler.pass(until.since(now));
        }
    }

    /// Sends pending changes again, as drain and the sweep do.
    fn again(&mut self) {
        self.left.again += 1;
        Self::asks(&self.scheduler.world, AGAIN);
        self.scheduler.resend_pending();
        let round = self.left.again * 4;
        let state = self.scheduler.world.lock();
        let new =
            state.queue.messages().iter().filter(|one| !self.names.contains_key(&one.change.id));
        let new: Vec<u128> = new.map(|message| message.change.id).collect();
        drop(state);
        if new.is_empty() {
            // The queue dropped them as duplicates, or none is due: try later.
            let now = self.scheduler.world.lock().now;
            let due = self.scheduler.next_due().map(|due| due.since(now));
            self.scheduler.pass(due.unwrap_or_default().max(limits::RETRY_SOON));
        }
        for (at, id) in new.into_iter().enumerate() {
            self.names.insert(id, RESENT + round + u32::try_from(at).unwrap_or(0));
        }
    }

    /// In every state, asks whether all is drained, and compares the answer with the actual
    /// state. The queue's counters lag, so the check assumes that they show an empty queue.
    fn process(&mut self) {
        let mut state = self.scheduler.world.lock();
        let seen = checks::outstanding(&state, state.now);
        let drain_snapshot =
            seen.snapshot(state.now, QueueCounts::default(), self.scheduler.lost_captures);
        let before = DrainSnapshot { at: state.now - SNAPSHOTS_APART, ..DrainSnapshot::default() };
        let rules = self.small.parameters.rules;
        if drain::blockers(rules, Some(&before), &drain_snapshot, SNAPSHOTS_APART).is_empty() {
            let captures = self.scheduler.tasks.iter().filter_map(|task| match task.what {
                What::Capture(human, _) => Some(human),
                What::Worker(_) | What::Sweep => None,
            });
            checks::drained(&mut state, &self.scheduler.setting, &captures.collect());
        }
    }

    /// Ends all faults, processes what is left, and checks everything.
    fn end(&mut self) {
        self.ended = Some(self.key());
        {
            let mut state = self.scheduler.world.lock();
            state.histories = None;
            // A switch that was announced but not made is cancelled.
            state.table.control.closing = false;
        }
        self.scheduler.run_to_quiescence();
        let state = self.scheduler.world.lock();
        self.violation = state.watch.violations.first().cloned();
        let hit = |gap: &Gap| state.fault_injection.counted.contains_key(gap.name());
        self.gaps = Gap::ALL.into_iter().filter(hit).collect();
    }
}
