//! Exploration: every run of a small world, depth first, each state once.
//!
//! A future cannot be cloned, so nothing is ever stepped back: every run begins anew, replays the
//! choices that lead to the first untried one, and goes on from there until it comes to rest or to a
//! state that was seen before.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use poolbridge_core::drain::{self, LOOKS_APART, Look};
use poolbridge_core::limits;
use poolbridge_core::time::Time;

use super::key::key;
use super::small::{Deed, Small, Told};
use crate::simulation::profile::Profile;
use crate::simulation::scheduler::Scheduler;
use crate::simulation::tasks::{self, What};
use crate::simulation::{checks, oracle, people};
use crate::world::chance::{Answered, DepthFirst, Shared};
use crate::world::history::Histories;
use crate::world::trace::Trace;
use crate::world::watch::Violation;
use crate::world::{TaskId, World};

/// How long a run may be: far more than any small world needs, so a world that goes on for ever is
/// found out.
const STEPS_MAX: usize = 4_000;

/// Tasks of the explorer are numbered from here, so that those of the world's last calm never meet
/// them.
const CAPTURES: u32 = 1_000;
const WORKERS: u32 = 10_000;
const AGAIN: u32 = 5_000;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Its name.
    pub name: &'static str,
    /// Different states.
    pub states: u64,
    /// Choices that were taken.
    pub choices: u64,
    /// Runs that came to rest, in different states.
    pub ends: u64,
    /// Most choices in one run.
    pub depth: usize,
    /// Ends with an edit in one of the gaps that Cognito leaves.
    pub gaps: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether every state was seen.
    pub whole: bool,
    /// What went wrong first, if something did.
    pub found: Option<Found>,
}

/// A promise that was broken, and the way to it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was broken.
    pub violation: Violation,
    /// The choices.
    pub path: Vec<usize>,
    /// What happened.
    pub trace: Vec<String>,
}

impl fmt::Display for Explored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, states, choices, ends, depth, gaps, took, .. } = self;
        let seconds = took.as_secs_f64();
        write!(
            formatter,
            "protocol: {name}: {states} states, {choices} choices, {ends} ends ({gaps} with a \
             gap), at most {depth} choices deep, {seconds:.1} s"
        )
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.violation)?;
        writeln!(formatter, "choices: {:?}", self.path)?;
        for line in &self.trace {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

/// Explores a small world to its last state, or to the first violation.
pub fn explore(small: &Small, states_max: usize) -> Explored {
    let began = Instant::now();
    let mut explored = Explored { name: small.name, ..Explored::default() };
    let mut seen: HashSet<u128> = HashSet::new();
    let mut next = Some(Vec::new());
    while let Some(prefix) = next {
        let replayed = prefix.len();
        let mut run = Run::new(small, prefix, Trace::default());
        run.go(&mut |key| seen.insert(key));
        let answered = run.chooser.lock().answered().to_vec();
        explored.choices += (answered.len() + 1 - replayed) as u64;
        explored.depth = explored.depth.max(answered.len());
        explored.ends += u64::from(run.ended);
        explored.gaps += u64::from(run.gap);
        if let Some(violation) = run.violation {
            let path: Vec<usize> = answered.iter().map(|answer| answer.taken).collect();
            let trace = replay(small, &path);
            explored.found = Some(Found { violation, path, trace });
            break;
        }
        if seen.len() > states_max {
            break;
        }
        next = DepthFirst::next_prefix(&answered);
        explored.whole = next.is_none();
    }
    explored.states = seen.len() as u64;
    explored.took = began.elapsed();
    explored
}

/// Runs the world of those choices once more and tells it.
pub fn replay(small: &Small, path: &[usize]) -> Vec<String> {
    let mut run = Run::new(small, path.to_vec(), Trace::listening());
    run.go(&mut |_| true);
    let state = run.scheduler.world.lock();
    let mut lines = state.trace.lines().to_vec();
    lines.extend(run.violation.iter().map(|violation| format!("VIOLATION {violation}")));
    lines
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Turn(TaskId),
    Receive(u64),
    Deed(usize),
    Crash(TaskId),
    Repeat(u64),
    Lose(u64),
    Land(usize),
    Jump,
    Again,
    End,
}

/// One run.
struct Run<'a> {
    small: &'a Small,
    scheduler: Scheduler,
    chooser: Shared<DepthFirst>,
    prefix: usize,
    left: Left,
    /// A short name for each change, by its number: the same whenever it is sent.
    names: BTreeMap<u128, u32>,
    ended: bool,
    gap: bool,
    violation: Option<Violation>,
}

/// What is left to be spent.
#[derive(Clone, Debug, Hash)]
struct Left {
    deeds: Vec<bool>,
    receptions: u32,
    crashes: u32,
    repeats: u32,
    losses: u32,
    jumps: u32,
    again: u32,
}

