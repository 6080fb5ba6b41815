//! The queue: [`SqsOutbox`] for senders, [`SqsQueue`] for readers and operators.
//!
//! The queue is FIFO with high throughput and one group per account. The deduplication id is unique
//! for each capture and each re-send (`UniqueDeduplicationId`). If equal messages counted as
//! one, a lost pending change plus one "duplicate" would lose a change.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Outbox;
use poolbridge_core::side::Side;
use sha2::{Digest, Sha256};

use crate::client::waiting;
use crate::error::port_error;
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

/// The result of sending a batch. Every change is either sent or listed here.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many the queue accepted.
    pub sent: usize,
    /// The changes that the queue did not accept, or may not have accepted, and why.
    pub failed: Vec<(ChangeEvent, PortError)>,
}

impl SqsOutbox {
    /// An outbox for the queue with that URL.
    pub const fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    /// Sends changes in order, ten per call. After a call that failed as a whole it tries no
    /// further call, which would fail for the same reason. Every pending change is still stored.
    pub async fn send_all(&self, changes: &[ChangeEvent]) -> Sent {
        let mut outcome = Sent::default();
        let mut batches = changes.chunks(BATCH_MESSAGES_MAX);
        for batch in batches.by_ref() {
            if let Err(error) = self.send_batch(batch, &mut outcome).await {
                outcome.failed.extend(batch.iter().map(|change| (change.clone(), error.clone())));
                break;
            }
        }
        for change in batches.flatten() {
            let unsent = PortError::new(ErrorKind::NotSent, "SendMessageBatch");
            outcome.failed.push((change.clone(), unsent));
        }
        outcome
    }

    async fn send_batch(&self, batch: &[ChangeEvent], outcome: &mut Sent) -> Result<(), PortError> {
        let records = batch.iter().enumerate().map(|(index, change)| record(index, change));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(records))
            .send()
            .await
            .map_err(|error| port_error("SendMessageBatch", &error))?;
        for (index, change) in batch.iter().enumerate() {
            let index = index.to_string();
            if answer.successful().iter().any(|record| record.id() == index) {
                outcome.sent += 1;
                continue;
            }
            let refused = answer.failed().iter().find(|record| record.id() == index);
            outcome.failed.push((change.clone(), refused.map_or_else(unmentioned, record_error)));
        }
        Ok(())
    }
}

fn record(index: usize, change: &ChangeEvent) -> Result<SendMessageBatchRequestEntry, PortError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(wire::encode(change))
        .message_group_id(group(change.side, &change.sub))
        .message_deduplication_id(deduplication(change))
        .build()
        .map_err(|_| PortError::new(ErrorKind::Invalid, "SendMessageBatch"))
}

/// The queue may or may not have accepted an entry that the answer does not mention.
fn unmentioned() -> PortError {
    PortError::new(ErrorKind::NoAnswer, "SendMessageBatch")
}

/// The port error of one batch entry. The codes are those of `SendMessage`. SQS also says whether
/// the sender caused the error.
fn record_error(record: &BatchResultErrorEntry) -> PortError {
    let code = record.code();
    let kind = if code.contains("Throttl") {
        ErrorKind::Throttled
    } else if code.contains("AccessDenied") {
        ErrorKind::Denied
    } else if record.sender_fault() {
        ErrorKind::Invalid
    } else {
        ErrorKind::Broken
    };
    PortError { kind, operation: "SendMessageBatch", code: Some(code.to_owned()) }
}

impl Outbox for SqsOutbox {
    async fn send(&self, change: &ChangeEvent) -> Result<(), PortError> {
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(wire::encode(change))
            .message_group_id(group(change.side, &change.sub))
            .message_deduplication_id(deduplication(change))
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("SendMessage", &error))
    }
}

/// The message group of an account. SQS accepts 128 letters, digits and ASCII punctuation. AWS does
/// not promise that a `sub` is that short or plain, so any other is hashed.
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

fn deduplication(change: &ChangeEvent) -> String {
    format!("{:032x}", change.id)
}

