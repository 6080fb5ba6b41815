//! People at the two pools: each case runs in both, and the answers must be equal.

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::polling::until;
use poolbridge_tests::deployment::user_pool::UserPool;
use serde_json::{Value, json};
use std::ops::ControlFlow;

use super::{LIMIT, PersonAnswer, TEAM, deploy, name_in, run_case, sign_up};

/// A person signs up in each pool. Both answers must be equal; returns it.
async fn both(bridge: &Deployment, name: &str) -> anyhow::Result<PersonAnswer> {
    let direct = sign_up(&bridge.old, name).await?;
    let chained = sign_up(&bridge.new, name).await?;
    ensure!(direct == chained, "{name}: answered {direct:?} directly, {chained:?} through capture");
    Ok(chained)
}

async fn account(pool: &UserPool, name: &str) -> anyhow::Result<Option<(String, String)>> {
    let account = pool.account(&name_in(pool, name)).await?;
    Ok(account.map(|it| (it.status.clone(), it.attribute("email_verified").to_owned())))
}

#[tokio::test]
async fn the_functions_answer_takes_effect() {
    run_case(async |bridge| {
        for (name, status) in [("confirmed", "CONFIRMED"), ("plainly", "UNCONFIRMED")] {
            ensure!(both(bridge, name).await?.is_ok(), "{name} was refused");
            for pool in [&bridge.old, &bridge.new] {
                let (found, verified) = account(pool, name).await?.context("no account")?;
                ensure!((found.as_str(), verified.as_str()) == (status, "true"), "{name}: {found}");
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_functions_refusal_message_is_unchanged() {
    run_case(async |bridge| {
        let answer = both(bridge, "refused").await?;
        let (code, text) = answer.err().context("the sign-up was not refused")?;
        ensure!(code == "UserLambdaValidationException", "refused with {code}");
        ensure!(text == "FUNCTION failed with error no place left.", "refused with: {text}");
        for pool in [&bridge.old, &bridge.new] {
            ensure!(account(pool, "refused").await?.is_none(), "there is an account");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_function_of_almost_five_seconds_is_waited_for() {
    run_case(async |bridge| {
        ensure!(both(bridge, "slowly").await?.is_ok(), "it was not waited for");
        for pool in [&bridge.old, &bridge.new] {
            let (_, verified) = account(pool, "slowly").await?.context("no account")?;
            ensure!(verified == "true", "its answer was lost");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_function_that_times_out_is_reported_as_such() {
    run_case(async |bridge| {
        let (code, text) = both(bridge, "hangs-on").await?.err().context("it was not timed out")?;
        ensure!(code == "UserLambdaValidationException", "refused with {code}");
        ensure!(text.contains("Task timed out after 6.00 seconds"), "refused with: {text}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_invalid_answer_fails_as_without_capture() {
    run_case(async |bridge| {
        let direct = sign_up(&bridge.old, "nonsense").await;
        let chained = sign_up(&bridge.new, "nonsense").await;
        ensure!(format!("{direct:?}") == format!("{chained:?}"), "{direct:?}, but {chained:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_missing_function_refuses_every_sign_up() {
    let bridge = deploy("no-function").await.expect("the bridge cannot be deployed");
    let answer = sign_up(&bridge.new, "alone").await.unwrap();
    let (code, text) = answer.unwrap_err();
    assert_eq!(code, "UserLambdaValidationException");
    let said = "invocation failed due to error ResourceNotFoundException";
    assert_eq!(text, format!("FUNCTION failed with error {said}."));
    assert_eq!(account(&bridge.new, "alone").await.unwrap(), None);
    // The trigger that runs after the operation fails too, as without capture. This pool ignores
    // the failure; AWS may not.
    bridge.stop().unwrap();
}

#[tokio::test]
async fn everything_after_a_sign_up_reaches_the_function_and_the_bridge() {
    run_case(async |bridge| {
        let mut claims = Vec::new();
        for pool in [&bridge.old, &bridge.new] {
            let name = name_in(pool, "member-one");
            ensure!(sign_up(pool, "member-one").await?.is_ok(), "refused");
            pool.confirm(&name).await?;
            let input = json!({"ClientId": pool.client, "AuthFlow": "USER_PASSWORD_AUTH",
                "AuthParameters": {"USERNAME": name, "PASSWORD": "Correct-Horse-77"}});
            let answer = pool.call("InitiateAuth", &input).await?;
            let token = answer.pointer("/AuthenticationResult/IdToken").and_then(Value::as_str);
            let claim = claims_of(token.context("no token")?)?["tier"].clone();
            claims.push(claim);
        }
        ensure!(claims == ["gold-tier", "gold-tier"], "the tokens say {claims:?}");
        let log = bridge.services.log(TEAM).await?.join("\n");
        for source in [
            "PreSignUp_SignUp",
            "PostConfirmation_ConfirmSignUp",
            "PostAuthentication_Authentication",
            "TokenGeneration_Authentication",
        ] {
            let calls = log.matches(&format!("called {source} member-o")).count();
            ensure!(calls == 2, "{calls} calls for {source}:\n{log}");
        }
        let sub = bridge.new.account(&name_in(&bridge.new, "member-one")).await?;
        let sub = sub.context("no account")?.sub;
        until("the change at apply", LIMIT, async || {
            let handled = bridge.handled(&sub).await?;
            let none = || ControlFlow::Continue("nothing".to_owned());
            Ok(if handled.is_empty() { none() } else { ControlFlow::Break(()) })
        })
        .await?;
        ensure!(
            bridge.handled(&old_sub(bridge).await?).await?.is_empty(),
            "no trigger reports that"
        );
        Ok(())
    })
    .await;
}

async fn old_sub(bridge: &Deployment) -> anyhow::Result<String> {
    let pool = bridge.pool(Side::Old);
    let account = pool.account(&name_in(pool, "member-one")).await?;
    Ok(account.context("no account")?.sub)
}

/// The claims of a token, unverified.
fn claims_of(token: &str) -> anyhow::Result<Value> {
    let payload = token.split('.').nth(1).context("no token")?;
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in payload.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff)?);
        }
    }
    Ok(serde_json::from_slice(&bytes)?)
}
