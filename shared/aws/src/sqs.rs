//! The queue: a sender's half ([`SqsOutbox`]) and a reader's and operator's half ([`SqsQueue`]).
//!
//! FIFO, one group for each account, high throughput. The deduplication id is unique for each
//! capture and each re-send (R13): equal messages are never taken for one, or a lost mark and one
//! "duplicate" would lose a change.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use poolbridge_core::change::Change;
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Outbox;
use poolbridge_core::side::Side;
use sha2::{Digest, Sha256};

use crate::client::waiting;
use crate::fault::fault;
use crate::wire;

/// Messages in one call, sent or received (SQS quota).
pub const BATCH_MESSAGES_MAX: usize = 10;

/// The longest that a receive may wait (SQS quota).
pub const RECEIVE_WAIT_MAX: Duration = Duration::from_secs(20);

/// The longest visibility time-out (SQS quota).
pub const VISIBILITY_MAX: Duration = Duration::from_hours(12);

/// Characters in a message group id (SQS quota).
const GROUP_CHARACTERS_MAX: usize = 128;

/// Sends changes to one queue.
#[derive(Clone, Debug)]
pub struct SqsOutbox {
    client: Client,
    queue_url: String,
}

/// What became of a batch of changes. Nothing is ever left out: each is sent or listed here.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many the queue took.
    pub sent: usize,
    /// Those that it did not take, or may not have taken, and why.
    pub failed: Vec<(Change, Fault)>,
}

impl SqsOutbox {
    /// An outbox for the queue of that URL.
    pub const fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    /// Sends many changes, ten in a call, in order. After a call that failed as a whole the rest is
    /// not tried: whatever ails the queue ails the next call too, and every mark still stands.
    pub async fn send_all(&self, changes: &[Change]) -> Sent {
        let mut outcome = Sent::default();
        let mut batches = changes.chunks(BATCH_MESSAGES_MAX);
        for batch in batches.by_ref() {
            if let Err(error) = self.send_batch(batch, &mut outcome).await {
                outcome.failed.extend(batch.iter().map(|change| (change.clone(), error.clone())));
                break;
            }
        }
        for change in batches.flatten() {
            let unsent = Fault::new(FaultKind::NotSent, "SendMessageBatch");
            outcome.failed.push((change.clone(), unsent));
        }
        outcome
    }

    async fn send_batch(&self, batch: &[Change], outcome: &mut Sent) -> Result<(), Fault> {
        let entries = batch.iter().enumerate().map(|(index, change)| entry(index, change));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| fault("SendMessageBatch", &error))?;
        for (index, change) in batch.iter().enumerate() {
            let index = index.to_string();
            if answer.successful().iter().any(|entry| entry.id() == index) {
                outcome.sent += 1;
                continue;
            }
            let refused = answer.failed().iter().find(|entry| entry.id() == index);
            outcome.failed.push((change.clone(), refused.map_or_else(unmentioned, entry_fault)));
        }
        Ok(())
    }
}

fn entry(index: usize, change: &Change) -> Result<SendMessageBatchRequestEntry, Fault> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(wire::encode(change))
        .message_group_id(group(change.side, &change.sub))
        .message_deduplication_id(deduplication(change))
        .build()
        .map_err(|_| Fault::new(FaultKind::Invalid, "SendMessageBatch"))
}

/// An entry that the answer does not speak of may have been taken or not.
fn unmentioned() -> Fault {
    Fault::new(FaultKind::NoAnswer, "SendMessageBatch")
}

/// The fault of one entry of a batch. The codes are those of `SendMessage`; SQS says besides whose
/// fault it is.
fn entry_fault(entry: &BatchResultErrorEntry) -> Fault {
    let code = entry.code();
    let kind = if code.contains("Throttl") {
        FaultKind::Throttled
    } else if code.contains("AccessDenied") {
        FaultKind::Denied
    } else if entry.sender_fault() {
        FaultKind::Invalid
    } else {
        FaultKind::Broken
    };
    Fault { kind, operation: "SendMessageBatch", code: Some(code.to_owned()) }
}

impl Outbox for SqsOutbox {
    async fn send(&self, change: &Change) -> Result<(), Fault> {
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(wire::encode(change))
            .message_group_id(group(change.side, &change.sub))
            .message_deduplication_id(deduplication(change))
            .send()
            .await
            .map(drop)
            .map_err(|error| fault("SendMessage", &error))
    }
}

/// The message group of an account. SQS takes 128 letters, digits and ASCII punctuation; a `sub` is
/// promised to be neither that short nor that plain, so any other is hashed.
pub fn group(side: Side, sub: &Sub) -> String {
    let plain = format!("{side}#{sub}");
    if plain.len() <= GROUP_CHARACTERS_MAX && plain.bytes().all(|letter| letter.is_ascii_graphic())
    {
        return plain;
    }
    let digest = Sha256::digest(sub.as_str().as_bytes());
    let number = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{side}#sha256:{number}")
}

