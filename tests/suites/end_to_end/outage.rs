//! A pool or the queue is out of reach, or the bridge is paused, for a while. Times are compressed:
//! what takes an hour in a deployment ends here after the first refusal, and then the operator
//! acts.

use std::time::Duration;

use anyhow::ensure;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::aws::{changed, message};
use poolbridge_tests::stack::Place;
use serde_json::{Value, json};

use super::{
    CountedCalls, arrival, arrived, attribute, drain, put_off, request, run_case, sign_up,
};

#[tokio::test]
async fn invariant_02_a_pool_out_of_reach_loses_nothing() {
    run_case(async |bridge| {
        let known = request(bridge, "outage-known").await?;
        let faults = bridge.stack.faults(Place::Pool(1));
        faults.set(&json!([{"service": "cognito-idp", "reset": true}])).await?;
        let unknown = sign_up(bridge, "outage-unknown").await?;
        bridge.old.edit("outage-known", &[("given_name", "Outage-Given")]).await?;
        bridge.send(&changed(Side::Old, &known.old)?, 1).await?;
        for sub in [&unknown, &known.old] {
            put_off(bridge, sub, "no-answer").await?;
        }
        ensure!(!arrived(bridge, "outage-unknown").await?, "the pool was not out of reach");
        let status = bridge.operator.ask(&["status"]).await?;
        ensure!(status["pending"]["count"] == 2, "two pending changes are expected: {status}");

        faults.clear().await?;
        drain(bridge).await?;
        arrival(bridge, "outage-unknown").await?;
        attribute(bridge, Side::New, &known.new, "given_name", "Outage-Given").await
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_never_answers_does_not_fail_the_batch_of_a_starting_apply() {
    run_case(async |bridge| {
        // A second is left for the start, and the rest for storing pending changes and returning
        // messages.
        let mut function = bridge.function("apply-of-its-own", "apply");
        function.timeout = 6;
        bridge.add(&function).await?;
        let email = "never-answered@example.com";
        let attributes = [("email", email), ("email_verified", "true")];
        let sub = bridge.old.create("never-answered", "Correct-Horse-88", &attributes).await?;
        let silent = json!([{"service": "cognito-idp", "latency": 60_000}]);
        bridge.stack.faults(Place::Pool(1)).set(&silent).await?;
        let (group, body) = message(&changed(Side::Old, &sub)?);
        let event = json!({"Records": [{
            "messageId": "one", "receiptHandle": "of-no-queue", "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": group},
            "eventSource": "aws:sqs",
        }]});
        let limit = Duration::from_secs(20);
        let event = event.to_string();
        let answer = bridge.services.invoke(&function.name, event.as_bytes(), limit).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let back = json!({"batchItemFailures": [{"itemIdentifier": "one"}]});
        ensure!(answer == back, "it timed out, or deleted the message: {answer}");
        let status = bridge.operator.ask(&["status"]).await?;
        ensure!(status["pending"]["count"] == 1, "no pending change: {status}");
        bridge.stack.faults(Place::Pool(1)).clear().await?;
        drain(bridge).await?;
        arrival(bridge, "never-answered").await?;
        bridge.assert_no_personal_data(&[], &["apply-of-its-own"]).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_throttled_pool_is_not_called_for_a_while_and_then_written() {
    run_case(async |bridge| {
        let person = request(bridge, "throttled-one").await?;
        let throttle = json!([{"service": "cognito-idp", "operation": "AdminUpdateUserAttributes",
            "error": {"code": "TooManyRequestsException", "status": 400}}]);
        let faults = bridge.stack.faults(Place::Pool(1));
        faults.set(&throttle).await?;
        bridge.old.edit("throttled-one", &[("given_name", "Throttled-Given")]).await?;
        bridge.send(&changed(Side::Old, &person.old)?, 1).await?;
        // A change that is not settled is delayed for that reason alone.
        put_off(bridge, &person.old, "throttled").await?;
        faults.clear().await?;
        drain(bridge).await?;
        attribute(bridge, Side::New, &person.new, "given_name", "Throttled-Given").await
    })
    .await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_recognised_and_not_repeated() {
    run_case(async |bridge| {
        let person = request(bridge, "lost-answer").await?;
        let lose = json!([{"service": "cognito-idp", "operation": "AdminUpdateUserAttributes",
            "times": 1, "response": {"abort_bytes": 0}}]);
        bridge.stack.faults(Place::Pool(1)).set(&lose).await?;
        bridge.old.edit("lost-answer", &[("given_name", "Lost-Given")]).await?;
        bridge.send(&changed(Side::Old, &person.old)?, 1).await?;
        attribute(bridge, Side::New, &person.new, "given_name", "Lost-Given").await?;
        // The person changes the field again on the side that poolbridge wrote: that is no echo.
        bridge.new.edit(&person.new, &[("given_name", "Their-Own")]).await?;
        bridge.send(&changed(Side::New, &person.new)?, 1).await?;
        drain_in_time(bridge, &person.old).await?;
        attribute(bridge, Side::Old, &person.old, "given_name", "Their-Own").await
    })
    .await;
}

/// After a lost answer, the person waits until that worker's lease has expired.
async fn drain_in_time(
    bridge: &poolbridge_tests::deployment::Deployment,
    sub: &str,
) -> anyhow::Result<()> {
    let limit = Duration::from_secs(150);
    let outcome = bridge.operator.run(&["drain", "--timeout", "120s"], limit).await?;
    ensure!(outcome.code == Some(0), "{sub}: drain ended with {:?}", outcome.code);
    Ok(())
}

#[tokio::test]
async fn invariant_02_without_the_queue_the_pending_change_remains() {
    run_case(async |bridge| {
        let faults = bridge.stack.faults(Place::Ministack);
        faults.set(&json!([{"service": "sqs", "reset": true}])).await?;
        sign_up(bridge, "no-queue-one").await?;
        faults.clear().await?;
        let status = bridge.operator.ask(&["status"]).await?;
        ensure!(status["pending"]["count"] == 1, "no pending change: {status}");
        ensure!(!arrived(bridge, "no-queue-one").await?, "the queue was not out of reach");
        drain(bridge).await?;
        arrival(bridge, "no-queue-one").await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn invariant_02_a_pause_loses_nothing() {
    run_case(async |bridge| {
        let known = request(bridge, "paused-known").await?;
        bridge.operator.succeed(&["pause", "a test", "--yes"]).await?;
        let calls = CountedCalls::count(bridge).await?;
        sign_up(bridge, "paused-unknown").await?;
        bridge.new.edit(&known.new, &[("given_name", "Paused-Given")]).await?;
        bridge.send(&changed(Side::New, &known.new)?, 3).await?;
        bridge.wait_until_processed().await?;
        let (writes, all) = calls.so_far().await?;
        ensure!(writes == 0 && all > 0, "{writes} writes among {all} calls while paused");
        ensure!(!arrived(bridge, "paused-unknown").await?, "an account was created while paused");

        bridge.operator.succeed(&["resume", "--yes"]).await?;
        arrival(bridge, "paused-unknown").await?;
        attribute(bridge, Side::Old, &known.old, "given_name", "Paused-Given").await?;
        drain(bridge).await
    })
    .await;
}
