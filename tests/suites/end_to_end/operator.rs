//! The command line when not all is well: exit codes, waivers, a missing key.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_tests::deployment::Deployment;
use poolbridge_tests::deployment::operator::{CommandOutput, Operator};
use serde_json::{Value, json};

use super::{drain, request, run_case};

/// Longer than any of these commands takes.
const LIMIT: Duration = Duration::from_secs(30);

/// The exit codes that the command line promises.
pub(super) const DONE: i32 = 0;
pub(super) const FAILED: i32 = 1;
const NOT_YET: i32 = 2;
const USAGE: i32 = 64;

/// Runs a command that must end with that exit code.
pub(super) async fn ends(
    bridge: &Deployment,
    arguments: &[&str],
    code: i32,
) -> anyhow::Result<CommandOutput> {
    let outcome = bridge.operator.run(arguments, LIMIT).await?;
    let CommandOutput { code: found, data, stderr } = &outcome;
    let shown = arguments.join(" ");
    ensure!(*found == Some(code), "`{shown}` ended with {found:?}, not {code}\n{data}{stderr}");
    ensure!(
        code != FAILED || stderr.trim_end().lines().any(|line| line.starts_with("hint:")),
        "`{shown}` failed without a hint: {stderr}"
    );
    Ok(outcome)
}

#[tokio::test]
async fn retry_exit_code_shows_the_result() {
    run_case(async |bridge| {
        let person = request(bridge, "retried-one").await?;
        drain(bridge).await?;
        let who = format!("old:{}", person.old);
        ends(bridge, &["retry", &who, "--yes"], DONE).await?;
        drain(bridge).await?;
        // No terminal is there to ask.
        ends(bridge, &["retry", &who], FAILED).await?;
        let unknown_account = "old:00000000-0000-4000-8000-000000000000";
        ends(bridge, &["retry", "--state", "held", unknown_account], USAGE).await?;
        ends(bridge, &["retry", "--state", "asleep"], USAGE).await?;
        let unknown = "00000000-0000-4000-8000-000000000000";
        ends(bridge, &["retry", unknown, "--yes"], FAILED).await?;
        // Another worker holds the lease. The person is processed, but earlier failures stay
        // recorded.
        let key = person_key(bridge, &person.old).await?;
        hold(bridge, &key, true).await?;
        let busy = ends(bridge, &["retry", &who, "--yes"], NOT_YET).await?;
        ensure!(busy.stderr.contains("run it again in a minute"), "{}", busy.stderr);
        hold(bridge, &key, false).await?;
        ends(bridge, &["retry", &who, "--yes"], DONE).await?;
        drain(bridge).await
    })
    .await;
}

/// The command line with a bridge.toml in which some lines are replaced.
fn with_lines(
    bridge: &Deployment,
    name: &str,
    replace: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Operator> {
    let usual = bridge.function("worker", "capture").configuration.context("no bridge.toml")?;
    let lines = usual.lines().map(|line| replace(line).unwrap_or_else(|| line.to_owned()));
    let path = bridge.stack.folder().join("ministack").join(format!("{name}.toml"));
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).context("writing bridge.toml")?;
    Ok(bridge.operator.with(&[("POOLBRIDGE_CONFIG", &path.display().to_string())]))
}

