//! Tasks that run concurrently: a worker with one message, one capture, or one sweep.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::acknowledge::{Acknowledgement, DeliveryState, acknowledge};
use poolbridge_core::capture::{Captured, capture};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::reconcile::{Bridge, Report, Work};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::{Sweep, SweepSettings, Tick};

use super::initial_state::Setting;
use crate::world::edits::Human;
use crate::world::fault_injection::Target;
use crate::world::queue::Receipt;
use crate::world::{TaskId, World, WorldState};

/// How long a received message stays hidden: longer than an invocation may last.
const HIDDEN: Duration = Duration::from_mins(1);

/// The maximum length of an invocation.
const INVOCATION: Duration = Duration::from_secs(30);

/// The result of a task.
pub enum Ended {
    /// A worker's report.
    Worked(Box<Report>),
    /// The result of a capture.
    Captured(Captured),
    /// The result of a sweep.
    Swept(Result<Tick, PortError>),
}

/// The kind of a task.
pub enum What {
    /// A worker with the message of that receipt.
    Worker(Receipt),
    /// The capture of a person's edit.
    Capture(Human, u128),
    /// The sweep.
    Sweep,
}

/// A task.
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// Its kind.
    pub what: What,
    /// When the platform kills it.
    pub ends: Option<Time>,
    /// It does not run before this time.
    pub suspended_until: Option<Time>,
    future: Pin<Box<dyn Future<Output = Ended> + Send>>,
}

impl Task {
    /// Whether it is a capture.
    pub const fn is_capture(&self) -> bool {
        matches!(self.what, What::Capture(..))
    }

    /// Whether it is a worker.
    pub const fn is_worker(&self) -> bool {
        matches!(self.what, What::Worker(_))
    }

    /// Runs it until it yields or ends.
    pub fn turn(&mut self) -> Poll<Ended> {
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

/// Begins the capture of a change.
pub fn capturing(world: &World, id: TaskId, human: Human, change: ChangeEvent) -> Task {
    let ports = world.ports(id);
    let number = change.id;
    let future =
        Box::pin(
            async move { Ended::Captured(capture(ports.ledger(), ports.outbox(), &change).await) },
        );
    Task { id, what: What::Capture(human, number), ends: None, suspended_until: None, future }
}

/// Receives a message and starts a worker for it; `None` if the message was received too often.
pub fn receiving(world: &World, setting: &Arc<Setting>, id: TaskId, number: u64) -> Option<Task> {
    let mut state = world.lock();
    let now = state.now;
    let received = state.queue.receive(number, now, HIDDEN);
    let Some((change, receipt)) = received else {
        state.say(|| format!("message {number} is a dead letter"));
        state.fault_injection.count("dead letter");
        return None;
    };
    state.say(|| format!("{id} receives message {number} about {}", change.sub));
    let own = state.clock_of(id);
    drop(state);
    let deadline = own + limits::PERSON_TIME_MAX;
    let suspendable = setting.suspendable;
    // The platform's clock is right, and the platform kills by it.
    let end = if suspendable { deadline } else { now + INVOCATION };
    let work = Work { deadline, invocation_end: end, suspendable };
    let (ports, setting) = (world.ports(id), Arc::clone(setting));
    let future = Box::pin(async move {
        let Setting { policy, keys, configuration, .. } = &*setting;
        let bridge = Bridge { ports: &ports, policy, keys, configuration };
        let report = Box::pin(bridge.reconcile(&change, &work)).await;
        Ended::Worked(Box::new(report))
    });
    let ends = (!suspendable).then_some(end);
    Some(Task { id, what: What::Worker(receipt), ends, suspended_until: None, future })
}

/// The maximum length of an invocation of the sweep.
const SWEEP: Duration = Duration::from_mins(5);

/// Begins an invocation of the sweep. A pass is due as soon as the previous one has ended.
pub fn sweeping(world: &World, setting: &Arc<Setting>, id: TaskId) -> Task {
    let end = world.lock().now + SWEEP;
    let (ports, setting) = (world.ports(id), Arc::clone(setting));
    let future = Box::pin(async move {
        let Setting { policy, keys, configuration, .. } = &*setting;
        let settings = SweepSettings { every: Duration::ZERO, quota_percent: 50, one_quota: false };
        let sweep = Sweep { ports: &ports, policy, keys, configuration, settings };
        Ended::Swept(Box::pin(sweep.tick(end)).await)
    });
    Task { id, what: What::Sweep, ends: Some(end), suspended_until: None, future }
}

/// What the consumer does with a message after its worker ends: it executes the shipped decision as
/// the adapters' `consume` does.
pub fn answer(state: &mut WorldState, receipt: Receipt, report: &Report) {
    let now = state.now;
    let outcome = &report.outcome;
    state.say(|| format!("  message {}: {outcome:?}", receipt.number));
    if !state.fault_injection.reaches(Target::Queue, now) {
        // No consumer receives the answer: the message becomes visible again when its time is up.
        return;
    }
    let delivery = DeliveryState {
        receives: receipt.receives,
        has_pending: report.has_pending,
        panicked: false,
    };
    match acknowledge(outcome, delivery) {
        Acknowledgement::Done => state.queue.delete(receipt, now),
        Acknowledgement::Back(after) => state.queue.postpone(receipt, now + after, now),
        Acknowledgement::LeaveToPendingChange(after, reason) => {
            if put_off(state, receipt, now + after, reason) {
                state.queue.delete(receipt, now);
            } else {
                state.queue.postpone(receipt, now + after, now);
            }
        }
    }
}

/// Stores the back-off on the pending change of that message's account. Returns whether there is a
/// pending change to store it on.
fn put_off(state: &mut WorldState, receipt: Receipt, until: Time, reason: Reason) -> bool {
    if !state.fault_injection.reaches(Target::Table, state.now) {
        return false;
    }
    let mut messages = state.queue.messages().iter();
    let Some(message) = messages.find(|one| one.number == receipt.number) else { return false };
    let change = message.change.clone();
    let (side, sub) = (change.side, change.sub.clone());
    let Some(pending) = state.table.pending_changes.get(&(side, sub.clone())) else { return false };
    // A newer edit has a message of its own, and must not wait because of this one.
    let (newer, token) = (pending.is_newer_than(&change), pending.token);
    newer || state.table.back_off(side, &sub, token, until, reason)
}
