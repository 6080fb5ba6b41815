//! The functions themselves, called as the pool calls them: capture's answer is the answer of the
//! team's function, byte for byte. The stack's pools ignore failures of triggers that run after an
//! operation, so only this suite shows them.

use anyhow::ensure;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use serde_json::{Value, json};

use super::{CAPTURE, TEAM, arn, capture, event, invoke, run_case};

const SOURCES: [&str; 7] = [
    "PreSignUp_SignUp",
    "PreSignUp_AdminCreateUser",
    "PreSignUp_ExternalProvider",
    "PostConfirmation_ConfirmSignUp",
    "PostConfirmation_ConfirmForgotPassword",
    "PostAuthentication_Authentication",
    "TokenGeneration_HostedAuth",
];

/// The answers of both to one event.
async fn both(bridge: &Deployment, source: &str, name: &str) -> anyhow::Result<[String; 2]> {
    let event = event(bridge, Side::New, source, name);
    Ok([invoke(bridge, TEAM, &event).await?, invoke(bridge, CAPTURE, &event).await?])
}

#[tokio::test]
async fn an_answer_is_the_functions_own_byte_for_byte() {
    run_case(async |bridge| {
        for source in SOURCES {
            for name in ["confirmed-invoked", "nonsense-invoked", "plain-invoked"] {
                let [direct, chained] = both(bridge, source, name).await?;
                ensure!(direct == chained, "{source}, {name}:\n{direct}\n{chained}");
            }
        }
        let [slow, chained] = both(bridge, "PostConfirmation_ConfirmSignUp", "slow-poke").await?;
        ensure!(slow == chained, "{slow}\n{chained}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_error_is_the_functions_own_in_type_and_text() {
    run_case(async |bridge| {
        for source in SOURCES {
            let [direct, chained] = both(bridge, source, "refused-invoked").await?;
            let error = |text: &str| -> anyhow::Result<[Value; 2]> {
                let error: Value = serde_json::from_str(text)?;
                Ok([error["errorType"].clone(), error["errorMessage"].clone()])
            };
            ensure!(error(&direct)? == error(&chained)?, "{source}:\n{direct}\n{chained}");
            ensure!(error(&chained)?[1] == "no place left", "{chained}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_function_is_called_for_its_own_pool_and_slot_alone() {
    run_case(async |bridge| {
        let only_confirmation = |text: String| {
            let (head, _) = text.split_once("[new.triggers]").unwrap_or((&text, ""));
            format!("{head}[new.triggers]\nPostConfirmation = \"{}\"\n", arn(TEAM))
        };
        bridge.add(&capture(bridge, "one-slot", &[], only_confirmation)).await?;
        for source in SOURCES {
            for side in Side::BOTH {
                let event = event(bridge, side, source, "refused-slots");
                let answer: Value =
                    serde_json::from_str(&invoke(bridge, "one-slot", &event).await?)?;
                let chained = side == Side::New && source.starts_with("PostConfirmation");
                let refused = answer["errorMessage"] == "no place left";
                ensure!(refused == chained, "{source}, {side}: {answer}");
                ensure!(chained || answer == event, "{source}, {side}: {answer}");
            }
        }
        bridge.assert_no_personal_data(&[], &["one-slot"]).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_broken_configuration_hides_no_function() {
    run_case(async |bridge| {
        let torn = |text: String| text.replace("match = \"email\"", "match = email");
        let invalid_toml = |_: String| "name = \"\n[old.triggers]\nPreSignUp".to_owned();
        let silent = |_: String| "name = \"".to_owned();
        bridge.add(&capture(bridge, "torn", &[], torn)).await?;
        bridge.add(&capture(bridge, "no-table", &[("POOLBRIDGE_TABLE", "")], |text| text)).await?;
        bridge.add(&capture(bridge, "unclosed", &[], invalid_toml)).await?;
        bridge.add(&capture(bridge, "silent", &[], silent)).await?;
        for source in SOURCES {
            let event = event(bridge, Side::New, source, "refused-broken");
            for function in ["torn", "no-table"] {
                let answer: Value = serde_json::from_str(&invoke(bridge, function, &event).await?)?;
                ensure!(
                    answer["errorMessage"] == "no place left",
                    "{function}, {source}: {answer}"
                );
            }
            // If capture cannot know whether there is a function, a trigger that can forbid an
            // operation fails.
            let before = source.starts_with("PreSignUp") || source.starts_with("TokenGeneration");
            let answer: Value = serde_json::from_str(&invoke(bridge, "unclosed", &event).await?)?;
            ensure!((answer == event) != before, "{source}: {answer}");
            let answer: Value = serde_json::from_str(&invoke(bridge, "silent", &event).await?)?;
            ensure!(answer == event, "{source}: {answer}");
        }
        bridge
            .assert_no_personal_data(&[], &["torn", "no-table", "unclosed", "silent"])
            .await
            .map(drop)
    })
    .await;
}

#[tokio::test]
async fn the_functions_error_is_in_no_log_and_is_counted() {
    run_case(async |bridge| {
        let trace_logging = [("POOLBRIDGE_LOG", "trace")];
        bridge.add(&capture(bridge, "trace-logging", &trace_logging, |text| text)).await?;
        bridge
            .add(&capture(bridge, "missing-team", &trace_logging, |text| {
                text.replace(TEAM, "no-function")
            }))
            .await?;
        let event = event(bridge, Side::New, "PostConfirmation_ConfirmSignUp", "refused-loudly");
        invoke(bridge, "trace-logging", &event).await?;
        let missing_function: Value =
            serde_json::from_str(&invoke(bridge, "missing-team", &event).await?)?;
        let said = json!("invocation failed due to error ResourceNotFoundException");
        ensure!(missing_function["errorMessage"] == said, "{missing_function}");
        let log = bridge.services.log("trace-logging").await?.join("\n");
        ensure!(!log.contains("no place left"), "the function's words are in the log:\n{log}");
        ensure!(
            log.contains("\"errors_answered\":1") && log.contains("\"chain_failed\":0"),
            "{log}"
        );
        let log = bridge.services.log("missing-team").await?.join("\n");
        ensure!(
            log.contains("\"errors_answered\":1") && log.contains("\"chain_failed\":1"),
            "{log}"
        );
        bridge.assert_no_personal_data(&[], &["trace-logging", "missing-team"]).await.map(drop)
    })
    .await;
}
