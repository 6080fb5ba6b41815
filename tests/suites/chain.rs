//! Capture in the place of the team's own functions. Two pools have one shape: one has the function
//! in its triggers, the other has capture there, which calls the function. A person who signs up or
//! signs in must see no difference. The suite also tests the sign-up guard, which runs in the same
//! place.

#[path = "chain/other_region.rs"]
mod other_region;
#[path = "chain/guard.rs"]
mod guard;
#[path = "chain/invoked.rs"]
mod invoked;
#[path = "chain/people.rs"]
mod people;

use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::user_pool::UserPool;
use poolbridge_tests::deployment::{Deployment, DeploymentKind, Function};
use poolbridge_tests::stack::http::ServiceError;
use poolbridge_tests::stack::{Options, Place, PoolSeed, Stack};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

/// The team's own function, in every trigger. The beginning of the username decides what it does.
const TEAM: &str = "team";

/// Its timeout is six seconds, so that the function times out before capture does.
const TEAM_SECONDS: u32 = 6;

const SOURCE: &str = "\
import time
def handler(event, context):
    name, source = event['userName'], event['triggerSource']
    print('called', source, name[:8])
    if name.startswith('refused'):
        raise ValueError('no place left')
    if name.startswith('slow'):
        time.sleep(4.9)
    if name.startswith('hangs'):
        time.sleep(60)
    if name.startswith('nonsense'):
        return ['nonsense']
    if source.startswith('PreSignUp'):
        event['response']['autoConfirmUser'] = name.startswith('confirmed')
        event['response']['autoVerifyEmail'] = True
    if source.startswith('TokenGeneration'):
        claims = {'claimsToAddOrOverride': {'tier': 'gold-tier'}}
        event['response']['claimsOverrideDetails'] = claims
    return event
";

const SLOTS: [&str; 4] =
    ["PreSignUp", "PostConfirmation", "PostAuthentication", "PreTokenGeneration"];

const CAPTURE: &str = "demo-capture";

/// Longer than any function here may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The process never drops it, but no part of it outlives the process.
static BRIDGE: OnceCell<Mutex<Deployment>> = OnceCell::const_new();

/// In the old pool, the function itself is in the trigger slots.
async fn deploy(function: &str) -> anyhow::Result<Deployment> {
    let pool = |id: &str, client: &str, function: &str| {
        let mut seed = PoolSeed::new(id, client).custom("dept").custom("department");
        seed.auto_verified_attributes = vec!["email".to_owned()];
        SLOTS.into_iter().fold(seed, |seed, slot| seed.trigger(slot, function))
    };
    let old = pool("us-east-1_AAAAAAAAA", "oldapp", TEAM);
    let new = pool("us-east-1_BBBBBBBBB", "newapp", CAPTURE);
    let faults = vec![Place::Ministack, Place::Pool(0), Place::Pool(1)];
    let options = Options { ministack: true, pools: vec![old, new], faults, ..Options::default() };
    let stack = Stack::start(options).await?;
    stack.deploy_python_within(TEAM, SOURCE, TEAM_SECONDS).await?;
    let arn = arn(function);
    let lines = SLOTS.map(|slot| format!("{slot} = \"{arn}\"")).join("\n");
    Deployment::deploy_changed(stack, DeploymentKind::Calls, |text| {
        let text = text.replace("provision = \"eager\"", "provision = \"lazy\"");
        format!("{text}\n[new.triggers]\n{lines}\n")
    })
    .await
}

fn arn(function: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")
}

/// Runs one case on the suite's deployment, and afterwards searches for private values left behind.
async fn run_case(case: impl AsyncFnOnce(&Deployment) -> anyhow::Result<()>) {
    let deployed = BRIDGE.get_or_try_init(|| async { deploy(TEAM).await.map(Mutex::new) });
    let bridge = deployed.await.expect("the bridge cannot be deployed").lock().await;
    for place in [Place::Ministack, Place::Pool(0), Place::Pool(1)] {
        // A failed case may have left its faults.
        bridge.stack.faults(place).clear().await.expect("the proxies do not answer");
    }
    let result = match case(&bridge).await {
        Ok(()) => bridge.assert_no_personal_data(&[], &[]).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        panic!("{error:?}\n{}{}", bridge.log_tails(40).await, bridge.stack.logs(10));
    }
}

/// The answer that a person gets: the result, or the error's code and text.
type PersonAnswer = Result<Value, (String, String)>;

/// The answer of a pool in words that are the same for both pools: without the names of the
/// function and of the person.
fn person_answer(
    answer: anyhow::Result<Value>,
    pool: &UserPool,
    name: &str,
) -> anyhow::Result<PersonAnswer> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error) => {
            let refusal = error.downcast_ref::<ServiceError>();
            let refusal = refusal.with_context(|| format!("no answer: {error:?}"))?;
            let function = if pool.side == Side::Old { TEAM } else { CAPTURE };
            let text = refusal.message.replace(function, "FUNCTION").replace(name, "NAME");
            Ok(Err((refusal.code.clone(), text)))
        }
    }
}

/// A person's username in a pool: the two differ only in their end.
fn name_in(pool: &UserPool, name: &str) -> String {
    format!("{name}-{}", pool.side)
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// Signs a person up and returns the answer.
async fn sign_up(pool: &UserPool, name: &str) -> anyhow::Result<PersonAnswer> {
    let name = name_in(pool, name);
    let email = email(&name);
    let attributes = [("email", email.as_str()), ("custom:dept", "Department-One")];
    let answer = pool.sign_up(&name, "Correct-Horse-77", &attributes).await.map(|_| json!({}));
    person_answer(answer, pool, &name)
}

/// The event that Cognito sends from the pool of that side.
fn event(bridge: &Deployment, side: Side, source: &str, name: &str) -> Value {
    let response = match source.split('_').next().unwrap_or_default() {
        "PreSignUp" => {
            json!({"autoConfirmUser": false, "autoVerifyEmail": false, "autoVerifyPhone": false})
        }
        "TokenGeneration" => json!({"claimsOverrideDetails": null}),
        _ => json!({}),
    };
    json!({
        "version": "1", "region": "us-east-1", "userPoolId": bridge.pool(side).id,
        "userName": name, "triggerSource": source,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "newapp"},
        "request": {
            "userAttributes": {"email": email(name), "email_verified": "true",
                "sub": "6f1c52a0-0000-4000-8000-000000000000"},
            "groupConfiguration": {"groupsToOverride": ["editors"], "iamRolesToOverride": [],
                "preferredRole": null},
        },
        "response": response,
    })
}

/// Invokes a function and returns its answer unchanged.
async fn invoke(bridge: &Deployment, function: &str, event: &Value) -> anyhow::Result<String> {
    let answer = bridge.services.invoke(function, event.to_string().as_bytes(), LIMIT).await?;
    String::from_utf8(answer).context("an answer in no letters")
}

/// A separate capture function with other variables and another `bridge.toml`.
fn capture(
    bridge: &Deployment,
    name: &str,
    variables: &[(&str, &str)],
    change: impl FnOnce(String) -> String,
) -> Function {
    let mut function = bridge.function(name, "capture");
    for (variable, value) in variables {
        function.environment[*variable] = json!(value);
    }
    function.configuration = function.configuration.map(change);
    function
}
