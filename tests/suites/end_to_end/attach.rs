//! `attach` and `detach` on a pool with many settings: every setting stays, and the earlier
//! triggers come back. The pool's process takes its triggers from elsewhere, so no other case is
//! affected. `UpdateUserPool` here resets whatever a call leaves out, as the service does.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::operator::{CommandOutput, Operator};
use poolbridge_tests::stack::Place;
use serde_json::{Value, json};

use super::{LIMIT, run_case};

const OURS: &str = "arn:aws:lambda:us-east-1:000000000000:function:demo-capture";
const THEIRS: &str = "arn:aws:lambda:us-east-1:000000000000:function:welcome";
const SENDER: &str = "arn:aws:lambda:us-east-1:000000000000:function:sender";

/// A text that no table, log or output may hold.
const PRIVATE: &str = "Dear customer of ours, {####} is your code";

#[tokio::test]
async fn attach_and_detach_leave_a_pool_with_many_settings_unchanged() {
    run_case(async |bridge| {
        let usual = enrich(
            bridge,
            Some(json!({ "CustomMessage": THEIRS, "KMSKeyID": "key",
            "CustomEmailSender": { "LambdaVersion": "V1_0", "LambdaArn": SENDER } })),
        )
        .await?;
        let operator = operator(bridge, "attach-rich", "")?;
        let before = settings(bridge).await?;
        ensure!(attach(&operator).await?.code == Some(0), "attach failed");
        let mut attached = settings(bridge).await?;
        let triggers = attached["LambdaConfig"].as_object_mut().context("no triggers")?;
        for slot in ["PreSignUp", "PostConfirmation"] {
            ensure!(triggers.remove(slot) == Some(json!(OURS)), "{slot} is not attached");
        }
        ensure!(attached == before, "attach changed a setting: {attached}\n{before}");

        let again = attach(&operator).await?;
        ensure!(again.code == Some(0) && again.data.contains("nothing to do"), "{}", again.data);
        let back = detach(&operator).await?;
        ensure!(back.code == Some(0), "detach failed: {}", back.stderr);
        ensure!(settings(bridge).await? == before, "detach left a change behind");
        let again = detach(&operator).await?;
        ensure!(again.code == Some(0) && again.data.contains("nothing to do"), "{}", again.data);
        assert_backups_are_encrypted(bridge).await?;
        let journal = bridge.operator.ask(&["status"]).await?;
        ensure!(journal["journal_last"]["what"] == "detach", "the journal holds {journal}");
        update(bridge, &usual).await
    })
    .await;
}

#[tokio::test]
async fn detach_leaves_a_pool_without_triggers_if_it_had_none() {
    run_case(async |bridge| {
        let usual = enrich(bridge, None).await?;
        let operator = operator(bridge, "attach-none", "")?;
        let before = settings(bridge).await?;
        ensure!(before.get("LambdaConfig").is_none(), "it has triggers already");
        // The answer to the first write is lost. A read, not a guess, shows that it was done.
        let faults = bridge.stack.faults(Place::Pool(1));
        let lose = json!([{"service": "cognito-idp", "operation": "UpdateUserPool", "times": 1,
            "response": {"abort_bytes": 0}}]);
        faults.set(&lose).await?;
        let attached = attach(&operator).await?;
        ensure!(attached.code == Some(0), "attach failed: {}", attached.stderr);
        ensure!(faults.fired().await?.len() == 1, "no answer was lost");
        faults.clear().await?;
        ensure!(settings(bridge).await?["LambdaConfig"] == taken());
        ensure!(detach(&operator).await?.code == Some(0), "detach failed");
        let after = settings(bridge).await?;
        ensure!(after == before, "detach left a change behind");
        update(bridge, &usual).await
    })
    .await;
}

