use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::clock::SystemClock;
use crate::loopback::{Loopback, LoopbackRequest, Reply, config_at};

/// The shard of a query, and the table's answer: one pending change in each shard.
fn shard(request: &LoopbackRequest) -> Option<(u32, Value)> {
    let partition = request.1["ExpressionAttributeValues"][":pk"]["S"].as_str()?;
    let number = partition.rsplit('#').next()?.parse().ok()?;
    let pending = json!({
        "v": { "N": "1" }, "side": { "S": "old" }, "sub": { "S": format!("s-{number}") },
        "seq": { "N": "9" }, "first": { "N": "1" }, "last": { "N": "1" },
        "evidence": { "S": "changed" }, "attempts": { "N": "0" },
    });
    Some((number, json!({ "Items": [pending] })))
}

#[tokio::test]
async fn a_pending_change_in_each_shard_is_sent_again() {
    let service = Loopback::new(|request, _| match request.0.as_str() {
        "Query" => Reply::Well(shard(request).unwrap().1),
        "SendMessageBatch" => {
            let records = request.1["Entries"].as_array().unwrap();
            let taken = records.iter().map(|record| {
                json!({
                    "Id": record["Id"], "MessageId": "m", "MD5OfMessageBody": "x",
                    "SequenceNumber": "1",
                })
            });
            Reply::Well(json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] }))
        }
        _ => Reply::Well(json!({})),
    });
    let sdk = config_at(&service.endpoint_url).await;
    let ledger = DynamoLedger::new(aws_sdk_dynamodb::Client::new(&sdk), "acme");
    let url = format!("{}/1/acme.fifo", service.endpoint_url);
    let outbox = SqsOutbox::new(aws_sdk_sqs::Client::new(&sdk), url);
    let resent = resend_due(&ledger, &outbox, &*SystemClock::new(), "hash").await.unwrap();
    let each = u64::from(PENDING_SHARDS);
    assert_eq!((resent.pending_changes, resent.sent, resent.failed), (each, each, 0));
    let bodies = service.requests().into_iter().filter(|(name, _)| name == "SendMessageBatch");
    let bodies: Vec<Value> = bodies.map(|(_, body)| body).collect();
    let sent = bodies.iter().flat_map(|body| body["Entries"].as_array().unwrap());
    let sent: BTreeSet<&str> = sent.filter_map(|it| it["MessageGroupId"].as_str()).collect();
    let wanted: BTreeSet<String> = (0..PENDING_SHARDS).map(|it| format!("old#s-{it}")).collect();
    assert_eq!(sent, wanted.iter().map(String::as_str).collect());
}
