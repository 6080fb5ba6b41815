use aws_sdk_sqs::types::Message;
use serde_json::{Value, json};

use super::*;
use crate::loopback::{Loopback, LoopbackRequest, Reply, config_at};

fn sub(text: &str) -> Sub {
    Sub::try_from(text).unwrap()
}

#[test]
fn a_plain_sub_is_its_own_group() {
    assert_eq!(group(Side::Old, &sub("0f-1")), "old#0f-1");
}

#[test]
fn a_group_is_valid_for_sqs_and_unique_per_account() {
    let long = "x".repeat(128);
    let mut groups = Vec::new();
    for text in ["a b", "é", "a", &long, &long[..124]] {
        for side in Side::BOTH {
            groups.push(group(side, &sub(text)));
        }
    }
    for group in &groups {
        assert!(group.len() <= 128 && group.bytes().all(|letter| letter.is_ascii_graphic()));
    }
    let all = groups.len();
    groups.sort();
    groups.dedup();
    assert_eq!(groups.len(), all);
}

#[test]
fn the_deduplication_id_is_the_change_id() {
    let change = ChangeEvent {
        side: Side::New,
        sub: sub("s"),
        at: poolbridge_core::time::Time(1),
        evidence: poolbridge_core::change::Evidence::Hint,
        password: false,
        administrator: false,
        claimed: false,
        id: 255,
    };
    let record = record(0, &change).unwrap();
    let id = "000000000000000000000000000000ff";
    assert_eq!(record.message_deduplication_id(), Some(id));
    assert!(record.message_body().contains(id));
}

#[test]
fn each_error_of_an_entry_has_its_port_error() {
    let kind = |code: &str, sender| {
        let record = BatchResultErrorEntry::builder().id("0").code(code).sender_fault(sender);
        record_error(&record.build().unwrap()).kind
    };
    assert_eq!(kind("RequestThrottled", true), ErrorKind::Throttled);
    assert_eq!(kind("ThrottlingException", false), ErrorKind::Throttled);
    assert_eq!(kind("AccessDenied", true), ErrorKind::Denied);
    assert_eq!(kind("InvalidMessageContents", true), ErrorKind::Invalid);
    assert_eq!(kind("InternalError", false), ErrorKind::Broken);
}

#[test]
fn the_arn_shows_which_queue_a_message_came_from() {
    let url = Some("https://sqs.eu-west-1.amazonaws.com/1/acme-bulk.fifo");
    let line = |arn| QueueKind::of_arn(arn, url);
    assert_eq!(line("arn:aws:sqs:eu-west-1:1:acme-bulk.fifo"), QueueKind::Bulk);
    assert_eq!(line("arn:aws:sqs:eu-west-1:1:acme.fifo"), QueueKind::Live);
    assert_eq!((line(""), QueueKind::of_arn("x", None)), (QueueKind::Live, QueueKind::Live));
}

#[test]
fn seconds_are_rounded_up_and_bounded() {
    assert_eq!(whole_seconds(Duration::ZERO, VISIBILITY_MAX), 0);
    assert_eq!(whole_seconds(Duration::from_millis(1), VISIBILITY_MAX), 1);
    assert_eq!(whole_seconds(Duration::MAX, VISIBILITY_MAX), 43_200);
}

#[test]
fn invariant_09_a_received_body_is_not_printed() {
    let message =
        received(&Message::builder().body("someone@example.com").build(), QueueKind::Live);
    assert_eq!(message.receives, 1);
    assert!(!format!("{message:?}").contains("someone"));
}

/// That many changes, numbered by their ids.
fn changes(count: u32) -> Vec<ChangeEvent> {
    let change = |id: u32| ChangeEvent {
        side: Side::Old,
        sub: sub(&format!("s-{id}")),
        at: poolbridge_core::time::Time(1),
        evidence: poolbridge_core::change::Evidence::Changed,
        password: false,
        administrator: false,
        claimed: false,
        id: u128::from(id),
    };
    (0..count).map(change).collect()
}

/// An outbox for that queue.
async fn outbox(queue: &Loopback) -> SqsOutbox {
    let client = Client::new(&config_at(&queue.endpoint_url).await);
    SqsOutbox::new(client, format!("{}/1/acme.fifo", queue.endpoint_url))
}

/// The answer for an accepted batch entry.
fn taken(id: &str) -> Value {
    json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "x" })
}

/// The ids of a batch's entries, in order.
fn records(request: &LoopbackRequest) -> Vec<String> {
    let records = request.1["Entries"].as_array().cloned().unwrap_or_default();
    records.iter().filter_map(|record| record["Id"].as_str().map(str::to_owned)).collect()
}

/// The ids of the changes that were not sent, and why.
fn failed(sent: &Sent) -> Vec<(u128, ErrorKind)> {
    sent.failed.iter().map(|(change, error)| (change.id, error.kind)).collect()
}

