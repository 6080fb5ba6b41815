//! The key of a state: two states with equal keys have equal futures. It covers everything that a
//! task, a check or the scheduler can still read.

use std::collections::BTreeSet;
use std::hash::Hash;

use crate::simulation::scheduler::Scheduler;
use crate::simulation::tasks::{Task, What};
use crate::world::history::Digest;
use crate::world::queue::QueuedMessage;
use crate::world::{TaskId, WorldState};
use poolbridge_core::rules::Rule;
use poolbridge_core::side::Side;

/// The key of the world as it is, with the explorer's remaining budget. `jumps`: whether time may
/// run on while a worker is active.
pub fn key(scheduler: &Scheduler, jumps: bool, budget: &impl Hash) -> u128 {
    let mut hasher = Digest::default();
    budget.hash(&mut hasher);
    scheduler.lost_captures.hash(&mut hasher);
    let state = scheduler.world.lock();
    state.now.hash(&mut hasher);
    state.fault_injection.spent().hash(&mut hasher);
    let tasks = living(scheduler);
    hash_tasks(&state, &tasks, jumps, &mut hasher);
    state.table.hash(&mut hasher);
    hash_queue(&state, &mut hasher);
    for side in Side::BOTH {
        for account in state.pools.get(side).all() {
            (&account.sub, account.human, account.by_bridge, account.created).hash(&mut hasher);
            account.versions().hash(&mut hasher);
        }
    }
    state.edits.hash(&mut hasher);
    state.deletions.hash(&mut hasher);
    let mut witnesses: BTreeSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    witnesses.extend(state.in_flight.iter().map(|flight| flight.request.call.task));
    state.watch.hash_into(&witnesses, &mut hasher);
    hasher.whole()
}

/// The tasks, in an order that does not depend on which came first.
fn living(scheduler: &Scheduler) -> Vec<&Task> {
    let mut tasks: Vec<&Task> = scheduler.tasks.iter().collect();
    tasks.sort_by_key(|task| task.id);
    tasks
}

/// The state of the tasks. A request follows from its sender's history, except for two things:
/// whether it is still to be executed, and when it was signed. The second matters only where a
/// signature can expire because time runs on while a worker is active.
fn hash_tasks(state: &WorldState, tasks: &[&Task], jumps: bool, hasher: &mut Digest) {
    let history = |task| state.histories.as_ref().map(|all| all.of(task).whole());
    tasks.len().hash(hasher);
    for task in tasks {
        let receives = match task.what {
            What::Worker(receipt) => receipt.receives,
            What::Capture(..) | What::Sweep => 0,
        };
        (task.id, receives, task.ends, task.suspended_until, history(task.id)).hash(hasher);
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

/// The messages, in their order within each group. Deduplication matters only where an id can occur
/// twice. The counters' past does not matter: the explorer lets them show the least favourable
/// values.
fn hash_queue(state: &WorldState, hasher: &mut Digest) {
    let group = |message: &&QueuedMessage| (message.change.side, message.change.sub.clone());
    let mut messages: Vec<&QueuedMessage> = state.queue.messages().iter().collect();
    messages.sort_by_key(group);
    for message in messages {
        (&message.change, message.visible, message.receives, message.out).hash(hasher);
        if !state.rules.keeps(Rule::UniqueDeduplicationId) {
            // The order and the time of sending: both decide what is a duplicate.
            message.number.hash(hasher);
        }
    }
    state.queue.dead.hash(hasher);
}
