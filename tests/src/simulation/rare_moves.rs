//! Rare moves: a worker is suspended, a message arrives twice or never, a service is out of reach,
//! the check for "drained" runs.

use std::collections::BTreeSet;
use std::time::Duration;

use poolbridge_core::drain::{self, Drained, SNAPSHOTS_APART};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::checks;
use super::scheduler::Scheduler;
use super::tasks::{self, What};
use crate::world::TaskId;
use crate::world::fault_injection::Target;

impl Scheduler {
    /// Makes one rare move.
    pub(super) fn rare(&mut self) {
        let weights = [
            self.left.suspensions.min(1),
            self.left.repeats.min(1),
            self.left.losses.min(1),
            self.left.outages.min(1),
            self.left.drain_checks.min(1),
            if self.sweeps() { 0 } else { self.left.sweeps.min(1) },
            1,
        ];
        match self.weigh(&weights, "which rare move") {
            0 => self.sleep(),
            1 => self.repeat(),
            2 => self.lose(),
            3 => self.start_outage(),
            4 => self.process(),
            5 => self.begin_sweep(),
            _ => self.resend_pending(),
        }
    }

    /// Whether a sweep runs: the platform starts no second one.
    fn sweeps(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task.what, What::Sweep))
    }

    fn begin_sweep(&mut self) {
        self.left.sweeps -= 1;
        self.world.lock().fault_injection.count("sweep");
        self.sweep_again();
    }

    /// Begins an invocation of the sweep.
    pub(super) fn sweep_again(&mut self) {
        let id = self.number();
        self.tasks.push(tasks::sweeping(&self.world, &self.setting, id));
    }

    /// Suspends a worker for long: seconds, or longer than a signature is valid.
    fn sleep(&mut self) {
        let runnable = self.runnable();
        let named = self.parameters.suspend_before;
        let about_to_send_it = |task: TaskId| {
            let state = self.world.lock();
            let mut requests = state.about_to_send.iter().filter(|((whose, _), _)| *whose == task);
            named.is_none_or(|named| requests.any(|(_, it)| it.call.operation == named))
        };
        let workers: Vec<usize> = runnable
            .into_iter()
            .filter(|&at| self.tasks[at].is_worker() && about_to_send_it(self.tasks[at].id))
            .collect();
        if workers.is_empty() {
            return;
        }
        self.left.suspensions -= 1;
        let at = workers[self.choose(workers.len(), "who sleeps")];
        let span = [15, 60, 200, 400][self.choose(4, "how long")];
        let mut state = self.world.lock();
        let until = state.now + Duration::from_secs(span);
        let id = self.tasks[at].id;
        state.fault_injection.count("suspension");
        state.say(|| format!("{id} is suspended for {span} s"));
        self.tasks[at].suspended_until = Some(until);
    }

    fn repeat(&mut self) {
        let mut state = self.world.lock();
        let now = state.now;
        let out: Vec<u64> =
            state.queue.messages().iter().filter(|one| one.out).map(|one| one.number).collect();
        if out.is_empty() {
            return;
        }
        self.left.repeats -= 1;
        let number = out[state.chooser.choose(out.len(), "which comes again")];
        state.queue.make_visible(number, now);
        state.fault_injection.count("repeated message");
        state.say(|| format!("message {number} shows again"));
    }

    fn lose(&mut self) {
        let mut state = self.world.lock();
        let now = state.now;
        let waiting: Vec<u64> =
            state.queue.messages().iter().filter(|one| !one.out).map(|one| one.number).collect();
        if waiting.is_empty() {
            return;
        }
        self.left.losses -= 1;
        let number = waiting[state.chooser.choose(waiting.len(), "which is lost")];
        let change = state.queue.messages().iter().find(|one| one.number == number);
        let change = change.expect("it was found a line above").change.clone();
        state.queue.lose(number, now);
        state.fault_injection.count("lost message");
        state.say(|| format!("message {number} is lost"));
        // With neither pending change nor message, only the sweep can find the edit.
        if !state.table.has_pending.contains(&change.id) {
            let human = state.account(change.side, &change.sub).map(|account| account.human);
            if let Some(human) = human {
                state.edits.failed_lookup(human);
            }
        }
    }

    fn start_outage(&mut self) {
        self.left.outages -= 1;
        let places =
            [Target::Pool(Side::Old), Target::Pool(Side::New), Target::Table, Target::Queue];
        let place = places[self.choose(places.len(), "which place")];
        let mut state = self.world.lock();
        let until = state.now + Duration::from_secs(90);
        state.say(|| format!("{place:?} is out of reach"));
        state.fault_injection.start_outage(place, until);
    }

    /// Asks whether all is drained, and compares the answer with the actual state.
    fn process(&mut self) {
        self.left.drain_checks -= 1;
        let mut state = self.world.lock();
        let lag = [0, 59_999][state.chooser.choose(2, "how far the counters lag")];
        let asked = *self.drain_asked.get_or_insert(state.now);
        let queue = state.queue.counts(Time(state.now.0 - lag));
        let drain_snapshot =
            checks::outstanding(&state, asked).snapshot(state.now, queue, self.lost_captures);
        let whole =
            checks::outstanding(&state, state.now).snapshot(state.now, queue, self.lost_captures);
        let apart = SNAPSHOTS_APART;
        let before = self.drain_snapshots.iter().rev().find(|one| whole.at.since(one.at) >= apart);
        let reasons = drain::blockers(self.parameters.rules, before, &whole, apart);
        let watched = self.watch.snapshot(&drain_snapshot);
        state.say(|| format!("drained? {reasons:?}; up to {asked}? {watched:?}"));
        self.drain_snapshots.push(whole);
        let under_capture: BTreeSet<_> = (self.tasks.iter())
            .filter_map(|task| match task.what {
                What::Capture(human, _) => Some(human),
                What::Worker(_) | What::Sweep => None,
            })
            .collect();
        if watched == Ok(Drained::UpToAsked) {
            state.fault_injection.count("said drained up to a moment");
            checks::drained_up_to(&mut state, &self.setting, &under_capture, asked);
        }
        if reasons.is_empty() {
            state.fault_injection.count("said drained");
            checks::drained(&mut state, &self.setting, &under_capture);
        }
    }
}