#[tokio::test]
async fn an_entry_missing_from_the_answer_does_not_count_as_sent() {
    let queue = Loopback::new(|_, _| {
        let failed = json!({ "Id": "1", "Code": "AccessDenied", "SenderFault": true });
        Reply::Well(json!({ "Successful": [taken("0")], "Failed": [failed] }))
    });
    let sent = outbox(&queue).await.send_all(&changes(3)).await;
    assert_eq!(sent.sent, 1);
    assert_eq!(failed(&sent), [(1, ErrorKind::Denied), (2, ErrorKind::NoAnswer)]);
    assert!(sent.failed[1].1.may_have_happened(), "SQS may have accepted it");
}

#[tokio::test]
async fn changes_are_sent_ten_per_call_each_with_its_own_group_and_id() {
    let queue = Loopback::new(|request, _| {
        let taken: Vec<Value> = records(request).iter().map(|id| taken(id)).collect();
        Reply::Well(json!({ "Successful": taken, "Failed": [] }))
    });
    let sent = outbox(&queue).await.send_all(&changes(23)).await;
    assert_eq!((sent.sent, sent.failed.len()), (23, 0));
    let requests = queue.requests();
    let sizes: Vec<usize> = requests.iter().map(|request| records(request).len()).collect();
    assert_eq!(sizes, [10, 10, 3]);
    let last = &requests[2].1["Entries"][2];
    assert_eq!(last["MessageGroupId"], "old#s-22");
    assert_eq!(last["MessageDeduplicationId"], format!("{:032x}", 22));
    assert!(requests[2].1["QueueUrl"].as_str().unwrap().ends_with("/1/acme.fifo"));
}

#[tokio::test]
async fn after_a_failed_call_the_remaining_changes_are_reported_unsent() {
    let queue = Loopback::new(|request, count| match count {
        0 => {
            let taken: Vec<Value> = records(request).iter().map(|id| taken(id)).collect();
            Reply::Well(json!({ "Successful": taken }))
        }
        _ => Reply::Badly(400, "com.amazonaws.sqs#AccessDeniedException"),
    });
    let sent = outbox(&queue).await.send_all(&changes(25)).await;
    assert_eq!((sent.sent, sent.failed.len()), (10, 15));
    let kinds = failed(&sent);
    assert!(kinds[..10].iter().all(|(_, kind)| *kind == ErrorKind::Denied), "{kinds:?}");
    assert!(kinds[10..].iter().all(|(_, kind)| *kind == ErrorKind::NotSent), "{kinds:?}");
    let ids: Vec<u128> = kinds.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (10..25).collect::<Vec<u128>>(), "in order and complete");
    assert_eq!(queue.operations().len(), 2, "the third batch is not tried");
}

#[tokio::test]
async fn a_receive_returns_count_and_queue_of_each_message() {
    let queue = Loopback::new(|_, _| {
        let attributes = json!({ "ApproximateReceiveCount": "4", "MessageGroupId": "old#s" });
        let received = json!({ "MessageId": "m", "ReceiptHandle": "r", "Body": "b",
                           "Attributes": attributes });
        Reply::Well(json!({ "Messages": [received, { "MessageId": "bare" }] }))
    });
    let client = Client::new(&config_at(&queue.endpoint_url).await);
    let url = format!("{}/1/acme-bulk.fifo", queue.endpoint_url);
    let bulk = SqsQueue::new(client, url).of_bulk();
    let wait = Duration::from_millis(1_200);
    let messages = bulk.receive(99, wait).await.unwrap();
    let received = &messages[0];
    assert_eq!((received.receives, received.line), (4, QueueKind::Bulk));
    assert_eq!((received.body.as_str(), received.receipt.as_str()), ("b", "r"));
    assert_eq!((received.message_id.as_str(), received.group.as_str()), ("m", "old#s"));
    assert_eq!((messages[1].receives, messages[1].group.as_str()), (1, ""));
    let (_, asked) = queue.requests().pop().unwrap();
    assert_eq!((&asked["MaxNumberOfMessages"], &asked["WaitTimeSeconds"]), (&json!(10), &json!(2)));
}

#[tokio::test]
async fn a_missing_queue_counter_is_not_zero() {
    let names =
        ["", "NotVisible", "Delayed"].map(|end| format!("ApproximateNumberOfMessages{end}"));
    for missing in 0..=names.len() {
        let received: serde_json::Map<String, Value> = (0..names.len())
            .filter(|place| *place != missing)
            .map(|place| (names[place].clone(), json!(["1", "20", "300"][place])))
            .collect();
        let queue = Loopback::new(move |_, _| Reply::Well(json!({ "Attributes": received })));
        let client = Client::new(&config_at(&queue.endpoint_url).await);
        let queue = SqsQueue::new(client, format!("{}/1/acme.fifo", queue.endpoint_url));
        if missing < names.len() {
            let error = queue.counts().await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unreadable, "without {}", names[missing]);
        } else {
            let counts = QueueCounts { waiting: 1, in_flight: 20, delayed: 300 };
            assert_eq!(queue.counts().await, Ok(counts));
            assert_eq!(queue.message_count().await, Ok(321));
        }
    }
}