impl<'a> Run<'a> {
    fn new(small: &'a Small, prefix: Vec<usize>, trace: Trace) -> Self {
        let told = Told::default().with("first value", small.first_values.iter().copied());
        let scheduler = Scheduler::new(Box::new(told), &small.profile, trace);
        let chooser = Shared::new(DepthFirst::replaying(prefix.clone()));
        let mut names = BTreeMap::new();
        {
            let mut state = scheduler.world.lock();
            for (at, message) in state.queue.messages().iter().enumerate() {
                names.insert(message.change.id, 50 + u32::try_from(at).unwrap_or(0));
            }
            if !small.groups {
                state.pools.old.shape.groups.clear();
                state.pools.new.shape.groups.clear();
            }
            state.chooser = Box::new(chooser.clone());
            state.histories = Some(Histories::default());
        }
        let left = Left {
            deeds: vec![true; small.deeds.len()],
            receptions: small.receptions,
            crashes: small.crashes,
            repeats: small.repeats,
            losses: small.losses,
            jumps: small.jumps,
            again: 0,
        };
        let (prefix, ended, gap) = (prefix.len(), false, false);
        Self { small, scheduler, chooser, prefix, left, names, ended, gap, violation: None }
    }

    /// Goes on until it comes to rest, breaks a promise, or meets a state that is not `new`.
    fn go(&mut self, new: &mut impl FnMut(u128) -> bool) {
        for _ in 0..STEPS_MAX {
            if self.violated() {
                return;
            }
            // What is replayed was seen, and judged, by the run that came here first.
            let fresh = self.chooser.lock().answered().len() >= self.prefix;
            if fresh {
                if !new(key(&self.scheduler, &self.left)) {
                    return;
                }
                self.look();
                if self.violated() {
                    return;
                }
            }
            let moves = self.moves();
            let taken = self.scheduler.choose(moves.len(), "what happens");
            match moves[taken] {
                Move::End => return self.end(),
                other => self.make(other),
            }
        }
        let detail = format!("{STEPS_MAX} steps and no end");
        self.violation = Some(Violation { promise: "it comes to rest", detail });
    }

    fn violated(&mut self) -> bool {
        let first = self.scheduler.world.lock().watch.violations.first().cloned();
        self.violation = self.violation.take().or(first);
        self.violation.is_some()
    }

    /// Everything that can happen now. The first of them is what the first run does.
    fn moves(&self) -> Vec<Move> {
        let state = self.scheduler.world.lock();
        let mut moves = Vec::new();
        let mut tasks: Vec<(TaskId, bool)> =
            self.scheduler.tasks.iter().map(|task| (task.id, task.is_worker())).collect();
        tasks.sort_unstable();
        // Nobody writes the control item here: whoever is about to read it may as well do it at once.
        let mut unsent = state.about_to_send.iter();
        let control = unsent.find(|(_, request)| request.call.operation == "control");
        if let Some(((task, _), _)) = control {
            return vec![Move::Turn(*task)];
        }
        let capture = tasks.iter().find(|(_, worker)| !worker);
        if let Some((task, _)) = capture.filter(|_| self.small.prompt) {
            return vec![Move::Turn(*task)];
        }
        moves.extend(tasks.iter().map(|(task, _)| Move::Turn(*task)));
        let workers = tasks.iter().filter(|(_, worker)| *worker).count();
        if workers < self.small.workers && self.left.receptions > 0 {
            moves.extend(state.queue.ready(state.now).into_iter().map(Move::Receive));
        }
        let idle = moves.is_empty();
        if idle && self.left.receptions == 0 {
            return vec![Move::End];
        }
        for (at, deed) in self.small.deeds.iter().enumerate() {
            let first = self.left.deeds[at]
                && !(0..at).any(|one| self.left.deeds[one] && self.small.deeds[one] == *deed);
            if first && state.pools.get(deed.side).living().next().is_some() {
                moves.push(Move::Deed(at));
            }
        }
        if self.left.crashes > 0 {
            let workers = tasks.iter().filter(|(_, worker)| *worker);
            moves.extend(workers.map(|(task, _)| Move::Crash(*task)));
        }
        for message in state.queue.messages() {
            if message.out && self.left.repeats > 0 {
                moves.push(Move::Repeat(message.number));
            }
            if !message.out && self.left.losses > 0 {
                moves.push(Move::Lose(message.number));
            }
        }
        moves.extend((0..state.in_flight.len()).map(Move::Land));
        let marked = !state.table.marks.is_empty();
        let pending = !state.queue.messages().is_empty() || !state.in_flight.is_empty();
        if idle && !pending {
            moves.push(if marked { Move::Again } else { Move::End });
        } else if idle || self.left.jumps > 0 {
            moves.push(Move::Jump);
        }
        moves
    }

    fn make(&mut self, what: Move) {
        let versions = self.versions();
        match what {
            Move::Turn(task) => self.turn(task),
            Move::Receive(number) => self.receive(number),
            Move::Deed(at) => self.deed(at),
            Move::Crash(task) => {
                self.left.crashes -= 1;
                self.scheduler.kill(self.position(task));
            }
            Move::Repeat(number) => {
                self.left.repeats -= 1;
                let mut state = self.scheduler.world.lock();
                let now = state.now;
                state.say(|| format!("message {number} shows again"));
                state.queue.reappear(number, now);
            }
            Move::Lose(number) => self.lose(number),
            Move::Land(at) => self.scheduler.world.lock().land(at),
            Move::Jump => self.jump(),
            Move::Again => self.again(),
            Move::End => {}
        }
        if self.versions() != versions {
            self.tick();
        }
    }

