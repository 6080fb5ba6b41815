//! The end of a world: all faults stop, everything left is processed, and a last sweep finds what
//! no event reported.

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::scheduler::{Scheduler, announce};
use super::tasks::What;
use super::{checks, deletions};
use crate::world::table::accounts_of;

/// The rounds within which a world must become quiescent. Each processes everything that is ready,
/// or lets time pass until something is.
const ROUNDS_MAX: usize = 2_000;

/// The maximum turns of the tasks of one round.
const TURNS_MAX: usize = 5_000;

/// The interval of the schedule that sends pending changes again (`infra/lib/resend.ts`).
const RUN_EVERY: Duration = Duration::from_mins(5);

/// The maximum invocations of one pass of the sweep over a few people.
const PASS_TICKS_MAX: usize = 8;

/// A little longer than the maximum time for which an unsuccessful search is remembered.
const REMEMBERED: Duration = Duration::from_hours(5);

impl Scheduler {
    /// Brings a world to its end.
    pub fn run_to_quiescence(&mut self) {
        {
            let mut state = self.world.lock();
            state.fault_injection.stop_faults();
            state.say(|| "all faults stop".to_owned());
        }
        if !self.process_all() {
            return;
        }
        checks::captured_changes_travelled(&mut self.world.lock(), &self.setting);
        deletions::reported_deletions_travelled(&mut self.world.lock(), &self.setting);
        // One sweep for what no event reported. If accounts were deleted, another for people who
        // waited until their address was free. And one more to see that nothing echoes.
        let sweeps = if self.world.lock().deletions.is_empty() { 2 } else { 3 };
        for _ in 0..sweeps {
            self.pass(REMEMBERED);
            self.world.lock().watch.writes = 0;
            if self.parameters.sweeps > 0 {
                if !self.sweep_to_the_end() {
                    return;
                }
            } else {
                self.sweep();
            }
            if !self.process_all() {
                return;
            }
        }
        let mut state = self.world.lock();
        checks::at_the_end(&mut state, &self.setting);
    }

    /// One complete pass of the real sweep. Returns whether it ended.
    fn sweep_to_the_end(&mut self) -> bool {
        self.tasks.retain(|task| !matches!(task.what, What::Sweep));
        let ended = |scheduler: &Self| {
            let state = scheduler.world.lock();
            state.fault_injection.counted.get("pass").copied().unwrap_or(0)
        };
        // A pass in progress read some parts before the last edits, so one more is needed.
        let passes = ended(self) + if self.world.lock().cursor.pass.is_some() { 2 } else { 1 };
        for _ in 0..PASS_TICKS_MAX {
            self.sweep_again();
            self.run_all();
            if ended(self) >= passes {
                return true;
            }
            // Meanwhile, apply processes what was found so far, as on the platform.
            self.pass(Duration::from_mins(1));
        }
        self.world.lock().watch.violated("a pass ends", format!("not {passes} of them"));
        false
    }

    fn sweep(&self) {
        let mut state = self.world.lock();
        state.say(|| "a sweep".to_owned());
        let mut accounts: Vec<(Side, Sub)> = Vec::new();
        for side in Side::BOTH {
            let living = state.pools.get(side).living();
            accounts.extend(living.map(|account| (side, account.sub.clone())));
        }
        // The sweep sends a person with a missing account by that account, which no listing shows.
        let known = state.table.people.values().filter(|record| record.tombstone.is_none());
        let missing = known.flat_map(accounts_of).filter(|(side, sub)| {
            state.account(*side, sub).is_some_and(|account| !account.body().exists)
        });
        accounts.extend(missing.collect::<Vec<_>>());
        for (side, sub) in accounts {
            announce(&mut state, side, sub, Evidence::Hint);
        }
    }

    /// Processes everything that is left. Returns whether nothing is left.
    pub fn process_all(&mut self) -> bool {
        let mut next_run = Time::ZERO;
        for _ in 0..ROUNDS_MAX {
            if !self.world.lock().watch.violations.is_empty() {
                return false;
            }
            let ready = {
                let state = self.world.lock();
                state.queue.ready(state.now)
            };
            let busy = !ready.is_empty() || !self.tasks.is_empty();
            for number in ready {
                self.receive(number);
            }
            self.run_all();
            if busy {
                continue;
            }
            let now = self.world.lock().now;
            if self.next_due().is_some_and(|due| due.max(next_run) <= now) {
                self.resend_pending();
                next_run = now + RUN_EVERY;
            }
            let waiting = {
                let state = self.world.lock();
                !state.queue.ready(state.now).is_empty()
            };
            if !waiting && !self.wait_for_more(next_run) {
                return true;
            }
        }
        let mut state = self.world.lock();
        let pending_changes: Vec<_> =
            state.table.pending_changes.keys().map(|(_, sub)| sub.to_string()).collect();
        let detail = format!("still pending: {}", pending_changes.join(", "));
        state.watch.violated("the world becomes quiescent", detail);
        false
    }

    fn run_all(&mut self) {
        for _ in 0..TURNS_MAX {
            let now = self.world.lock().now;
            let suspended_until = self.tasks.iter().filter_map(|task| task.suspended_until).min();
            let awake =
                self.tasks.iter().position(|task| task.suspended_until.is_none_or(|it| it <= now));
            match (awake, suspended_until) {
                (Some(at), _) => {
                    self.pass(Duration::from_millis(7));
                    if at < self.tasks.len() {
                        self.run(at);
                    }
                }
                (None, Some(until)) => self.pass(until.since(now)),
                (None, None) => return,
            }
        }
        self.world.lock().watch.violated("work ends", "a task never ended".to_owned());
    }

    /// Lets time pass until a task can continue, or until pending changes are sent at `next_run`.
    /// Returns whether any can.
    fn wait_for_more(&mut self, next_run: Time) -> bool {
        let due = self.next_due().map(|due| due.max(next_run));
        let next: Option<Time> = {
            let state = self.world.lock();
            let soon = [state.queue.next_visible(state.now), state.next_landing(), due];
            soon.into_iter().flatten().filter(|&at| at > state.now).min()
        };
        let now = self.world.lock().now;
        match next {
            Some(at) => self.pass(at.since(now)),
            None if due.is_some() => self.pass(Duration::from_secs(5)),
            None => return false,
        }
        true
    }
}
