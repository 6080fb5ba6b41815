//! The key of a state: equal keys, equal futures. Everything that a task, a check or the scheduler
//! could still ask for goes into it.

use std::collections::BTreeSet;
use std::hash::Hash;

use crate::simulation::scheduler::Scheduler;
use crate::simulation::tasks::{Task, What};
use crate::world::history::Digest;
use crate::world::queue::Message;
use crate::world::{State, TaskId};
use poolbridge_core::law::Rule;
use poolbridge_core::side::Side;

/// The key of the world as it is, with what the explorer itself still has to spend. `jumps`: whether
/// time may run on at all though somebody is at work.
pub fn key(scheduler: &Scheduler, jumps: bool, budget: &impl Hash) -> u128 {
    let mut hasher = Digest::default();
    budget.hash(&mut hasher);
    scheduler.unmarked.hash(&mut hasher);
    let state = scheduler.world.lock();
    state.now.hash(&mut hasher);
    state.weather.spent().hash(&mut hasher);
    let tasks = living(scheduler);
    hash_tasks(&state, &tasks, jumps, &mut hasher);
    state.table.hash(&mut hasher);
    hash_queue(&state, &mut hasher);
    for side in Side::BOTH {
        for account in state.pools.get(side).all() {
            (&account.sub, account.human, account.ours, account.created).hash(&mut hasher);
            account.versions().hash(&mut hasher);
        }
    }
    state.edits.hash(&mut hasher);
    state.departures.hash(&mut hasher);
    let mut witnesses: BTreeSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    witnesses.extend(state.in_flight.iter().map(|flight| flight.request.call.task));
    state.watch.hash_into(&witnesses, &mut hasher);
    hasher.whole()
}

/// The tasks, in an order that does not tell who came first.
fn living(scheduler: &Scheduler) -> Vec<&Task> {
    let mut tasks: Vec<&Task> = scheduler.tasks.iter().collect();
    tasks.sort_by_key(|task| task.id);
    tasks
}

/// What the tasks are at. A request says nothing that its sender's history would not say, but for
/// whether it is still to be carried out, and when it was signed: which matters only where a
/// signature can grow too old, since time runs on though somebody is at work.
fn hash_tasks(state: &State, tasks: &[&Task], jumps: bool, hasher: &mut Digest) {
    let history = |task| state.histories.as_ref().map(|all| all.of(task).whole());
    tasks.len().hash(hasher);
    for task in tasks {
        let receives = match task.what {
            What::Worker(receipt) => receipt.receives,
            What::Capture(..) | What::Sweep => 0,
        };
        (task.id, receives, task.ends, task.asleep, history(task.id)).hash(hasher);
        let unsent = state.about_to_send.iter().filter(|((whose, _), _)| *whose == task.id);
        for (_, request) in unsent {
            (request.call.operation, jumps.then_some(request.signed)).hash(hasher);
        }
    }
    let flights = state.in_flight.iter().map(|flight| {
        let call = &flight.request.call;
        (call.task, history(call.task), call.operation, flight.lands_by)
    });
    let mut flights: Vec<_> = flights.collect();
    flights.sort_unstable();
    flights.hash(hasher);
}

/// The messages, in their order within each group. Deduplication matters only where ids can come
/// twice. The counters' past is not asked for: the explorer lets them say whatever suits the worst.
fn hash_queue(state: &State, hasher: &mut Digest) {
    let group = |message: &&Message| (message.change.side, message.change.sub.clone());
    let mut messages: Vec<&Message> = state.queue.messages().iter().collect();
    messages.sort_by_key(group);
    for message in messages {
        (&message.change, message.visible, message.receives, message.out).hash(hasher);
        if !state.law.keeps(Rule::R13) {
            // Order of sending and time of sending: what is a duplicate depends on both.
            message.number.hash(hasher);
        }
    }
    state.queue.dead.hash(hasher);
}