    /// How many versions there are of all accounts.
    fn versions(&self) -> usize {
        let state = self.scheduler.world.lock();
        let all = state.pools.old.all().iter().chain(state.pools.new.all());
        all.map(|account| account.versions().len()).sum()
    }

    /// A moment passes, so that what is done next is later than what was done last.
    fn tick(&mut self) {
        self.scheduler.pass(Duration::from_millis(1));
    }

    fn position(&self, task: TaskId) -> usize {
        let tasks = &self.scheduler.tasks;
        tasks.iter().position(|one| one.id == task).expect("only living tasks are moved")
    }

    /// Whoever acts now is who asks for numbers.
    fn asks(world: &World, who: u32) {
        if let Some(histories) = &mut world.lock().histories {
            histories.asking = who;
        }
    }

    fn turn(&mut self, task: TaskId) {
        Self::asks(&self.scheduler.world, task.0);
        self.scheduler.run(self.position(task));
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
        // Up to its first request nobody can tell whether it has begun.
        if self.scheduler.tasks.iter().any(|task| task.id == id) {
            self.turn(id);
        }
    }

    /// Somebody does something, and the trigger begins to tell of it.
    fn deed(&mut self, at: usize) {
        self.tick();
        self.left.deeds[at] = false;
        let Deed { side, act, text } = self.small.deeds[at];
        let id = TaskId(CAPTURES + u32::try_from(at).unwrap_or(0));
        Self::asks(&self.scheduler.world, id.0);
        let done = {
            let mut state = self.scheduler.world.lock();
            let before = state.pools.old.living().count();
            let whose = if side == poolbridge_core::side::Side::Old { 0 } else { before };
            let told = Told::default().with("whose account", [whose]);
            let profile =
                Profile { acts: vec![(act, 1)], texts: vec![text], ..Profile::quiet() };
            let chooser = std::mem::replace(&mut state.chooser, Box::new(told));
            let done = people::edit(&mut state, &self.scheduler.setting, &profile);
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
        if !state.table.marked.contains(&change.id) {
            // With neither mark nor message nothing tells of it: only the sweep can find it.
            let capturing = self.scheduler.tasks.iter().any(
                |task| matches!(task.what, What::Capture(_, id) if id == change.id),
            );
            let human = state.account(change.side, &change.sub).map(|account| account.human);
            if let Some(human) = human.filter(|_| !capturing) {
                state.edits.miss(human);
            }
        }
    }

    /// Time passes until the next moment that matters; while somebody is at work, until any of those.
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

    /// Marks are sent again, as drain and the sweep do.
    fn again(&mut self) {
        self.left.again += 1;
        Self::asks(&self.scheduler.world, AGAIN);
        self.scheduler.send_marks_again();
        let round = self.left.again * 4;
        let state = self.scheduler.world.lock();
        let new = state.queue.messages().iter().filter(|one| !self.names.contains_key(&one.change.id));
        let new: Vec<u128> = new.map(|message| message.change.id).collect();
        drop(state);
        if new.is_empty() {
            // The queue took them for duplicates, or they are put off: later, then.
            self.scheduler.pass(limits::RETRY_SOON);
        }
        for (at, id) in new.into_iter().enumerate() {
            self.names.insert(id, 60 + round + u32::try_from(at).unwrap_or(0));
        }
    }

    /// Asks, in every state, whether all is drained, and holds the answer against the truth. What the
    /// queue's counters say is left out: they lag, so they are taken to say that it is empty.
    fn look(&mut self) {
        let mut state = self.scheduler.world.lock();
        let look = Look {
            at: state.now,
            marks: checks::marks(&state) as u64,
            under_way: checks::under_way(&state) as u64,
            unmarked: self.scheduler.unmarked,
            ..Look::default()
        };
        let before = Look { at: state.now - LOOKS_APART, ..Look::default() };
        let law = self.small.profile.law;
        if drain::undrained(law, Some(&before), &look, LOOKS_APART).is_empty() {
            let captures = self.scheduler.tasks.iter().filter_map(|task| match task.what {
                What::Capture(human, _) => Some(human),
                What::Worker(_) => None,
            });
            checks::drained(&mut state, &self.scheduler.setting, &captures.collect());
        }
    }

    /// The weather clears up, what is left is worked off, and everything is judged.
    fn end(&mut self) {
        self.ended = true;
        self.scheduler.world.lock().histories = None;
        self.scheduler.come_to_rest();
        let state = self.scheduler.world.lock();
        self.violation = state.watch.violations.first().cloned();
        let gaps = [oracle::UNSEEN, oracle::BESIDE, oracle::TORN];
        self.gap = gaps.iter().any(|gap| state.weather.counted.contains_key(gap));
    }
}

/// The path of choices as a list of questions and answers.
pub fn told(path: &[Answered]) -> Vec<String> {
    path.iter().map(|one| format!("{}: {}/{}", one.what, one.taken, one.options)).collect()
}
