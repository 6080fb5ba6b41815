//! `poolbridge link` and `poolbridge unlink`, run by an operator: two accounts that no search
//! connects become one person, and are separated again permanently.

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::aws::changed;
use serde_json::Value;

use super::operator::{DONE, FAILED, ends};
use super::{attribute, drain, run_case};

const PASSWORD: &str = "Correct-Horse-88";

/// The help desk creates an account in that pool. No trigger fires.
async fn made(bridge: &Deployment, side: Side, name: &str, dept: &str) -> anyhow::Result<String> {
    let email = format!("{name}@example.com");
    let attribute = match side {
        Side::Old => "custom:dept",
        Side::New => "custom:department",
    };
    let attributes = [("email", email.as_str()), ("email_verified", "true"), (attribute, dept)];
    let username = match side {
        Side::Old => name,
        Side::New => email.as_str(),
    };
    bridge.pool(side).create(username, PASSWORD, &attributes).await
}

/// Makes an edit, captures it, and waits until it is processed.
async fn edit(
    bridge: &Deployment,
    side: Side,
    account: (&str, &str),
    name: &str,
    value: &str,
) -> anyhow::Result<()> {
    let (username, sub) = account;
    bridge.pool(side).edit(username, &[(name, value)]).await?;
    bridge.send(&changed(side, sub)?, 1).await?;
    drain(bridge).await
}

async fn explained(bridge: &Deployment, side: Side, sub: &str) -> anyhow::Result<Value> {
    bridge.operator.ask(&["explain", &format!("{side}:{sub}")]).await
}

fn decided(story: &Value, kind: &str) -> bool {
    let decisions = story["decisions"].as_array();
    decisions.is_some_and(|all| all.iter().any(|it| it["kind"] == kind))
}

#[tokio::test]
async fn operator_links_two_accounts_by_sub_and_separates_them_permanently() {
    run_case(async |bridge| {
        let old = made(bridge, Side::Old, "linked-by-hand", "Department-Nine").await?;
        let new = made(bridge, Side::New, "linked-elsewhere", "dept-Department-Ten").await?;
        let size = bridge.new.size().await?;
        let (in_old, in_new) = (("linked-by-hand", old.as_str()), (new.as_str(), new.as_str()));
        let link = ["link", "--old", &old, "--new", &new];

        // No terminal is there to confirm, so the command does nothing.
        ends(bridge, &link, FAILED).await?;
        let pending = bridge.pending().await?;
        let ours = pending.iter().any(|it| it.ends_with(&old) || it.ends_with(&new));
        ensure!(!ours, "a change is pending: {pending:?}");

        ends(bridge, &[&link[..], &["--yes"]].concat(), DONE).await?;
        drain(bridge).await?;
        let story = explained(bridge, Side::New, &new).await?;
        ensure!(story["state"] == "synced", "{story}");
        ensure!(story["accounts"]["old"]["sub"] == old.as_str(), "{story}");
        ensure!(decided(&story, "linked-by-operator"), "{story}");
        // Two values at a first link: the active side's wins. The address came with its flag.
        attribute(bridge, Side::New, &new, "custom:department", "dept-Department-Nine").await?;
        attribute(bridge, Side::New, &new, "email", "linked-by-hand@example.com").await?;
        attribute(bridge, Side::New, &new, "email_verified", "true").await?;
        edit(bridge, Side::New, in_new, "given_name", "Given-By-Link").await?;
        attribute(bridge, Side::Old, &old, "given_name", "Given-By-Link").await?;
        ensure!(bridge.new.size().await? == size, "a second account was created");
        let again = ends(bridge, &[&link[..], &["--yes"]].concat(), FAILED).await?;
        ensure!(again.stderr.contains("linked already"), "{}", again.stderr);

        ends(bridge, &["unlink", "--new", &new, "--yes"], DONE).await?;
        drain(bridge).await?;
        apart(bridge, &old, &new).await?;
        // Both accounts have one verified address, so a search would link them. Neither an edit nor
        // an operator's retry, which forgets the results of earlier searches, links them.
        edit(bridge, Side::Old, in_old, "given_name", "Given-Apart").await?;
        edit(bridge, Side::New, in_new, "family_name", "Family-Apart").await?;
        let both = [format!("old:{old}"), format!("new:{new}")];
        ends(bridge, &["retry", &both[0], &both[1], "--yes"], DONE).await?;
        drain(bridge).await?;
        apart(bridge, &old, &new).await?;
        let says = async |side: Side, name: &str, attribute: &str| {
            let account = bridge.pool(side).account(name).await?.context("no such account")?;
            anyhow::Ok(account.attribute(attribute).to_owned())
        };
        ensure!(says(Side::New, &new, "given_name").await? == "Given-By-Link", "it travelled");
        ensure!(says(Side::Old, in_old.0, "family_name").await?.is_empty(), "it travelled");
        ensure!(
            bridge.new.size().await? == size,
            "an account was created for the separated person"
        );
        let unlinked = ends(bridge, &["unlink", "--old", &old, "--yes"], FAILED).await?;
        ensure!(unlinked.stderr.contains("linked to no other account"), "{}", unlinked.stderr);
        Ok(())
    })
    .await;
}

/// The two accounts are two people, and both records say that an operator separated them.
async fn apart(bridge: &Deployment, old: &str, new: &str) -> anyhow::Result<()> {
    let stories =
        [explained(bridge, Side::Old, old).await?, explained(bridge, Side::New, new).await?];
    ensure!(stories[0]["person"] != stories[1]["person"], "one person: {}", stories[0]);
    for (story, other, sub) in [(&stories[0], "new", new), (&stories[1], "old", old)] {
        ensure!(story["accounts"][other].is_null(), "still linked: {story}");
        ensure!(story["separated_from"][other][0] == sub, "{story}");
        ensure!(decided(story, "unlinked-by-operator"), "{story}");
    }
    Ok(())
}
