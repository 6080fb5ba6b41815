//! Sixty accounts with unusual values, and the command line as an operator uses it: `retry`,
//! `worker`, `drain`, `people` and `explain` on the local stack. Each person must end up equal in
//! both pools, or held for the right reason.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_tests::deployment::user_pool::AdminView;
use poolbridge_tests::deployment::{Deployment, DeploymentKind};
use poolbridge_tests::stack::PoolSeed;
use poolbridge_tests::unusual_accounts::{Expected, UnusualAccount, UnusualKind, unusual_accounts};
use serde_json::Value;

/// Another seed generates other people of the same kinds.
const SEED: u64 = 20_260_101;

/// The number of people.
const PEOPLE: usize = 60;

/// The number of people for the pool without standard attributes.
const PEOPLE_OF_BARE_POOL: usize = 16;

/// Longer than any command takes here.
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn each_of_sixty_unusual_accounts_is_equal_in_both_pools_or_held_for_the_right_reason() {
    let stack =
        Deployment::start_stack(DeploymentKind::Calls).await.expect("the stack does not start");
    let bridge =
        Deployment::deploy(stack, DeploymentKind::Calls).await.expect("nothing is deployed");
    let result = with_worker(&bridge, process_and_check(&bridge, PEOPLE)).await;
    if let Err(error) = result {
        panic!("{error:?}\n{}", bridge.stack.logs(10));
    }
}

#[tokio::test]
async fn a_pool_whose_schema_lists_no_standard_attribute_gets_no_empty_account() {
    let stack = Deployment::start_stack_with(DeploymentKind::Calls, |old| old, PoolSeed::bare);
    let stack = stack.await.expect("the stack does not start");
    let bridge =
        Deployment::deploy(stack, DeploymentKind::Calls).await.expect("nothing is deployed");
    let result = with_worker(&bridge, process_pool_without_standard_attributes(&bridge)).await;
    if let Err(error) = result {
        panic!("{error:?}\n{}", bridge.stack.logs(10));
    }
}

/// Runs a case with the operator's own worker and without functions. One worker serves the whole
/// case: a message that a stopped worker had just received stays hidden for minutes.
async fn with_worker(
    bridge: &Deployment,
    case: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    bridge.stop_functions().await?;
    let worker = bridge.operator.start(&["worker"])?;
    let result = case.await;
    let words = worker.stop().await?;
    ensure!(words.contains("stopped"), "the worker did not end by itself: {words}");
    result?;
    bridge.assert_no_personal_data(&[], &[]).await.map(drop)
}

async fn process_and_check(bridge: &Deployment, count: usize) -> anyhow::Result<()> {
    let people = create_accounts(bridge, count).await?;
    retry_all(bridge, &people).await?;
    let states = states(bridge).await?;
    for (sub, person) in &people {
        let found = check_account(bridge, &states, sub, person).await;
        found.with_context(|| format!("{:?}, account {sub}", person.kind))?;
    }
    // An operator's `retry` of everyone who is not in step changes nothing by itself, and creates
    // no second account.
    let size = bridge.new.size().await?;
    bridge.operator.run(&["retry", "--state", "held", "--yes"], LIMIT).await?;
    wait_until_drained(bridge).await?;
    ensure!(bridge.new.size().await? == size, "a second run created an account");
    for (sub, person) in &people {
        let found = check_account(bridge, &states, sub, person).await;
        found.with_context(|| format!("again: {:?}, account {sub}", person.kind))?;
    }
    Ok(())
}

/// All people are in the old pool, and the bridge does not know them, because no event reported
/// them. Returns them by the `sub` of their accounts.
async fn create_accounts(
    bridge: &Deployment,
    count: usize,
) -> anyhow::Result<BTreeMap<String, UnusualAccount>> {
    let mut people = BTreeMap::new();
    for person in unusual_accounts(SEED, count) {
        let pairs: Vec<(&str, &str)> =
            person.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let name = &person.username;
        let sub = if person.kind == UnusualKind::Unconfirmed {
            bridge.old.sign_up(name, "Correct-Horse-99", &pairs).await?
        } else {
            bridge.old.create(name, "Correct-Horse-99", &pairs).await?
        };
        if person.kind == UnusualKind::Disabled {
            bridge.old.disable(name).await?;
        }
        if let Some(address) = person.in_new_pool.get("email") {
            let pairs: Vec<(&str, &str)> =
                person.in_new_pool.iter().map(|(name, value)| (*name, value.as_str())).collect();
            bridge.new.create(address, "Battery-Staple-99", &pairs).await?;
        }
        people.insert(sub, person);
    }
    Ok(people)
}

/// An operator processes all of them with `retry`, with an own worker and without functions.
async fn retry_all(
    bridge: &Deployment,
    people: &BTreeMap<String, UnusualAccount>,
) -> anyhow::Result<()> {
    let accounts: Vec<String> = people.keys().map(|sub| format!("old:{sub}")).collect();
    let mut arguments = vec!["retry", "--yes"];
    arguments.extend(accounts.iter().map(String::as_str));
    let retried = bridge.operator.run(&arguments, LIMIT).await?;
    ensure!(retried.code == Some(0), "`retry` ended with {:?}: {}", retried.code, retried.stderr);
    wait_until_drained(bridge).await
}