/// One received message. `Debug` does not print its body, which any sender may have written.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The body, to be decoded by [`wire::decode`].
    pub body: String,
    /// The handle for `delete` and `change_visibility`.
    pub receipt: String,
    /// How many times it was received, this time included (`ApproximateReceiveCount`).
    pub receives: u32,
    /// SQS's own id of the message.
    pub message_id: String,
    /// The message group; empty if the service did not return it.
    pub group: String,
    /// The queue that it came from, and to which apply reports it.
    pub line: QueueKind,
}

/// A queue that apply processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueKind {
    /// Changes as routes detect them.
    Live,
    /// Bulk work. It has a consumer of its own, so it never delays live changes.
    Bulk,
}

impl QueueKind {
    /// The line of the queue with that ARN, given the URL of the bulk queue. Both end in the
    /// queue's name.
    pub fn of_arn(arn: &str, bulk_queue_url: Option<&str>) -> Self {
        let name = arn.rsplit(':').next().filter(|name| !name.is_empty());
        let bulk = bulk_queue_url.and_then(|url| url.rsplit('/').next());
        if name.is_some() && name == bulk { Self::Bulk } else { Self::Live }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Received")
            .field("message_id", &self.message_id)
            .field("receives", &self.receives)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One queue for its reader and operator. A dead-letter queue is one too.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    line: QueueKind,
}

impl SqsQueue {
    /// The queue with that URL.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url, line: QueueKind::Live }
    }

    /// The same queue, as the bulk queue.
    #[must_use]
    pub fn of_bulk(mut self) -> Self {
        self.line = QueueKind::Bulk;
        self
    }

    /// A sender for the same queue.
    pub fn outbox(&self) -> SqsOutbox {
        SqsOutbox::new(self.client.clone(), self.url.clone())
    }

    /// Up to `most` messages (at most ten). It waits up to `wait` (at most 20 seconds) for the
    /// first one. An empty answer proves nothing: see [`SqsQueue::counts`].
    pub async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, PortError> {
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
            .map_err(|error| port_error("ReceiveMessage", &error))?;
        Ok(answer.messages().iter().map(|message| received(message, self.line)).collect())
    }

    /// Deletes a message.
    pub async fn delete(&self, receipt: &str) -> Result<(), PortError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("DeleteMessage", &error))
    }

    /// Makes a message visible again after `after` (at most 12 hours), rounded up to whole seconds.
    pub async fn change_visibility(&self, receipt: &str, after: Duration) -> Result<(), PortError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(whole_seconds(after, VISIBILITY_MAX))
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("ChangeMessageVisibility", &error))
    }

    /// The queue's own counters. SQS calls them approximate and says that they may need a minute to
    /// settle, so one reading proves nothing.
    pub async fn counts(&self) -> Result<QueueCounts, PortError> {
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
            .map_err(|error| port_error(OPERATION, &error))?;
        // A missing counter does not mean zero: "drained" depends on it.
        let count = |name| {
            let reported = answer.attributes().and_then(|reported| reported.get(&name));
            let reported = reported.and_then(|text| text.parse::<u64>().ok());
            reported.ok_or_else(|| PortError::new(ErrorKind::Unreadable, OPERATION))
        };
        Ok(QueueCounts {
            waiting: count(QueueAttributeName::ApproximateNumberOfMessages)?,
            in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
        })
    }

    /// The number of messages in any state, as needed for a dead-letter queue.
    pub async fn message_count(&self) -> Result<u64, PortError> {
        let QueueCounts { waiting, in_flight, delayed } = self.counts().await?;
        Ok(waiting.saturating_add(in_flight).saturating_add(delayed))
    }
}

fn received(message: &aws_sdk_sqs::types::Message, line: QueueKind) -> Delivery {
    let attribute = |name| message.attributes().and_then(|reported| reported.get(&name));
    let receives = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    Delivery {
        body: message.body().unwrap_or_default().to_owned(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        // A missing count means the first receive: apply then tries the message more often, and
        // never drops it.
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
