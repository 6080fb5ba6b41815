//! Capture runs inside people's sign-ups: in every fault, it answers with the event it received, in
//! time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::{Deployment, Function};
use serde_json::{Value, json};

use super::{arrival, drain, run_case};

/// Cognito waits five seconds, including a cold start.
const ANSWER_LIMIT: Duration = Duration::from_millis(4_500);

/// No process listens on a port that only root may open.
const CLOSED: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn invariant_03_capture_answers_with_the_event_in_every_fault() {
    run_case(async |bridge| {
        // The listener accepts connections and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").context("listening")?;
        let silent = format!("http://{}", silent.local_addr()?);
        let mut functions = vec![
            with(bridge, "wrong-refused", &[(TABLES, CLOSED), (QUEUES, CLOSED)]),
            with(bridge, "wrong-silent", &[(TABLES, &silent), (QUEUES, &silent)]),
            with(bridge, "wrong-table", &[("POOLBRIDGE_TABLE", "nowhere")]),
            with(bridge, "wrong-queue", &[("POOLBRIDGE_QUEUE_URL", "http://127.0.0.1:1/0/none")]),
            with(bridge, "wrong-variables", &[("POOLBRIDGE_TABLE", "")]),
            with(bridge, "wrong-missing", &[]),
            with(bridge, "wrong-broken", &[]),
        ];
        functions[5].configuration = None;
        functions[6].configuration = Some("name = \"\n[old]\nuser_pool_id = 7".to_owned());
        let sub = signed_up_person(bridge, "wrong-capture").await?;
        for function in &functions {
            bridge.add(function).await?;
            let event = confirmation(bridge, &sub);
            let began = Instant::now();
            unchanged(bridge, &function.name, &event).await?;
            let took = began.elapsed();
            ensure!(took < ANSWER_LIMIT, "{} took {took:?}", function.name);
            let log = bridge.services.log(&function.name).await?.join("\n");
            let has_reason = log.contains("\"hint\":") || log.contains("error\":");
            ensure!(
                has_reason && !log.contains("panicked"),
                "{} says no reason: {log}",
                function.name
            );
        }
        let names: Vec<&str> = functions.iter().map(|it| it.name.as_str()).collect();
        bridge.assert_no_personal_data(&[], &names).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn invariant_03_capture_answers_events_that_it_cannot_read() {
    run_case(async |bridge| {
        let good = confirmation(bridge, "00000000-0000-0000-0000-000000000000");
        let event = |change: &dyn Fn(&mut Value)| {
            let mut event = good.clone();
            change(&mut event);
            event
        };
        let attributes = "userAttributes";
        let events = [
            event(&|it| it["triggerSource"] = json!("PostConfirmation_SomethingNew")),
            event(&|it| it["triggerSource"] = json!(7)),
            event(&|it| it["userPoolId"] = json!("us-east-1_CCCCCCCCC")),
            event(&|it| it["userPoolId"] = Value::Null),
            event(&|it| it["request"] = Value::Null),
            event(&|it| it["request"][attributes] = json!([1, 2])),
            event(&|it| it["request"][attributes]["sub"] = Value::Null),
            event(&|it| it["request"][attributes]["sub"] = json!(true)),
            event(&|it| it["request"][attributes]["sub"] = json!("x".repeat(500))),
            event(&|it| it["request"][attributes]["note"] = json!("x".repeat(1024 * 1024))),
            json!({}),
            json!([]),
            json!("text"),
            Value::Null,
        ];
        for event in &events {
            unchanged(bridge, "demo-capture", event).await?;
        }
        // A number longer than any Rust type comes back unrounded.
        let number = "1234567890".repeat(9);
        let unusual_event = format!(r#"{{"triggerSource":"X","a":{number}}}"#);
        let answer =
            bridge.services.invoke("demo-capture", unusual_event.as_bytes(), ANSWER_LIMIT).await?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.contains(&number), "the unusual event was answered: {answer}");
        let log = bridge.services.log("demo-capture").await?.join("\n");
        ensure!(!log.contains("panicked"), "capture panicked: {log}");
        bridge.wait_until_processed().await
    })
    .await;
}

#[tokio::test]
async fn invariant_02_a_change_survives_the_loss_of_the_table_or_of_the_queue() {
    run_case(async |bridge| {
        bridge.add(&with(bridge, "without-table", &[(TABLES, CLOSED)])).await?;
        bridge.add(&with(bridge, "without-queue", &[(QUEUES, CLOSED)])).await?;
        for function in ["without-table", "without-queue"] {
            let sub = signed_up_person(bridge, function).await?;
            unchanged(bridge, function, &confirmation(bridge, &sub)).await?;
        }
        // apply finds one by the message, the other by the pending change.
        arrival(bridge, "without-table").await?;
        drain(bridge).await?;
        arrival(bridge, "without-queue").await?;
        bridge.assert_no_personal_data(&[], &["without-table", "without-queue"]).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn invariant_09_a_message_names_a_pool_and_a_sub_and_no_more() {
    run_case(async |bridge| {
        let queue = bridge.add_queue("never-read").await?;
        bridge.add(&with(bridge, "caught", &[("POOLBRIDGE_QUEUE_URL", &queue)])).await?;
        let sub = signed_up_person(bridge, "caught-person").await?;
        unchanged(bridge, "caught", &confirmation(bridge, &sub)).await?;
        let messages = bridge.services.take(&queue).await?;
        ensure!(messages.len() == 1, "{} messages", messages.len());
        let body: Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap_or_default())?;
        let names: Vec<&String> = body.as_object().context("no object")?.keys().collect();
        ensure!(
            names == ["at", "evidence", "id", "password", "side", "sub", "v"],
            "it says {body}"
        );
        ensure!(body["sub"] == sub && body["side"] == "old", "it says {body}");
        let whole: Vec<String> = messages.iter().map(Value::to_string).collect();
        bridge.assert_no_personal_data(&whole, &["caught"]).await?;
        drain(bridge).await
    })
    .await;
}

/// The variable that gives an SDK the endpoint of one service.
const TABLES: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// See [`TABLES`].
const QUEUES: &str = "AWS_ENDPOINT_URL_SQS";

/// A separate capture function with some variables changed.
fn with(bridge: &Deployment, name: &str, variables: &[(&str, &str)]) -> Function {
    let mut function = bridge.function(name, "capture");
    for (variable, value) in variables {
        function.environment[*variable] = json!(value);
    }
    function
}

/// A person in the old pool with a verified address. No trigger reported the account.
async fn signed_up_person(bridge: &Deployment, name: &str) -> anyhow::Result<String> {
    let email = format!("{name}@example.com");
    let attributes = [("email", email.as_str()), ("email_verified", "true")];
    bridge.old.create(name, "Correct-Horse-88", &attributes).await
}

/// The event that Cognito sends when a person has confirmed a sign-up.
fn confirmation(bridge: &Deployment, sub: &str) -> Value {
    json!({
        "version": "1", "region": "us-east-1", "userPoolId": bridge.pool(Side::Old).id,
        "userName": "some-user-name", "triggerSource": "PostConfirmation_ConfirmSignUp",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "oldapp"},
        "request": {"userAttributes": {"sub": sub, "email": "some.body@example.com",
            "email_verified": "true", "cognito:user_status": "CONFIRMED"}},
        "response": {},
    })
}

/// The function answers with the event that it received.
async fn unchanged(bridge: &Deployment, function: &str, event: &Value) -> anyhow::Result<()> {
    let sent = event.to_string();
    let limit = Duration::from_secs(10);
    let answer = bridge.services.invoke(function, sent.as_bytes(), limit).await?;
    let answer: Value = serde_json::from_slice(&answer).context("the answer is no JSON")?;
    let shown: String = sent.chars().take(300).collect();
    ensure!(answer == *event, "{function} did not answer the event that it was given: {shown}");
    Ok(())
}