async fn wait_until_drained(bridge: &Deployment) -> anyhow::Result<()> {
    let drained = bridge.operator.run(&["drain", "--timeout", "100s"], LIMIT).await?;
    ensure!(drained.code == Some(0), "`drain` ended with {:?}\n{}", drained.code, drained.data);
    ensure!(bridge.dead_letters().await? == 0, "there are dead letters");
    Ok(())
}

/// Everyone who is not in step, as `people` prints them: state and reason by account of the old
/// pool.
async fn states(bridge: &Deployment) -> anyhow::Result<BTreeMap<String, (String, Option<String>)>> {
    let mut states = BTreeMap::new();
    for state in ["only-old", "only-new", "waiting", "conflict", "held", "deleted"] {
        let answer = bridge.operator.ask(&["people", "--state", state, "--limit", "1000"]).await?;
        for person in answer["people"].as_array().context("no list of people")? {
            let old = person["old"].as_str().context("a person without an old account")?;
            let reason = person["reason"].as_str().map(str::to_owned);
            let before = states.insert(old.to_owned(), (state.to_owned(), reason));
            ensure!(before.is_none(), "{old} is listed twice");
        }
    }
    Ok(states)
}

/// Whether that person has the required result, by the pools, by `people` and by `explain`.
async fn check_account(
    bridge: &Deployment,
    states: &BTreeMap<String, (String, Option<String>)>,
    sub: &str,
    person: &UnusualAccount,
) -> anyhow::Result<()> {
    let listed = states.get(sub);
    let old = bridge.old.account(&person.username).await?.context("the old account is gone")?;
    for (name, value) in &person.attributes {
        ensure!(old.attribute(name) == value, "{name} was changed in the old pool");
    }
    match person.expected {
        Expected::Equal => {
            ensure!(listed.is_none(), "listed as {listed:?}");
            let answer = bridge.operator.ask(&["explain", &format!("old:{sub}")]).await?;
            let steps = answer["next"]["steps"].as_array().map_or(usize::MAX, Vec::len);
            ensure!(answer["state"] == "synced" && steps == 0, "explain: {answer}");
            let new = answer["accounts"]["new"]["sub"].as_str().context("no new account")?;
            let new = bridge.new.account(new).await?.context("the new account is not there")?;
            equal(person, &new)?;
            ensure!(new.enabled && new.status == "CONFIRMED", "{}", new.status);
        }
        Expected::Alone(state, reason) => {
            let wanted = (state.to_owned(), reason.map(str::to_owned));
            if person.kind == UnusualKind::Unconfirmed && listed.is_none() {
                // The table need not know a person who never confirmed.
                let answer =
                    bridge.operator.run(&["explain", &format!("old:{sub}")], LIMIT).await?;
                ensure!(answer.code == Some(1), "explain: {}", answer.data);
            } else {
                ensure!(listed == Some(&wanted), "listed as {listed:?}");
                let answer = bridge.operator.ask(&["explain", &format!("old:{sub}")]).await?;
                ensure!(answer["state"] == state, "explain: {answer}");
                ensure!(answer["reason"].as_str() == reason, "explain: {answer}");
                ensure!(answer["accounts"]["new"] == Value::Null, "explain: {answer}");
            }
            if let Some(address) = person.attributes.get("email") {
                let found = bridge.new.account(&address.to_lowercase()).await?;
                ensure!(found.is_none(), "an account was created");
            }
        }
    }
    Ok(())
}

/// Whether the new account holds what the mapping makes of the old one, and nothing else.
fn equal(person: &UnusualAccount, new: &AdminView) -> anyhow::Result<()> {
    let mapped = person.mapped();
    for (name, value) in &mapped {
        let found = new.attribute(name);
        ensure!(found == value, "{name}: {} characters instead of {}", found.len(), value.len());
    }
    let more = new.attributes.iter().filter(|(name, value)| {
        !value.is_empty() && !mapped.contains_key(*name) && !name.ends_with("_verified")
    });
    let more: Vec<&String> = more.map(|(name, _)| name).collect();
    ensure!(more.is_empty(), "attributes without a source in the old pool: {more:?}");
    Ok(())
}

async fn process_pool_without_standard_attributes(bridge: &Deployment) -> anyhow::Result<()> {
    let people = create_accounts(bridge, PEOPLE_OF_BARE_POOL).await?;
    retry_all(bridge, &people).await?;
    let states = states(bridge).await?;
    for (sub, person) in &people {
        let found = match states.get(sub) {
            // This pool may refuse a later change of an attribute that its description does not
            // list. The field is then held by name, and the account is still usable.
            Some((state, Some(_))) if state == "held" && person.expected == Expected::Equal => {
                check_usable(bridge, sub).await
            }
            _ => check_account(bridge, &states, sub, person).await,
        };
        found.with_context(|| format!("{:?}, account {sub}", person.kind))?;
    }
    Ok(())
}

/// Whether the new account of that person has the sign-in address, verified.
async fn check_usable(bridge: &Deployment, sub: &str) -> anyhow::Result<()> {
    let answer = bridge.operator.ask(&["explain", &format!("old:{sub}")]).await?;
    let new = answer["accounts"]["new"]["sub"].as_str().context("no new account")?;
    let new = bridge.new.account(new).await?.context("the new account is not there")?;
    ensure!(!new.attribute("email").is_empty(), "an account without an address");
    ensure!(new.attribute("email_verified") == "true", "the address is not verified");
    Ok(())
}