#[tokio::test]
async fn a_function_of_the_teams_own_is_refused_until_bridge_toml_names_it() {
    run_case(async |bridge| {
        let usual = enrich(bridge, Some(json!({ "PostConfirmation": THEIRS }))).await?;
        let before = settings(bridge).await?;
        let unlisted = attach(&operator(bridge, "attach-unlisted", "")?).await?;
        ensure!(unlisted.code == Some(2), "it ended with {:?}", unlisted.code);
        let line = format!("PostConfirmation = \"{THEIRS}\"");
        ensure!(unlisted.stderr.contains("[new.triggers]"), "no section: {}", unlisted.stderr);
        ensure!(unlisted.stderr.contains(&line), "no line to add: {}", unlisted.stderr);
        ensure!(settings(bridge).await? == before, "a refused pool was changed");

        let named = operator(bridge, "attach-named", &format!("[new.triggers]\n{line}\n"))?;
        let attached = attach(&named).await?;
        ensure!(attached.code == Some(0), "attach failed: {}", attached.stderr);
        ensure!(settings(bridge).await?["LambdaConfig"] == taken());
        ensure!(detach(&named).await?.code == Some(0), "detach failed");
        ensure!(settings(bridge).await? == before, "detach did not restore the trigger");
        update(bridge, &usual).await
    })
    .await;
}

#[tokio::test]
async fn every_setting_comes_back_from_the_settings_backup() {
    run_case(async |bridge| {
        let usual = enrich(bridge, Some(json!({ "CustomMessage": THEIRS }))).await?;
        let operator = operator(bridge, "attach-whole", "")?;
        let before = settings(bridge).await?;
        ensure!(attach(&operator).await?.code == Some(0), "attach failed");
        let mut spoilt = settings(bridge).await?;
        spoilt["DeviceConfiguration"] = Value::Null;
        spoilt["Policies"]["PasswordPolicy"]["MinimumLength"] = json!(6);
        update(bridge, &spoilt).await?;
        let arguments = ["detach", "--side", "new", "--whole", "--yes"];
        let back = run(&operator, &arguments).await?;
        ensure!(back.code == Some(0), "detach failed: {}", back.stderr);
        let output = back.stderr.contains("Policies.PasswordPolicy.MinimumLength is written back");
        ensure!(output, "it does not say what it writes: {}", back.stderr);
        ensure!(settings(bridge).await? == before, "not every setting came back");
        update(bridge, &usual).await
    })
    .await;
}

#[tokio::test]
async fn coverage_shows_what_is_missing_on_this_bridge() {
    run_case(async |bridge| {
        let operator = operator(bridge, "coverage", "")?;
        let output = operator.run(&["coverage", "--json"], LIMIT).await?;
        ensure!(output.code == Some(2), "it ended with {:?}: {}", output.code, output.stderr);
        let output: Value = serde_json::from_str(&output.data).context("no JSON")?;
        // The old pool has had capture from the start.
        ensure!(output["old"]["attached"] == json!(["PostConfirmation"]), "it says {output}");
        let operations = output["operations"].as_array().context("no operations")?;
        let confirmed = operations.iter().find(|it| it["operation"] == "ConfirmSignUp");
        let sides = &confirmed.context("no such operation")?["trigger"];
        ensure!(sides == &json!(["old", "new"]), "seen on {sides}");
        let warnings = output["warnings"].to_string();
        ensure!(warnings.contains("no CloudTrail event of the"), "it warns of {warnings}");
        Ok(())
    })
    .await;
}

/// The triggers of a pool with only poolbridge's: the guard's, which is on by default, and the one
/// that is always required.
fn taken() -> Value {
    json!({ "PreSignUp": OURS, "PostConfirmation": OURS })
}

