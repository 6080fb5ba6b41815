//! The queue: FIFO within a group, at-least-once delivery, five minutes of deduplication, receive
//! counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use poolbridge_core::change::ChangeEvent;
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Outbox;
use poolbridge_core::rules::Rule;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::connection::Connection;
use super::fault_injection::Target;

/// How long SQS FIFO queues remember a deduplication id, even after its message was deleted.
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// One message.
#[derive(Clone, Debug)]
pub struct QueuedMessage {
    /// The change that it carries.
    pub change: ChangeEvent,
    /// Its number, in the order of sending.
    pub number: u64,
    /// No reader receives it before this time.
    pub visible: Time,
    /// How often it was received.
    pub receives: u32,
    /// Whether a reader received it and has not answered.
    pub out: bool,
}

/// The receipt that a reader answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub number: u64,
    /// The reception. An older receipt has no effect.
    pub receives: u32,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    messages: Vec<QueuedMessage>,
    remembered: BTreeMap<(Side, Sub, u128), Time>,
    sent: u64,
    /// Messages that were received too often.
    pub dead: Vec<ChangeEvent>,
    /// The history of the queue: from each time on, when each of its messages can be received.
    held: Vec<(Time, Vec<Time>)>,
}

impl Queue {
    /// Accepts a message, unless its deduplication id was seen within the interval.
    pub fn send(&mut self, change: &ChangeEvent, deduplication: u128, now: Time) -> bool {
        let key = (change.side, change.sub.clone(), deduplication);
        let seen = self.remembered.get(&key).is_some_and(|&at| now.since(at) < DEDUPLICATION);
        if seen {
            return false;
        }
        self.remembered.insert(key, now);
        self.sent += 1;
        let (change, number) = (change.clone(), self.sent);
        self.messages.push(QueuedMessage { change, number, visible: now, receives: 0, out: false });
        self.note(now);
        true
    }

    /// Every message.
    pub fn messages(&self) -> &[QueuedMessage] {
        &self.messages
    }

    /// The messages that can be received now: the first of each group, if it is visible.
    pub fn ready(&self, now: Time) -> Vec<u64> {
        let same = |one: &QueuedMessage, other: &QueuedMessage| {
            one.change.side == other.change.side && one.change.sub == other.change.sub
        };
        let first = |message: &&QueuedMessage| {
            self.messages.iter().find(|one| same(one, message)).map(|one| one.number)
                == Some(message.number)
        };
        let ready = self.messages.iter().filter(first).filter(|message| message.visible <= now);
        ready.map(|message| message.number).collect()
    }

    /// Receives a message and hides it for a while. A message that was received too often goes to
    /// the dead-letter queue instead.
    pub fn receive(
        &mut self,
        number: u64,
        now: Time,
        hide: Duration,
    ) -> Option<(ChangeEvent, Receipt)> {
        let at = self.messages.iter().position(|message| message.number == number)?;
        self.messages[at].receives += 1;
        if self.messages[at].receives > limits::RECEIVES_MAX {
            let message = self.messages.remove(at);
            self.dead.push(message.change);
            self.note(now);
            return None;
        }
        let message = &mut self.messages[at];
        message.out = true;
        message.visible = now + hide;
        let answer = (message.change.clone(), Receipt { number, receives: message.receives });
        self.note(now);
        Some(answer)
    }

    fn position(&self, receipt: Receipt) -> Option<usize> {
        self.messages.iter().position(|message| {
            message.number == receipt.number && message.receives == receipt.receives
        })
    }

    /// Deletes a message.
    pub fn delete(&mut self, receipt: Receipt, now: Time) {
        if let Some(at) = self.position(receipt) {
            self.messages.remove(at);
            self.note(now);
        }
    }

    /// Shows a message again at that time.
    pub fn postpone(&mut self, receipt: Receipt, until: Time, now: Time) {
        if let Some(at) = self.position(receipt) {
            self.messages[at].visible = until;
            self.messages[at].out = false;
            self.note(now);
        }
    }

    /// Shows a received message again before its reader answered.
    pub fn make_visible(&mut self, number: u64, now: Time) {
        if let Some(message) = self.messages.iter_mut().find(|one| one.number == number) {
            message.visible = now;
            message.out = false;
            self.note(now);
        }
    }

    /// Loses a message.
    pub fn lose(&mut self, number: u64, now: Time) {
        self.messages.retain(|message| message.number != number);
        self.note(now);
    }

    /// When the next hidden message becomes visible.
    pub fn next_visible(&self, now: Time) -> Option<Time> {
        self.messages.iter().map(|message| message.visible).filter(|&at| at > now).min()
    }

    fn note(&mut self, now: Time) {
        let visible = self.messages.iter().map(|message| message.visible).collect();
        self.held.push((now, visible));
    }

    /// The counters that the service shows. They lag, so they may be those of `moment`. A received
    /// message counts as in flight until it can be received again, delayed or not.
    pub fn counts(&self, moment: Time) -> QueueCounts {
        let known = self.held.iter().rev().find(|(at, _)| *at <= moment);
        let Some((_, visible)) = known else { return QueueCounts::default() };
        let in_flight = visible.iter().filter(|&&visible| visible > moment).count() as u64;
        QueueCounts { waiting: visible.len() as u64 - in_flight, in_flight, delayed: 0 }
    }
}

/// The queue, as a sender reaches it.
#[derive(Clone)]
pub struct SimulatedOutbox {
    connection: Connection,
}

impl SimulatedOutbox {
    /// The queue, through that connection.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl Outbox for SimulatedOutbox {
    fn send(&self, change: &ChangeEvent) -> impl Future<Output = Result<(), PortError>> + Send {
        let change = change.clone();
        let call = self.connection.call(Target::Queue, "SendMessage", true);
        self.connection.make(call, move |state| {
            send(state, &change);
            Ok(())
        })
    }
}

/// Sends a change. Without `UniqueDeduplicationId`, the id says only which account it concerns.
pub fn send(state: &mut super::WorldState, change: &ChangeEvent) {
    let id = if state.rules.keeps(Rule::UniqueDeduplicationId) { change.id } else { 0 };
    let taken = state.queue.send(change, id, state.now);
    let how = if taken { "" } else { " (a duplicate)" };
    state.say(|| format!("message about {}{how}", change.sub));
}
