//! Endurance: worlds without faults whose edits are decided before they begin. So the same people
//! can do the same things twice, while messages, services and the operator behave differently.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::names::{AttributeName, GroupName};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::checks;
use super::parameters::{Act, InitialState, PoolLayout, WorldParameters};
use super::people;
use super::scheduler::Scheduler;
use super::tasks;
use crate::world::chance::{Chooser, Seeded};
use crate::world::edits::Human;
use crate::world::fault_injection::{FaultRates, Target};
use crate::world::trace::Trace;
use crate::world::watch::Violation;

/// The duration of one turn.
const TICK: Duration = Duration::from_millis(7);

/// Workers at the same time.
const WORKERS: usize = 3;

/// One free turn in this many goes to a message that becomes visible again while it is processed.
const AGAIN_ONE_IN: u32 = 40;

/// The maximum wait if the next event is not known.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// An edit, decided before the world begins.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// The time after the previous edit.
    pub after: Duration,
    /// The human.
    pub human: Human,
    /// The side.
    pub side: Side,
    /// The kind of edit.
    pub act: Act,
    /// Decides the rest: which text, which group.
    pub seed: u64,
}

/// The state of one human's account on one side, without names and dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// The attributes.
    pub attributes: BTreeMap<AttributeName, String>,
    /// The groups.
    pub groups: BTreeSet<GroupName>,
    /// The second factors.
    pub factors: BTreeSet<Factor>,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// The status.
    pub status: Status,
}

/// The state of both pools, human by human.
pub type AllAccounts = BTreeMap<(Human, Side), AccountSummary>;

/// A world and what drives it.
pub struct Endurance {
    /// The world and all that runs in it.
    pub scheduler: Scheduler,
    /// Decides everything outside the world.
    chance: Seeded,
    /// Whether messages sometimes become visible again while they are processed.
    pub again: bool,
}

/// A mixture without faults: from `least` to `most` people, most of them known on both sides.
pub fn mixture(least: usize, most: usize) -> WorldParameters {
    let start =
        [InitialState::Agreed, InitialState::Agreed, InitialState::Unlinked, InitialState::Halves];
    WorldParameters {
        people_min: least,
        people_max: most,
        starts: start.into_iter().chain([InitialState::OldOnly, InitialState::NewOnly]).collect(),
        rates: FaultRates::none(),
        crashes: 0,
        suspensions: 0,
        repeats: 0,
        losses: 0,
        outages: 0,
        drain_checks: 0,
        ..WorldParameters::mixed()
    }
}

/// The same with people who are all in both pools and agreed.
pub fn baseline(least: usize, most: usize) -> WorldParameters {
    WorldParameters {
        starts: vec![InitialState::Agreed],
        layouts: vec![PoolLayout::Plain],
        ..mixture(least, most)
    }
}

impl Endurance {
    /// The world of that seed at its start; `chance` decides how it is driven.
    pub fn new(seed: u64, chance: u64, parameters: &WorldParameters) -> Self {
        let scheduler = Scheduler::new(Box::new(Seeded::new(seed)), parameters, Trace::default());
        Self { scheduler, chance: Seeded::new(chance), again: false }
    }

    /// That many edits of these people, spread evenly over twice `apart` each.
    pub fn plan(&self, seed: u64, edits: usize, apart: Duration) -> Vec<Planned> {
        let mut chance = Seeded::new(seed);
        let humans = &self.scheduler.setting.humans;
        let acts = &self.scheduler.parameters.acts;
        let weights: Vec<u32> = acts.iter().map(|(_, weight)| *weight).collect();
        let milliseconds = usize::try_from(apart.as_millis() * 2).unwrap_or(0);
        let mut planned = |_| Planned {
            after: Duration::from_millis(chance.choose(milliseconds + 1, "how long after") as u64),
            human: humans[chance.choose(humans.len(), "who")],
            side: Side::BOTH[chance.choose(2, "where")],
            act: acts[chance.weigh(&weights, "what")].0,
            seed: chance.draw(),
        };
        (0..edits).map(&mut planned).collect()
    }

    /// Chooses one of that many options.
    pub fn choose(&mut self, options: usize) -> usize {
        self.chance.choose(options, "endurance")
    }

