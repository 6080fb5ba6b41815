//! The resources of the contract suite on the local stack: pools, groups, table and queues. Table
//! and queues are those of the synthesised template.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use poolbridge_core::limits;
use serde_json::{Value, json};

use super::resources;
use crate::stack::http::call;
use crate::stack::{Options, PoolSeed, Stack};

/// The synthesised template. It says which table and queue a deployment has.
const TEMPLATE: &str = "../infra/test/template.snapshot.json";

/// A key in plain text. Only a local stack may have one.
const KEY: &str = "hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The stack: the two pools of the cases, and ministack.
pub(super) fn options() -> Options {
    let shaped = |seed: PoolSeed| {
        let mut seed = seed.custom(name_of(resources::MUTABLE));
        seed.custom.insert(name_of(resources::IMMUTABLE).to_owned(), false);
        seed
    };
    Options {
        ministack: true,
        pools: vec![
            shaped(PoolSeed::new(resources::BY_EMAIL, "by-email").by_email()),
            shaped(PoolSeed::new(resources::PLAIN, "plain")),
        ],
        ..Options::default()
    }
}

fn name_of(custom: &'static str) -> &'static str {
    custom.strip_prefix("custom:").unwrap_or(custom)
}

/// Creates groups, table and queues. Returns variables with their places, as a deployment would.
pub(super) async fn create_variables(
    stack: &Stack,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let pools = [resources::BY_EMAIL, resources::PLAIN].into_iter().enumerate();
    for (place, id) in pools.clone() {
        for group in resources::GROUPS {
            let input = json!({"UserPoolId": id, "GroupName": group});
            cognito(&stack.pool_url(place), "CreateGroup", &input).await?;
        }
    }
    let endpoint = stack.ministack_url();
    let resources = deployed()?;
    let mut table = resource(&resources, "AWS::DynamoDB::Table", "by_state")?.clone();
    // A deployment's key and protection, which do not change the table's behaviour.
    for foreign in
        ["SSESpecification", "PointInTimeRecoverySpecification", "TimeToLiveSpecification"]
    {
        table.as_object_mut().context("no table")?.remove(foreign);
    }
    let name = table["TableName"].as_str().context("the table has no name")?.to_owned();
    call(&endpoint, "DynamoDB_20120810.CreateTable", &table).await?;
    let queue = resource(&resources, "AWS::SQS::Queue", "maxReceiveCount")?;
    let receives = queue["RedrivePolicy"]["maxReceiveCount"].clone();
    let correct = receives == json!(limits::RECEIVES_MAX);
    anyhow::ensure!(correct, "the queue's maxReceiveCount {receives} is not limits::RECEIVES_MAX");
    let (dead_letter_url, arn) = create_queue(&endpoint, "dead.fifo", queue, None).await?;
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": receives}).to_string();
    let (queue_url, _) = create_queue(&endpoint, "changes.fifo", queue, Some(redrive)).await?;
    let file = stack.folder().join("bridge.toml");
    std::fs::write(
        &file,
        bridge(&pools.map(|(place, _)| stack.pool_url(place)).collect::<Vec<_>>()),
    )?;
    Ok(BTreeMap::from([
        ("POOLBRIDGE_CONFIG", file.display().to_string()),
        ("POOLBRIDGE_TABLE", name),
        ("POOLBRIDGE_QUEUE_URL", queue_url),
        ("POOLBRIDGE_DEAD_LETTER_URL", dead_letter_url),
        ("POOLBRIDGE_KEY", KEY.to_owned()),
    ]))
}

fn bridge(pool_urls: &[String]) -> String {
    let pool = |side: &str, id: &str, url: &str| {
        format!(
            "[{side}]\nuser_pool_id = \"{id}\"\nclient_id = \"none\"\nendpoint_url = \"{url}\"\n"
        )
    };
    let old = pool("old", resources::BY_EMAIL, &pool_urls[0]);
    let new = pool("new", resources::PLAIN, &pool_urls[1]);
    format!(
        "name = \"contract\"\n{old}{new}[identity]\nmatch = \"email\"\n[policy]\ngroups = true\n"
    )
}

/// The resources of the synthesised template.
fn deployed() -> anyhow::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TEMPLATE);
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let template: Value = serde_json::from_slice(&text)?;
    template.get("Resources").cloned().context("the template has no resources")
}

/// The properties of the one resource of that type that mentions `word`.
fn resource<'a>(resources: &'a Value, kind: &str, word: &str) -> anyhow::Result<&'a Value> {
    let all = resources.as_object().context("resources are no object")?.values();
    let mut matching = all.filter(|one| one["Type"] == kind && one.to_string().contains(word));
    let found = matching.next().with_context(|| format!("the template has no {kind}"))?;
    Ok(&found["Properties"])
}

/// A queue as deployed, except for how long it hides messages. Returns its URL and its ARN.
async fn create_queue(
    endpoint: &str,
    name: &str,
    deployed: &Value,
    redrive: Option<String>,
) -> anyhow::Result<(String, Value)> {
    let mut attributes = serde_json::Map::new();
    for kept in [
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoQueue",
        "FifoThroughputLimit",
        "MessageRetentionPeriod",
        "SqsManagedSseEnabled",
    ] {
        let value = deployed.get(kept).with_context(|| format!("the queue has no {kept}"))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        attributes.insert(kept.to_owned(), json!(text));
    }
    attributes.insert("VisibilityTimeout".to_owned(), json!(resources::HIDDEN_SECONDS.to_string()));
    attributes.extend(redrive.map(|redrive| ("RedrivePolicy".to_owned(), json!(redrive))));
    let input = json!({"QueueName": name, "Attributes": attributes});
    let made = call(endpoint, "AmazonSQS.CreateQueue", &input).await?;
    let url = made["QueueUrl"].as_str().context("no queue was created")?.to_owned();
    let input = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
    let reported = call(endpoint, "AmazonSQS.GetQueueAttributes", &input).await?;
    Ok((url, reported["Attributes"]["QueueArn"].clone()))
}

/// Calls an operation of the user pool that answers at `url`.
pub(super) async fn cognito(url: &str, operation: &str, input: &Value) -> anyhow::Result<Value> {
    call(url, &format!("AWSCognitoIdentityProviderService.{operation}"), input).await
}