/// Gives the new pool many settings and those triggers. Returns its former settings.
async fn enrich(bridge: &Deployment, triggers: Option<Value>) -> anyhow::Result<Value> {
    let usual = settings(bridge).await?;
    let mut rich = usual.clone();
    for (name, value) in [
        (
            "Policies",
            json!({ "PasswordPolicy": { "MinimumLength": 12, "RequireSymbols": false,
            "TemporaryPasswordValidityDays": 3, "OfTomorrow": { "Strict": true } } }),
        ),
        ("EmailConfiguration", json!({ "EmailSendingAccount": "DEVELOPER", "SourceArn": "ses" })),
        ("EmailVerificationMessage", json!(PRIVATE)),
        ("EmailVerificationSubject", json!("code")),
        (
            "VerificationMessageTemplate",
            json!({ "DefaultEmailOption": "CONFIRM_WITH_CODE",
            "EmailMessage": PRIVATE }),
        ),
        ("SmsConfiguration", json!({ "SnsCallerArn": "role", "ExternalId": "external" })),
        ("SmsAuthenticationMessage", json!("{####}")),
        ("DeviceConfiguration", json!({ "ChallengeRequiredOnNewDevice": true })),
        ("UserPoolTags", json!({ "team": "identity" })),
        ("UserPoolAddOns", json!({ "AdvancedSecurityMode": "AUDIT" })),
        (
            "AdminCreateUserConfig",
            json!({ "AllowAdminCreateUserOnly": true,
            "InviteMessageTemplate": { "EmailSubject": "welcome" } }),
        ),
    ] {
        rich[name] = value;
    }
    let members = rich.as_object_mut().context("no settings")?;
    match triggers {
        Some(triggers) => drop(members.insert("LambdaConfig".to_owned(), triggers)),
        None => drop(members.remove("LambdaConfig")),
    }
    update(bridge, &rich).await?;
    Ok(usual)
}

/// Sets the new pool's settings directly. The pool ignores what it does not know.
async fn update(bridge: &Deployment, settings: &Value) -> anyhow::Result<()> {
    let mut input = settings.clone();
    input["UserPoolId"] = json!(bridge.new.id);
    bridge.new.call("UpdateUserPool", &input).await.map(drop)
}

/// The new pool's settings, except for the date that every write moves.
async fn settings(bridge: &Deployment) -> anyhow::Result<Value> {
    let input = json!({ "UserPoolId": bridge.pool(Side::New).id });
    let mut answer = bridge.new.call("DescribeUserPool", &input).await?;
    let mut pool = answer["UserPool"].take();
    let members = pool.as_object_mut().context("no settings")?;
    members.remove("LastModifiedDate");
    // A pool without triggers shows them empty, or does not show them.
    if members.get("LambdaConfig") == Some(&json!({})) {
        members.remove("LambdaConfig");
    }
    Ok(pool)
}

/// The command line with more lines at the end of its `bridge.toml`, and with the outputs that name
/// capture.
fn operator(bridge: &Deployment, name: &str, more: &str) -> anyhow::Result<Operator> {
    let usual = bridge.function(name, "capture").configuration.context("no bridge.toml")?;
    let path = bridge.stack.folder().join("ministack").join(format!("{name}.toml"));
    fs::write(&path, format!("{usual}\n{more}")).context("writing bridge.toml")?;
    let path = path.display().to_string();
    Ok(bridge.operator.with(&[
        ("POOLBRIDGE_CONFIG", &path),
        ("POOLBRIDGE_CAPTURE_OLD", OURS),
        ("POOLBRIDGE_CAPTURE_NEW", OURS),
    ]))
}

async fn attach(operator: &Operator) -> anyhow::Result<CommandOutput> {
    run(operator, &["attach", "--side", "new", "--yes"]).await
}

async fn detach(operator: &Operator) -> anyhow::Result<CommandOutput> {
    run(operator, &["detach", "--side", "new", "--yes"]).await
}

/// Runs a command. Its output must hold no text from the settings.
async fn run(operator: &Operator, arguments: &[&str]) -> anyhow::Result<CommandOutput> {
    let outcome = operator.run(arguments, LIMIT + Duration::from_secs(30)).await?;
    let said = format!("{}{}", outcome.data, outcome.stderr);
    ensure!(!said.contains("Dear customer") && !said.contains("external"), "it says {said}");
    Ok(outcome)
}

/// The settings backups exist, and are unreadable without the key.
async fn assert_backups_are_encrypted(bridge: &Deployment) -> anyhow::Result<()> {
    let items = bridge.services.items(&bridge.names.table).await?;
    let dumps = items.iter().filter(|item| item["pk"]["S"] == "ATTACH#new").count();
    ensure!(dumps >= 2, "{dumps} dumps");
    let table = Value::from(items).to_string();
    ensure!(!table.contains("Dear customer"), "a settings backup is readable in the table");
    Ok(())
}