#[tokio::test]
async fn resume_refuses_a_configuration_that_replaces_a_pool() {
    run_case(async |bridge| {
        bridge.operator.succeed(&["resume", "--yes"]).await?;
        for side in ["old", "new"] {
            let pools = std::cell::Cell::new(0);
            let replaced = |line: &str| {
                let is_pool = line.starts_with("user_pool_id");
                pools.set(pools.get() + u32::from(is_pool));
                let which = if side == "old" { 1 } else { 2 };
                let this = is_pool && pools.get() == which;
                this.then(|| "user_pool_id = \"local_Replaced1\"".to_owned())
            };
            let operator = with_lines(bridge, &format!("replaced-{side}"), replaced)?;
            let refused = operator.run(&["resume", "--yes"], LIMIT).await?;
            ensure!(refused.code == Some(FAILED), "{side}: {:?}: {}", refused.code, refused.stderr);
            let expected =
                format!("bridge.toml names another {side} pool than the active configuration");
            ensure!(refused.stderr.contains(&expected), "{}", refused.stderr);
        }
        // The usual one is still active.
        let status = bridge.operator.ask(&["status"]).await?;
        ensure!(status["configuration"]["same"] == true, "{status}");
        bridge.operator.succeed(&["resume", "--yes"]).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_worker_starts_only_under_a_role_of_the_bridge() {
    run_case(async |bridge| {
        // The pools are not on this machine, so the command must ask who the worker is.
        let elsewhere = |line: &str| {
            let endpoint = line.starts_with("endpoint_url");
            endpoint.then(|| "endpoint_url = \"http://pools.example.com\"".to_owned())
        };
        let operator = with_lines(bridge, "worker-elsewhere", elsewhere)?;
        let refused = operator.run(&["worker"], LIMIT).await?;
        let CommandOutput { code, stderr, .. } = &refused;
        ensure!(*code == Some(FAILED), "it ended with {code:?}: {stderr}");
        ensure!(stderr.contains("the worker does not start"), "{stderr}");
        ensure!(stderr.contains("operator_roles"), "the hint names the setting: {stderr}");
        Ok(())
    })
    .await;
}

/// Runs `retry` for that person or account while no function processes messages. Returns the
/// accounts with a pending change, and those with a message.
async fn retried(bridge: &Deployment, who: &str) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let retry = async { ends(bridge, &["retry", who, "--yes"], DONE).await.map(drop) };
    let messages = bridge.take_messages(retry).await?;
    let mut sent = Vec::new();
    for message in &messages {
        ensure!(message["evidence"] == "hint" && message["password"] == false, "{message}");
        let part = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        sent.push(format!("{}#{}", part("side"), part("sub")));
    }
    sent.sort();
    let pending = bridge.pending().await?.into_iter().collect();
    // The messages were taken off the queue. `drain` sends them again for the pending changes.
    drain(bridge).await?;
    Ok((pending, sent))
}

#[tokio::test]
async fn retry_captures_a_change_of_each_account_on_its_own_side_only() {
    run_case(async |bridge| {
        let person = request(bridge, "retried-two").await?;
        drain(bridge).await?;
        let (old, new) = (format!("old:{}", person.old), format!("new:{}", person.new));
        let both = vec![format!("new#{}", person.new), format!("old#{}", person.old)];
        // A linked person, named by either account, with and without its side.
        for who in [&old, &new, &person.old, &person.new] {
            let (pending, sent) = retried(bridge, who).await?;
            ensure!(pending == both && sent == both, "{who}: {pending:?}, {sent:?}");
        }
        // An account that no person record holds: only its own side.
        let unknown = "unknown-retried-three";
        let email = format!("{unknown}@example.com");
        let attributes = [("email", email.as_str()), ("email_verified", "true")];
        let sub = bridge.old.create(unknown, "Correct-Horse-88", &attributes).await?;
        let one = vec![format!("old#{sub}")];
        let (pending, sent) = retried(bridge, &sub).await?;
        ensure!(pending == one && sent == one, "{pending:?}, {sent:?}");
        let new = bridge.new.account(&email).await?.context("they did not travel")?;
        ensure!(new.sub != sub, "two accounts with one sub");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn captures_without_a_trace_block_drain_until_they_are_waived() {
    run_case(async |bridge| {
        drain(bridge).await?;
        let none = ends(bridge, &["drain", "--waive-lost-captures", "--yes"], DONE).await?;
        ensure!(none.stderr.contains("nothing to waive"), "{}", none.stderr);
        // What capture does if it could neither store a pending change nor send a message.
        let input = json!({
            "TableName": bridge.names.table,
            "Key": {"pk": {"S": "COUNTER#0"}, "sk": {"S": "lost_captures"}},
            "UpdateExpression": "SET #v = :v ADD #count :lost",
            "ExpressionAttributeNames": {"#v": "v", "#count": "count"},
            "ExpressionAttributeValues": {":v": {"N": "1"}, ":lost": {"N": "2"}},
        });
        bridge.services.call("DynamoDB_20120810.UpdateItem", &input).await?;
        ensure!(lost_captures(bridge).await? == 2, "the counter has another value");
        let not_yet = ends(bridge, &["drain", "--timeout", "3s"], NOT_YET).await?;
        ensure!(
            not_yet.data.contains("2 captures stored no pending change and sent no message"),
            "{not_yet:?}"
        );
        // Only the confirmed command waives them. Until then, the counter stays.
        ends(bridge, &["drain", "--waive-lost-captures", "--timeout", "3s"], FAILED).await?;
        ensure!(
            lost_captures(bridge).await? == 2,
            "they were waived without the confirmed command"
        );
        let waived = ["drain", "--waive-lost-captures", "--yes", "--timeout", "30s"];
        ends(bridge, &waived, DONE).await?;
        ensure!(lost_captures(bridge).await? == 0, "they are still counted");
        let items = bridge.services.items(&bridge.names.table).await?;
        let noted =
            |item: &&Value| item["pk"]["S"] == "JOURNAL" && said(item, "waive-lost-captures");
        let noted = items.iter().find(noted).context("no item records who waived it")?;
        ensure!(noted.to_string().contains("\"captures\""), "the number is missing: {noted}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn commands_without_need_for_the_key_do_not_ask_for_it() {
    run_case(async |bridge| {
        let operator = bridge.operator.without("POOLBRIDGE_KEY");
        for arguments in [&["status"][..], &["people", "--state", "held"]] {
            let outcome = operator.run(arguments, LIMIT).await?;
            ensure!(outcome.code == Some(DONE), "{arguments:?}: {outcome:?}");
        }
        let outcome = operator.run(&["retry", "--yes"], LIMIT).await?;
        ensure!(outcome.code == Some(FAILED), "{outcome:?}");
        ensure!(outcome.stderr.contains("POOLBRIDGE_KEY is not set"), "{}", outcome.stderr);
        ensure!(outcome.stderr.contains("hint: "), "{}", outcome.stderr);
        Ok(())
    })
    .await;
}

async fn lost_captures(bridge: &Deployment) -> anyhow::Result<u64> {
    let status = bridge.operator.ask(&["status"]).await?;
    status["lost_captures"]
        .as_u64()
        .with_context(|| format!("status does not count them: {status}"))
}

fn said(item: &Value, word: &str) -> bool {
    item.to_string().contains(&format!("\"{word}\""))
}

/// The key of the person record that an account of the old pool belongs to.
async fn person_key(bridge: &Deployment, sub: &str) -> anyhow::Result<Value> {
    let items = bridge.services.items(&bridge.names.table).await?;
    let person = |item: &&Value| {
        let key = item["pk"]["S"].as_str().unwrap_or_default();
        key.starts_with("PERSON#") && item["accounts"].to_string().contains(sub)
    };
    let item = items.iter().find(person).context("no person record holds that account")?;
    Ok(json!({"pk": item["pk"], "sk": item["sk"]}))
}

/// Gives the lease of that person to another worker, or removes it.
async fn hold(bridge: &Deployment, key: &Value, held: bool) -> anyhow::Result<()> {
    let never = json!({"N": "4102444800000"});
    let lease = json!({"M": {"owner": {"S": "another-worker"}, "until": never, "free_at": never}});
    let mut input = json!({
        "TableName": bridge.names.table,
        "Key": key,
        "UpdateExpression": if held { "SET #lease = :lease" } else { "REMOVE #lease" },
        "ExpressionAttributeNames": {"#lease": "lease"},
    });
    if held {
        input["ExpressionAttributeValues"] = json!({":lease": lease});
    }
    bridge.services.call("DynamoDB_20120810.UpdateItem", &input).await.map(drop)
}