    /// Puts things into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            let other = self.choose(at + 1);
            things.swap(at, other);
        }
    }

    /// The current time.
    pub fn now(&self) -> Time {
        self.scheduler.world.lock().now
    }

    /// A person makes the planned edit, and the trigger captures it at once. Returns whether it was
    /// possible: an edit needs an account.
    pub fn act(&mut self, planned: &Planned) -> bool {
        let Planned { human, side, act, seed, .. } = *planned;
        let parameters =
            WorldParameters { acts: vec![(act, 1)], ..self.scheduler.parameters.clone() };
        let done = {
            let mut state = self.scheduler.world.lock();
            let account = state.pools.get(side).of(human).map(|account| account.sub.clone());
            let Some(sub) = account else { return false };
            let ours = std::mem::replace(&mut state.chooser, Box::new(Seeded::new(seed)));
            let done = people::action(
                &mut state,
                &self.scheduler.setting,
                &parameters,
                (side, sub, human),
            );
            state.chooser = ours;
            done
        };
        let Some((human, change)) = done else { return false };
        let id = self.scheduler.number();
        let task = tasks::capturing(&self.scheduler.world, id, human, change);
        self.scheduler.tasks.push(task);
        while let Some(at) = self.scheduler.tasks.iter().position(|task| task.id == id) {
            self.scheduler.pass(TICK);
            self.scheduler.run(at);
        }
        true
    }

    /// Processes messages until then, in any order that the queue allows, several at the same time.
    /// Finishes work that has begun.
    pub fn work(&mut self, until: Time) {
        loop {
            let now = self.now();
            let ready = self.ready(until);
            let workers = self.scheduler.runnable().len();
            if ready.is_empty() && workers == 0 {
                if now >= until {
                    return;
                }
                let next = self.next_event(until);
                self.scheduler.pass(next.since(now));
                continue;
            }
            let choice = self.choose(ready.len() + workers);
            if let Some(&number) = ready.get(choice) {
                self.scheduler.receive(number);
                continue;
            }
            self.scheduler.pass(TICK);
            let runnable = self.scheduler.runnable();
            if let Some(&at) = runnable.get(choice - ready.len()) {
                self.scheduler.run(at);
            }
            self.show_again();
        }
    }

    /// The messages that a free worker could receive now.
    fn ready(&self, until: Time) -> Vec<u64> {
        let state = self.scheduler.world.lock();
        let now = state.now;
        let reached = state.fault_injection.reaches(Target::Queue, now);
        if now >= until || !reached || self.scheduler.tasks.len() >= WORKERS {
            return Vec::new();
        }
        state.queue.ready(now)
    }

    fn next_event(&self, until: Time) -> Time {
        let state = self.scheduler.world.lock();
        let suspended_until = self.scheduler.tasks.iter().filter_map(|task| task.suspended_until);
        let shown = state.queue.next_visible(state.now);
        let next = suspended_until.chain(shown).filter(|&at| at > state.now).min();
        next.unwrap_or(state.now + LOOK_EVERY).min(state.now + LOOK_EVERY).min(until)
    }

    /// Sometimes makes a message visible again while it is processed.
    fn show_again(&mut self) {
        if !self.again || !self.chance.happens(AGAIN_ONE_IN, "shows again") {
            return;
        }
        let mut state = self.scheduler.world.lock();
        let now = state.now;
        let out: Vec<u64> =
            state.queue.messages().iter().filter(|one| one.out).map(|one| one.number).collect();
        if let Some(&number) = out.first() {
            state.queue.make_visible(number, now);
            state.fault_injection.count("repeated message");
        }
    }

    /// Takes every message out of the queue.
    pub fn take_messages(&mut self) -> Vec<ChangeEvent> {
        let mut state = self.scheduler.world.lock();
        let now = state.now;
        let all: Vec<(u64, ChangeEvent)> =
            state.queue.messages().iter().map(|one| (one.number, one.change.clone())).collect();
        for (number, _) in &all {
            state.queue.lose(*number, now);
        }
        all.into_iter().map(|(_, change)| change).collect()
    }

    /// Puts a message into the queue, even if it was there before.
    pub fn put_message(&mut self, change: &ChangeEvent) {
        let mut state = self.scheduler.world.lock();
        let (now, fresh) = (state.now, state.nonce());
        state.queue.send(change, fresh, now);
    }

    /// Continues until neither message nor pending change is left. Returns whether that was
    /// reached.
    pub fn run_until_idle(&mut self) -> bool {
        self.scheduler.process_all()
    }

    /// The state of both pools.
    pub fn accounts(&self) -> AllAccounts {
        let state = self.scheduler.world.lock();
        let mut accounts = BTreeMap::new();
        for side in Side::BOTH {
            for account in state.pools.get(side).living() {
                let body = account.body().clone();
                let said = AccountSummary {
                    attributes: body.attributes,
                    groups: body.groups,
                    factors: body.factors,
                    enabled: body.enabled,
                    status: body.status,
                };
                accounts.insert((account.human, side), said);
            }
        }
        accounts
    }

    /// The accounts whose password was replaced because a newer one was set on the other side.
    pub fn closed(&self) -> BTreeSet<(Human, Side)> {
        let state = self.scheduler.world.lock();
        let mut closed = BTreeSet::new();
        for side in Side::BOTH {
            for account in state.pools.get(side).living() {
                let record = state.table.find(side, &account.sub);
                if record.is_some_and(|record| record.passwords.closed.get(side).is_some()) {
                    closed.insert((account.human, side));
                }
            }
        }
        closed
    }

    /// Whether a person's two linked accounts differ.
    pub fn apart(&self) -> bool {
        let state = self.scheduler.world.lock();
        let setting = &self.scheduler.setting;
        setting.humans.iter().filter_map(|&human| checks::linked(&state, setting, human)).any(
            |both| {
                let held = both.profile.old.present().chain(both.profile.new.present());
                let differs =
                    |field: &Field| both.profile.old.get(field) != both.profile.new.get(field);
                held.map(|(field, _)| field).any(differs)
            },
        )
    }

    /// Brings the world to its end. Returns every broken promise, dead letters included.
    pub fn end(&mut self) -> Vec<Violation> {
        self.scheduler.run_to_quiescence();
        let mut state = self.scheduler.world.lock();
        let dead = state.queue.dead.len();
        if dead > 0 {
            state.watch.violated("no dead letters", format!("{dead} messages"));
        }
        std::mem::take(&mut state.watch.violations)
    }
}
