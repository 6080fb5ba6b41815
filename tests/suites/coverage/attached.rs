//! A pool had triggers of its own before poolbridge: its callers see no difference, while capture
//! is attached and after it is detached.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::user_pool::{AdminView, UserPool, refusal};
use poolbridge_tests::deployment::{Deployment, DeploymentKind};
use poolbridge_tests::stack::{PoolSeed, REGION};
use serde_json::{Value, json};

const PASSWORD: &str = "Correct-Horse-77";

/// The team's own pre-sign-up function: it denies some people, and verifies the others' addresses.
const DENIES: &str = "\
def handler(event, context):
    if event['userName'].startswith('denied'):
        raise Exception('that name is not accepted')
    event['response']['autoVerifyEmail'] = True
    return event
";

/// The team's own post-confirmation function, which fails.
const FAILS: &str = "\
def handler(event, context):
    raise Exception('out of order')
";

/// The team's own pre-token function: slow, and it adds a claim.
const SLOW: &str = "\
import time
def handler(event, context):
    time.sleep(2)
    claims = {'team': 'blue'}
    event['response'] = {'claimsOverrideDetails': {'claimsToAddOrOverride': claims}}
    return event
";

const SLOTS: [(&str, &str, &str); 3] = [
    ("PreSignUp", "team-denies", DENIES),
    ("PostConfirmation", "team-fails", FAILS),
    ("PreTokenGeneration", "team-slow", SLOW),
];

/// The answers that a caller of the pool sees, without names and times.
#[derive(Debug, PartialEq, Eq)]
struct CallerView {
    denied: String,
    confirmed: Option<String>,
    verified: String,
    claim: Option<String>,
}

/// All requests that a caller makes to a pool with those triggers.
async fn ask(pool: &UserPool, prefix: &str) -> anyhow::Result<CallerView> {
    let name = format!("{prefix}-regular");
    let email = format!("{name}@example.com");
    let denied = pool
        .sign_up(&format!("denied-{prefix}"), PASSWORD, &[("email", "denied@example.com")])
        .await;
    let denied = match denied {
        Ok(_) => "signed up".to_owned(),
        Err(error) => {
            let words = error.root_cause().to_string();
            // AWS names the trigger here, cognito-local names its function.
            let (_, words) = words.split_once(" failed with error ").unwrap_or(("", &words));
            format!("{:?}: {words}", refusal(&error))
        }
    };
    pool.sign_up(&name, PASSWORD, &[("email", &email)]).await?;
    let confirmed = pool.confirm(&name).await.err().map(|it| it.root_cause().to_string());
    let account = pool.account(&name).await?.context("the account is missing after the sign-up")?;
    let token = pool.id_token(&name, PASSWORD).await?;
    Ok(CallerView {
        denied,
        confirmed,
        verified: account.attribute("email_verified").to_owned(),
        claim: claim(&token, "team"),
    })
}

/// A claim of a token. The signature is not checked.
fn claim(token: &str, name: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64_url(payload)?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims[name].as_str().map(str::to_owned)
}

fn base64_url(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => Some(u32::from(letter - b'A')),
        b'a'..=b'z' => Some(u32::from(letter - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(letter - b'0') + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        held = (held << 6) | digit(letter)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// All settings of the pool except the last-modified date.
async fn dump(pool: &UserPool) -> anyhow::Result<Value> {
    let mut described = pool.call("DescribeUserPool", &json!({"UserPoolId": pool.id})).await?;
    if let Some(settings) = described["UserPool"].as_object_mut() {
        settings.remove("LastModifiedDate");
    }
    Ok(described)
}

#[tokio::test]
async fn a_pool_with_its_own_triggers_behaves_the_same_for_its_callers() {
    let mut bridge = deploy().await.expect("the bridge cannot be deployed");
    let result = run_stages(&mut bridge).await;
    if let Err(error) = result {
        panic!("{error:?}\n{}{}", bridge.log_tails(40).await, bridge.stack.logs(10));
    }
    bridge.stop().expect("the stack does not stop");
}

async fn deploy() -> anyhow::Result<Deployment> {
    let own = |mut seed: PoolSeed| {
        seed.triggers.clear();
        SLOTS.iter().fold(seed, |seed, (slot, name, _)| seed.trigger(slot, name))
    };
    let bare = |mut seed: PoolSeed| {
        seed.triggers.remove("PostConfirmation");
        seed
    };
    let stack = Deployment::start_stack_with(DeploymentKind::Cdk, own, bare).await?;
    for (_, name, source) in SLOTS {
        stack.deploy_python(name, source).await?;
    }
    Deployment::deploy_changed(stack, DeploymentKind::Cdk, |text| {
        let lines = SLOTS.map(|(slot, name, _)| {
            format!("{slot} = \"arn:aws:lambda:{REGION}:000000000000:function:{name}\"\n")
        });
        let lines = lines.concat();
        let verifies = format!("arn:aws:lambda:{REGION}:000000000000:function:verifies");
        format!(
            "{text}\n[capture]\npre_token_generation = true\n\n[old.triggers]\n{lines}\n\
             [new.triggers]\nPreSignUp = \"{verifies}\"\n"
        )
    })
    .await
}

async fn run_stages(bridge: &mut Deployment) -> anyhow::Result<()> {
    let before = [dump(&bridge.old).await?, dump(&bridge.new).await?];
    let alone = ask(&bridge.old, "alone").await?;
    ensure!(alone.denied.contains("that name is not accepted"), "{alone:?}");
    ensure!(alone.claim.as_deref() == Some("blue"), "{alone:?}");

    bridge.operator.succeed(&["attach", "--yes"]).await?;
    let standing = follow(bridge).await?;
    for (slot, name, _) in SLOTS {
        let current = standing[0].get(slot).map(String::as_str);
        ensure!(current == Some("demo-capture"), "{slot} holds {current:?}, not capture ({name})");
    }
    let attached = ask(&bridge.old, "attached").await?;
    ensure!(attached == alone, "alone: {alone:?}\nattached: {attached:?}");
    // To be sure that capture did something: the sign-up travelled.
    let email = "attached-regular@example.com";
    let arrived = |it: &AdminView| (it.status != "CONFIRMED").then(|| it.status.clone());
    bridge.shows(Side::New, email, arrived).await?;
    // A second attach changes nothing.
    let attached = [dump(&bridge.old).await?, dump(&bridge.new).await?];
    bridge.operator.succeed(&["attach", "--yes"]).await?;
    ensure!(attached == [dump(&bridge.old).await?, dump(&bridge.new).await?]);

    bridge.operator.succeed(&["detach", "--yes"]).await?;
    follow(bridge).await?;
    ensure!(before == [dump(&bridge.old).await?, dump(&bridge.new).await?], "the settings differ");
    let detached = ask(&bridge.old, "detached").await?;
    ensure!(detached == alone, "alone: {alone:?}\ndetached: {detached:?}");
    bridge.assert_no_personal_data(&[], &[]).await.map(drop)
}

/// From now on, the pools call the functions that their settings name.
async fn follow(bridge: &mut Deployment) -> anyhow::Result<[BTreeMap<String, String>; 2]> {
    let triggers = [bridge.old.triggers().await?, bridge.new.triggers().await?];
    for (pool, triggers) in triggers.iter().enumerate() {
        bridge.stack.set_triggers(pool, triggers.clone()).await?;
    }
    Ok(triggers)
}