fn deduplication(change: &Change) -> String {
    format!("{:032x}", change.id)
}

/// One received message. Its body is not printed: it may be anything that anybody sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The body, to be decoded by [`wire::decode`].
    pub body: String,
    /// What `delete` and `change_visibility` are asked with.
    pub receipt: String,
    /// How often it was received, this time included (`ApproximateReceiveCount`).
    pub receives: u32,
    /// SQS's own id of the message.
    pub message_id: String,
    /// The message group; empty if the service did not say.
    pub group: String,
    /// Which of the two queues it came from, and is answered to.
    pub line: Line,
}

/// A queue that apply works off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// Changes as they are noticed.
    Live,
    /// Bulk work, which never delays live changes: it has a consumer of its own.
    Bulk,
}

impl Line {
    /// The line of the queue of that ARN, given the URL of the queue of bulk work. Both end in the
    /// queue's name.
    pub fn of_arn(arn: &str, bulk_queue_url: Option<&str>) -> Self {
        let name = arn.rsplit(':').next().filter(|name| !name.is_empty());
        let bulk = bulk_queue_url.and_then(|url| url.rsplit('/').next());
        if name.is_some() && name == bulk { Self::Bulk } else { Self::Live }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Received")
            .field("message_id", &self.message_id)
            .field("receives", &self.receives)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One queue, as its reader and its operator see it. A dead-letter queue is one too.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    line: Line,
}

impl SqsQueue {
    /// The queue of that URL.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url, line: Line::Live }
    }

    /// The same queue, as the one of bulk work.
    #[must_use]
    pub fn of_bulk(mut self) -> Self {
        self.line = Line::Bulk;
        self
    }

    /// A sender for the same queue.
    pub fn outbox(&self) -> SqsOutbox {
        SqsOutbox::new(self.client.clone(), self.url.clone())
    }

    /// Up to `most` messages (ten at the most), waiting up to `wait` (20 seconds at the most) for
    /// the first of them. An empty answer proves nothing: see [`SqsQueue::counts`].
    pub async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Received>, Fault> {
        let most = most.clamp(1, BATCH_MESSAGES_MAX);
        let wait = wait.min(RECEIVE_WAIT_MAX);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .wait_time_seconds(whole_seconds(wait, RECEIVE_WAIT_MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .customize()
            .config_override(aws_sdk_sqs::config::Builder::new().timeout_config(waiting(wait)))
            .send()
            .await
            .map_err(|error| fault("ReceiveMessage", &error))?;
        Ok(answer.messages().iter().map(|message| received(message, self.line)).collect())
    }

    /// Takes a message away for good.
    pub async fn delete(&self, receipt: &str) -> Result<(), Fault> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map(drop)
            .map_err(|error| fault("DeleteMessage", &error))
    }

    /// Shows a message again after `after` (12 hours at the most), rounded up to whole seconds.
    pub async fn change_visibility(&self, receipt: &str, after: Duration) -> Result<(), Fault> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(whole_seconds(after, VISIBILITY_MAX))
            .send()
            .await
            .map(drop)
            .map_err(|error| fault("ChangeMessageVisibility", &error))
    }

    /// The queue's own counters. SQS calls them approximate and says that they may need a minute to
    /// settle, so one look proves nothing.
    pub async fn counts(&self) -> Result<QueueCounts, Fault> {
        const OPERATION: &str = "GetQueueAttributes";
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            .send()
            .await
            .map_err(|error| fault(OPERATION, &error))?;
        // A counter that is not told is not zero: "drained" hangs on it.
        let count = |name| {
            let told = answer.attributes().and_then(|told| told.get(&name));
            let told = told.and_then(|text| text.parse::<u64>().ok());
            told.ok_or_else(|| Fault::new(FaultKind::Unreadable, OPERATION))
        };
        Ok(QueueCounts {
            waiting: count(QueueAttributeName::ApproximateNumberOfMessages)?,
            in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
        })
    }

    /// Everything in the queue, whatever its state: what a dead-letter queue is asked for.
    pub async fn message_count(&self) -> Result<u64, Fault> {
        let QueueCounts { waiting, in_flight, delayed } = self.counts().await?;
        Ok(waiting.saturating_add(in_flight).saturating_add(delayed))
    }
}

fn received(message: &aws_sdk_sqs::types::Message, line: Line) -> Received {
    let attribute = |name| message.attributes().and_then(|told| told.get(&name));
    let receives = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    Received {
        body: message.body().unwrap_or_default().to_owned(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        // Untold counts as the first receive: a message is then tried more often, never dropped.
        receives: receives.and_then(|text| text.parse().ok()).unwrap_or(1),
        message_id: message.message_id().unwrap_or_default().to_owned(),
        group: attribute(MessageSystemAttributeName::MessageGroupId).cloned().unwrap_or_default(),
        line,
    }
}

fn whole_seconds(span: Duration, most: Duration) -> i32 {
    let seconds = span.min(most).as_millis().div_ceil(1_000);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
