//! The sign-up guard: it refuses a sign-up in one pool under the address of a person in the other
//! pool.

use anyhow::ensure;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::aws::changed;
use poolbridge_tests::deployment::patience::until;
use poolbridge_tests::stack::Place;
use serde_json::{Value, json};
use std::ops::ControlFlow;

use super::{CAPTURE, LIMIT, PersonAnswer, capture, email, event, invoke, play, reported};

/// A person in the old pool with a verified address.
async fn resident(bridge: &Deployment, name: &str) -> anyhow::Result<String> {
    let email = email(name);
    let attributes = [("email", email.as_str()), ("email_verified", "true")];
    bridge.old.create(name, "Correct-Horse-88", &attributes).await
}

/// A stranger signs up in the new pool with that address and a username of their own.
async fn stranger(bridge: &Deployment, name: &str, address: &str) -> anyhow::Result<PersonAnswer> {
    let attributes = [("email", address)];
    let answer = bridge.new.sign_up(name, "Correct-Horse-99", &attributes).await;
    reported(answer.map(|_| json!({})), &bridge.new, name)
}

fn refused(reported: &PersonAnswer) -> bool {
    reported.as_ref().is_err_and(|(code, text)| {
        code == "UserLambdaValidationException" && text.contains("sign in instead")
    })
}

