//! A capture function in another Region, next to its pool: its table and queue are in the bridge's
//! Region.

use anyhow::ensure;
use poolbridge_core::side::Side;

use super::{capture, event, invoke, run_case};

#[tokio::test]
async fn capture_in_another_region_uses_the_table_and_queue_of_the_home_region() {
    run_case(async |bridge| {
        let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{}", bridge.names.table);
        let here = [("POOLBRIDGE_HOME_REGION", "us-east-1"), ("POOLBRIDGE_TABLE", arn.as_str())];
        // The bridge has no resources in that Region.
        let wrong_region = [("POOLBRIDGE_HOME_REGION", "eu-west-1")];
        let unchained = |text: String| match text.split_once("[new.triggers]") {
            Some((head, _)) => head.to_owned(),
            None => text,
        };
        bridge.add(&capture(bridge, "other-region", &here, unchained)).await?;
        bridge.add(&capture(bridge, "wrong-region", &wrong_region, unchained)).await?;
        let source = "PostConfirmation_ConfirmForgotPassword";
        let event = event(bridge, Side::New, source, "elsewhere-one");
        for (function, failed) in [("other-region", 0), ("wrong-region", 1)] {
            let answer = invoke(bridge, function, &event).await?;
            ensure!(serde_json::from_str::<serde_json::Value>(&answer)? == event, "{answer}");
            let log = bridge.services.log(function).await?.join("\n");
            let count = format!("\"capture_failed\":{failed}");
            ensure!(log.contains(&count), "{function} does not say {count}:\n{log}");
        }
        bridge.assert_no_personal_data(&[], &["other-region", "wrong-region"]).await.map(drop)
    })
    .await;
}
