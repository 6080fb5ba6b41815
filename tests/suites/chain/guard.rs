//! The sign-up guard: it refuses a sign-up in one pool under the address of a person in the other
//! pool.

use anyhow::ensure;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::aws::changed;
use poolbridge_tests::deployment::polling::until;
use poolbridge_tests::stack::Place;
use serde_json::{Value, json};
use std::ops::ControlFlow;

use super::{CAPTURE, LIMIT, PersonAnswer, capture, email, event, invoke, person_answer, run_case};

/// A person in the old pool with a verified address.
async fn existing_user(bridge: &Deployment, name: &str) -> anyhow::Result<String> {
    let email = email(name);
    let attributes = [("email", email.as_str()), ("email_verified", "true")];
    bridge.old.create(name, "Correct-Horse-88", &attributes).await
}

/// Another person signs up in the new pool with that address and a username of their own.
async fn sign_up_in_new_pool(
    bridge: &Deployment,
    name: &str,
    address: &str,
) -> anyhow::Result<PersonAnswer> {
    let attributes = [("email", address)];
    let answer = bridge.new.sign_up(name, "Correct-Horse-99", &attributes).await;
    person_answer(answer.map(|_| json!({})), &bridge.new, name)
}

fn refused(answer: &PersonAnswer) -> bool {
    answer.as_ref().is_err_and(|(code, text)| {
        code == "UserLambdaValidationException" && text.contains("sign in instead")
    })
}

#[tokio::test]
async fn sign_up_under_an_identity_of_the_other_pool_is_refused() {
    run_case(async |bridge| {
        existing_user(bridge, "existing-one").await?;
        let address = email("existing-one");
        let answer = sign_up_in_new_pool(bridge, "other-one", &address).await?;
        ensure!(refused(&answer), "answered {answer:?}");
        ensure!(!format!("{answer:?}").contains(&address), "the address is repeated: {answer:?}");
        ensure!(bridge.new.account("other-one").await?.is_none(), "there is an account");
        // The same holds for the sign-in name of the old pool, and for another spelling.
        let answer = sign_up_in_new_pool(bridge, "existing-one", "some.other@example.com").await?;
        ensure!(refused(&answer), "answered {answer:?}");
        let answer = sign_up_in_new_pool(bridge, "other-two", &address.to_uppercase()).await?;
        ensure!(refused(&answer), "answered {answer:?}");
        let answer =
            sign_up_in_new_pool(bridge, "other-three", "unused.address@example.com").await?;
        ensure!(answer.is_ok(), "answered {answer:?}");
        let log = bridge.services.log(CAPTURE).await?.join("\n");
        ensure!(log.contains("\"guard_refused\":1"), "it is not counted: {log}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn guard_checks_only_self_sign_ups_and_no_function_overrules_it() {
    run_case(async |bridge| {
        existing_user(bridge, "existing-two").await?;
        for (source, checked) in [
            ("PreSignUp_SignUp", true),
            ("PreSignUp_AdminCreateUser", false),
            ("PreSignUp_ExternalProvider", false),
            ("PreSignUp_SomethingNew", false),
        ] {
            let event = event(bridge, Side::New, source, "existing-two");
            let answer: Value = serde_json::from_str(&invoke(bridge, CAPTURE, &event).await?)?;
            let message = answer["errorMessage"].as_str().unwrap_or_default();
            ensure!(message.contains("sign in instead") == checked, "{source}: {answer}");
            ensure!(checked || answer["response"]["autoVerifyEmail"] == true, "{source}: {answer}");
        }
        // Both refuse, and the pool returns the guard's message.
        existing_user(bridge, "refused-existing").await?;
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "refused-existing");
        let answer = invoke(bridge, CAPTURE, &event).await?;
        ensure!(answer.contains("sign in instead"), "{answer}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn sign_ups_in_the_old_pool_are_checked_against_the_new_pool() {
    run_case(async |bridge| {
        let (name, address) = ("existing-new", email("existing-new"));
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
    run_case(async |bridge| {
        let sub = existing_user(bridge, "returning-one").await?;
        let address = email("returning-one");
        ensure!(
            refused(&sign_up_in_new_pool(bridge, "returning-new", &address).await?),
            "it is not held yet"
        );
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
        bridge.wait_until_processed().await?;
        let input = json!({"TableName": table,
            "Key": {"pk": {"S": person}, "sk": {"S": "PERSON"}},
            "UpdateExpression": "SET #s = :s", "ExpressionAttributeNames": {"#s": "state"},
            "ExpressionAttributeValues": {":s": {"S": "deleted"}}});
        bridge.services.call("DynamoDB_20120810.UpdateItem", &input).await?;
        let answer = sign_up_in_new_pool(bridge, "returning-new", &address).await?;
        ensure!(answer.is_ok(), "answered {answer:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_sign_up_that_cannot_be_checked_follows_the_configuration() {
    run_case(async |bridge| {
        existing_user(bridge, "existing-table").await?;
        let closed =
            |text: String| text.replace("settle =", "signup_guard_failure = \"closed\"\nsettle =");
        let off = |text: String| text.replace("settle =", "signup_guard = false\nsettle =");
        let table_unreachable = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")];
        bridge.add(&capture(bridge, "closed", &[], closed)).await?;
        bridge.add(&capture(bridge, "closed-table", &table_unreachable, closed)).await?;
        bridge.add(&capture(bridge, "open-table", &table_unreachable, |text| text)).await?;
        bridge.add(&capture(bridge, "off", &[], off)).await?;
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "existing-table");
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
        bridge.assert_no_personal_data(&[], &functions).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn after_the_move_no_sign_up_is_checked_against_the_old_pool() {
    run_case(async |bridge| {
        existing_user(bridge, "existing-late").await?;
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
        let event = event(bridge, Side::New, "PreSignUp_SignUp", "existing-late");
        let answer = invoke(bridge, "finished", &event).await?;
        ensure!(answer.contains("autoVerifyEmail"), "the sign-up is still refused: {answer}");
        bridge.assert_no_personal_data(&[], &["finished"]).await.map(drop)
    })
    .await;
}