#[tokio::test]
async fn sign_up_under_an_identity_of_the_other_pool_is_refused() {
    play(async |bridge| {
        resident(bridge, "resident-one").await?;
        let address = email("resident-one");
        let reported = stranger(bridge, "stranger-one", &address).await?;
        ensure!(refused(&reported), "answered {reported:?}");
        ensure!(
            !format!("{reported:?}").contains(&address),
            "the address is repeated: {reported:?}"
        );
        ensure!(bridge.new.account("stranger-one").await?.is_none(), "there is an account");
        // The same holds for the sign-in name of the old pool, and for another spelling.
        let reported = stranger(bridge, "resident-one", "some.other@example.com").await?;
        ensure!(refused(&reported), "answered {reported:?}");
        let reported = stranger(bridge, "stranger-two", &address.to_uppercase()).await?;
        ensure!(refused(&reported), "answered {reported:?}");
        let reported = stranger(bridge, "stranger-three", "nobodys.address@example.com").await?;
        ensure!(reported.is_ok(), "answered {reported:?}");
        let log = bridge.services.log(CAPTURE).await?.join("\n");
        ensure!(log.contains("\"guard_refused\":1"), "it is not counted: {log}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn guard_judges_only_self_sign_ups_and_no_function_overrules_it() {
    play(async |bridge| {
        resident(bridge, "resident-two").await?;
        for (source, judged) in [
            ("PreSignUp_SignUp", true),
            ("PreSignUp_AdminCreateUser", false),
            ("PreSignUp_ExternalProvider", false),
            ("PreSignUp_SomethingNew", false),
        ] {
            let event = event(bridge, Side::New, source, "resident-two");
            let answer: Value = serde_json::from_str(&invoke(bridge, CAPTURE, &event).await?)?;
            let message = answer["errorMessage"].as_str().unwrap_or_default();
            ensure!(message.contains("sign in instead") == judged, "{source}: {answer}");
            ensure!(judged || answer["response"]["autoVerifyEmail"] == true, "{source}: {answer}");
        }
        // Both refuse, and the pool returns the guard's message.
        resident(bridge, "refused-resident").await?;
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "refused-resident");
        let answer = invoke(bridge, CAPTURE, &event).await?;
        ensure!(answer.contains("sign in instead"), "{answer}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn sign_ups_in_the_old_pool_are_checked_against_the_new_pool() {
    play(async |bridge| {
        let (name, address) = ("resident-new", email("resident-new"));
        let attributes = [("email", address.as_str()), ("email_verified", "true")];
        bridge.new.create(name, "Correct-Horse-66", &attributes).await?;
        let event = event(bridge, Side::Old, "PreSignUp_SignUp", name);
        let answer = invoke(bridge, CAPTURE, &event).await?;
        ensure!(answer.contains("sign in instead"), "{answer}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_deleted_person_may_sign_up_again() {
    play(async |bridge| {
        let sub = resident(bridge, "returner-one").await?;
        let address = email("returner-one");
        ensure!(refused(&stranger(bridge, "returner-new", &address).await?), "it is not held yet");
        bridge.send(&changed(Side::Old, &sub)?, 1).await?;
        let table = &bridge.names.table;
        let person = until("their person in the table", LIMIT, async || {
            let items = bridge.services.items(table).await?;
            let ours = |it: &&Value| it["sk"]["S"] == "PERSON" && it.to_string().contains(&sub);
            let found = items.iter().find(ours).and_then(|it| it["pk"]["S"].as_str());
            let none = || ControlFlow::Continue("none".to_owned());
            Ok(found.map_or_else(none, |pk| ControlFlow::Break(pk.to_owned())))
        })
        .await?;
        bridge.worked_off().await?;
        let input = json!({"TableName": table,
            "Key": {"pk": {"S": person}, "sk": {"S": "PERSON"}},
            "UpdateExpression": "SET #s = :s", "ExpressionAttributeNames": {"#s": "state"},
            "ExpressionAttributeValues": {":s": {"S": "deleted"}}});
        bridge.services.call("DynamoDB_20120810.UpdateItem", &input).await?;
        let reported = stranger(bridge, "returner-new", &address).await?;
        ensure!(reported.is_ok(), "answered {reported:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_sign_up_that_cannot_be_checked_follows_the_configuration() {
    play(async |bridge| {
        resident(bridge, "resident-dark").await?;
        let closed =
            |text: String| text.replace("settle =", "signup_guard_failure = \"closed\"\nsettle =");
        let off = |text: String| text.replace("settle =", "signup_guard = false\nsettle =");
        let dark = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")];
        bridge.add(&capture(bridge, "closed", &[], closed)).await?;
        bridge.add(&capture(bridge, "closed-table", &dark, closed)).await?;
        bridge.add(&capture(bridge, "open-table", &dark, |text| text)).await?;
        bridge.add(&capture(bridge, "off", &[], off)).await?;
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "resident-dark");
        for (function, passes) in [("off", true), ("open-table", true), ("closed-table", false)] {
            let answer = invoke(bridge, function, &event).await?;
            ensure!(answer.contains("errorMessage") != passes, "{function}: {answer}");
        }
        let faults = bridge.stack.faults(Place::Pool(0));
        faults.set(&json!([{"service": "cognito-idp", "reset": true}])).await?;
        let answer = invoke(bridge, CAPTURE, &event).await?;
        ensure!(answer.contains("autoVerifyEmail"), "not open: {answer}");
        let answer = invoke(bridge, "closed", &event).await?;
        ensure!(answer.contains("cannot be checked right now"), "not closed: {answer}");
        faults.clear().await?;
        let log = bridge.services.log(CAPTURE).await?.join("\n");
        ensure!(log.contains("\"guard_failed_open\":1"), "it is not counted: {log}");
        let functions = ["closed", "closed-table", "open-table", "off"];
        bridge.nothing_private(&[], &functions).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn after_the_move_no_sign_up_is_checked_against_the_old_pool() {
    play(async |bridge| {
        resident(bridge, "resident-late").await?;
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let table = json!({"TableName": "finished", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [attribute("pk"), attribute("sk")]});
        bridge.services.call("DynamoDB_20120810.CreateTable", &table).await?;
        let control = json!({"pk": {"S": "CONTROL"}, "sk": {"S": "CONTROL"}, "v": {"N": "1"},
            "revision": {"N": "1"}, "phase": {"S": "complete"}, "active": {"S": "new"},
            "closing": {"BOOL": false}});
        let input = json!({"TableName": "finished", "Item": control});
        bridge.services.call("DynamoDB_20120810.PutItem", &input).await?;
        let table = [("POOLBRIDGE_TABLE", "finished")];
        bridge.add(&capture(bridge, "finished", &table, |text| text)).await?;
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "resident-late");
        let answer = invoke(bridge, "finished", &event).await?;
        ensure!(answer.contains("autoVerifyEmail"), "the sign-up is still refused: {answer}");
        bridge.nothing_private(&[], &["finished"]).await.map(drop)
    })
    .await;
}
