//! Converts the event's messages to [`Delivery`], and apply's answer to the form that Lambda
//! expects.
//!
//! The function reads the event as plain JSON. A typed reader could refuse one odd message
//! attribute, and then nine other messages would fail with it.

use poolbridge_aws::sqs::{Delivery, QueueKind};
use serde_json::{Value, json};

/// Returns every message of the event. All messages of one event come from one queue. A field that
/// is missing or of another kind is blank.
pub(crate) fn received(event: &Value, bulk_queue_url: Option<&str>) -> Vec<Delivery> {
    let records = event.get("Records").and_then(Value::as_array);
    records.into_iter().flatten().map(|record| one(record, bulk_queue_url)).collect()
}

fn one(record: &Value, bulk_queue_url: Option<&str>) -> Delivery {
    let text =
        |place: &str| record.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    Delivery {
        // A missing count means the first receive: apply then tries the message more often, and
        // never drops it.
        receives: text("/attributes/ApproximateReceiveCount").parse().unwrap_or(1),
        group: text("/attributes/MessageGroupId"),
        line: QueueKind::of_arn(&text("/eventSourceARN"), bulk_queue_url),
        body: text("/body"),
        receipt: text("/receiptHandle"),
        message_id: text("/messageId"),
    }
}

/// Whether this is the schedule's constant event, which carries no messages.
pub(crate) fn asks_to_resend(event: &Value) -> bool {
    event.get("Records").is_none()
        && event.get("poolbridge").and_then(Value::as_str) == Some("resend")
}

/// Names the messages that must come back. An empty list says that all messages are done.
pub(crate) fn answer(failed: &[String]) -> Value {
    let failures: Vec<Value> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_from_lambda_is_decoded() {
        let event = json!({ "Records": [
            {
                "messageId": "m1", "receiptHandle": "r1", "body": "{}",
                "attributes": { "ApproximateReceiveCount": "3", "MessageGroupId": "old#a" },
                "messageAttributes": { "odd": { "dataType": 7 } }, "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:bulk.fifo",
            },
            {},
            null,
        ] });
        let received = received(&event, Some("https://queues/1/bulk.fifo"));
        assert_eq!(received.len(), 3);
        assert_eq!(received[0].message_id, "m1");
        assert_eq!(received[0].receipt, "r1");
        assert_eq!((received[0].receives, received[0].group.as_str()), (3, "old#a"));
        assert_eq!((received[0].line, received[1].line), (QueueKind::Bulk, QueueKind::Live));
        assert_eq!((received[1].receives, received[2].message_id.as_str()), (1, ""));
    }

    #[test]
    fn an_event_without_messages_yields_none() {
        for event in [json!(null), json!({}), json!({ "Records": "x" }), json!([1])] {
            assert!(received(&event, None).is_empty());
        }
    }

    #[test]
    fn the_schedules_event_starts_a_resend() {
        assert!(asks_to_resend(&json!({ "poolbridge": "resend" })));
        for event in [
            json!(null),
            json!({}),
            json!({ "poolbridge": "other" }),
            json!({ "poolbridge": "resend", "Records": [] }),
        ] {
            assert!(!asks_to_resend(&event));
        }
    }

    #[test]
    fn the_answer_has_the_form_that_lambda_expects() {
        assert_eq!(answer(&[]).to_string(), r#"{"batchItemFailures":[]}"#);
        let one = answer(&["m1".to_owned()]).to_string();
        assert_eq!(one, r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#);
    }
}
