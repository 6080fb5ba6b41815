//! Messages from other senders, and from newer versions.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::ensure;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::aws::{changed, message, nonce};
use poolbridge_tests::deployment::polling::until;
use serde_json::{Value, json};

use super::{LIMIT, request, run_case};

#[tokio::test]
async fn an_unreadable_message_is_recorded_and_dropped_and_blocks_no_person() {
    run_case(async |bridge| {
        let person = request(bridge, "among-poison").await?;
        let good = message(&changed(Side::Old, &person.old)?).1;
        let good: Value = serde_json::from_str(&good)?;
        let broken = |name: &str, value: Value| {
            let mut message = good.clone();
            message[name] = value;
            message.to_string()
        };
        // One byte less than the limit of SQS.
        let large = format!("\"{}\"", "x".repeat(1_048_573));
        let poison = [
            "no JSON at all".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            large,
            broken("side", json!("middle")),
            broken("sub", json!("")),
            broken("at", json!("yesterday")),
            broken("evidence", Value::Null),
            broken("password", json!("no")),
            broken("id", json!("short")),
            broken("v", json!(0)),
        ];
        // A time far in the future has no evidence behind it, but the message can be read.
        let ahead = broken("at", json!(i64::MAX));
        let before = dropped(bridge).await?;
        for body in poison.iter().chain([&ahead]) {
            // In one group with a person's own change, which it must not block.
            let group = format!("old#{}", person.old);
            bridge.services.send(&bridge.names.queue_url, &group, nonce(), body).await?;
        }
        bridge.old.edit("among-poison", &[("given_name", "Among-Given")]).await?;
        bridge.send(&changed(Side::Old, &person.old)?, 1).await?;
        super::attribute(bridge, Side::New, &person.new, "given_name", "Among-Given").await?;
        bridge.wait_until_processed().await?;
        until("a record of each message", LIMIT, async || {
            let count = dropped(bridge).await? - before;
            Ok(if count == poison.len() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(format!("{count} of {}", poison.len()))
            })
        })
        .await?;
        ensure!(bridge.dead_letters().await? == 0, "there are dead letters");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_newer_versions_message_is_kept_for_a_newer_worker() {
    run_case(async |bridge| {
        let record = |id: &str, body: &str| {
            json!({
                "messageId": id, "receiptHandle": "of-no-queue", "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": id},
                "eventSource": "aws:sqs",
            })
        };
        let event = json!({"Records": [
            record("newer", r#"{"v":2,"who":"knows"}"#),
            record("poison", "not JSON"),
        ]});
        let limit = Duration::from_secs(15);
        let answer =
            bridge.services.invoke("demo-apply", event.to_string().as_bytes(), limit).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let kept = json!({"batchItemFailures": [{"itemIdentifier": "newer"}]});
        ensure!(answer == kept, "apply answered {answer}");
        Ok(())
    })
    .await;
}

/// How many messages `apply` logged as dropped.
async fn dropped(bridge: &Deployment) -> anyhow::Result<usize> {
    let log = bridge.services.log("demo-apply").await?;
    Ok(log.iter().filter(|line| line.contains("unreadable message was dropped")).count())
}
