//! Creates the same resources as the CDK app by direct calls, and more functions for single tests.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::archive::pack;
use super::aws::Services;
use super::programs::Programs;
use super::{APPLY, CAPTURE, NAME, Names, SWEEP, TRAIL};

/// Only a local stack may hold the key itself.
const KEY: &str = "hex:7f3c9a1be24d5586c0fe8812345678909f8e7d6c5b4a39281706f5e4d3c2b1a0";

const BUCKET: &str = "code";

/// The role of every function: this stack has no other roles.
const OWN_ROLE: &str = "arn:aws:iam::000000000000:role/any";

/// A function to be deployed.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// `capture`, `trail`, `apply` or `sweep`.
    pub program: &'static str,
    /// The timeout in seconds.
    pub timeout: u32,
    /// The file `bridge.toml` in its package; `None` for a package without one.
    pub configuration: Option<String>,
    /// Its variables.
    pub environment: Value,
}

pub(super) async fn deploy(
    services: &Services,
    programs: &Programs,
    configuration: &str,
) -> anyhow::Result<Names> {
    let names = create_resources(services).await?;
    let function = |name: &str, program, timeout| Function {
        name: name.to_owned(),
        program,
        timeout,
        configuration: Some(configuration.to_owned()),
        environment: environment(&names),
    };
    create(services, programs, &function(CAPTURE, "capture", 10)).await?;
    create(services, programs, &function(TRAIL, "trail", 30)).await?;
    create(services, programs, &function(SWEEP, "sweep", 60)).await?;
    create(services, programs, &function(APPLY, "apply", 30)).await?;
    for queue in [NAME.to_owned(), format!("{NAME}-bulk")] {
        let mapping = json!({
            "FunctionName": APPLY, "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{queue}.fifo"),
        });
        services.lambda("POST", "/2015-03-31/event-source-mappings/", &mapping).await?;
    }
    Ok(names)
}

/// The variables that every function has.
pub(super) fn environment(names: &Names) -> Value {
    json!({
        "POOLBRIDGE_CONFIG": "bridge.toml",
        "POOLBRIDGE_TABLE": names.table,
        "POOLBRIDGE_QUEUE_URL": names.queue_url,
        "POOLBRIDGE_BULK_QUEUE_URL": names.bulk_queue_url,
        "POOLBRIDGE_CAPTURE_OLD": names.captures[0],
        "POOLBRIDGE_CAPTURE_NEW": names.captures[1],
        "POOLBRIDGE_OWN_ROLES": OWN_ROLE,
        "POOLBRIDGE_DEAD_LETTER_URL": names.dead_letter_url,
        "POOLBRIDGE_KEY": names.key,
    })
}

/// The table with its index, and the queue with its dead-letter queue.
async fn create_resources(services: &Services) -> anyhow::Result<Names> {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let table = json!({
        "TableName": NAME,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "S"),
            attribute("state_shard", "S"), attribute("updated_at", "N")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by_state",
            "KeySchema": [key("state_shard", "HASH"), key("updated_at", "RANGE")],
            "Projection":
                {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["state", "accounts"]},
        }],
    });
    services.call("DynamoDB_20120810.CreateTable", &table).await?;
    let dead_letter_url = queue(services, &format!("{NAME}-dead-letter"), json!({})).await?;
    let dead_letter_arn = format!("arn:aws:sqs:us-east-1:000000000000:{NAME}-dead-letter.fifo");
    let redrive = json!({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": 12});
    let more = json!({"RedrivePolicy": redrive.to_string(), "VisibilityTimeout": "180"});
    let queue_url = queue(services, NAME, more.clone()).await?;
    let bulk_queue_url = queue(services, &format!("{NAME}-bulk"), more).await?;
    let capture = format!("arn:aws:lambda:us-east-1:000000000000:function:{CAPTURE}");
    Ok(Names {
        table: NAME.to_owned(),
        queue_url,
        bulk_queue_url,
        captures: [capture.clone(), capture],
        dead_letter_url,
        key: KEY.to_owned(),
    })
}

/// Creates a high-throughput FIFO queue and returns its URL.
pub(super) async fn queue(services: &Services, name: &str, more: Value) -> anyhow::Result<String> {
    let mut attributes = json!({
        "FifoQueue": "true", "ContentBasedDeduplication": "false",
        "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
        "MessageRetentionPeriod": "1209600",
    });
    if let (Some(attributes), Value::Object(more)) = (attributes.as_object_mut(), more) {
        attributes.extend(more);
    }
    let input = json!({"QueueName": format!("{name}.fifo"), "Attributes": attributes});
    let answer = services.call("AmazonSQS.CreateQueue", &input).await?;
    answer["QueueUrl"].as_str().map(str::to_owned).context("a queue without an address")
}

/// Packs and creates a function.
pub(super) async fn create(
    services: &Services,
    programs: &Programs,
    function: &Function,
) -> anyhow::Result<()> {
    let program = programs.functions().into_iter().find(|(name, _)| *name == function.program);
    let (_, program) = program.with_context(|| format!("no program {}", function.program))?;
    let program = fs::read(program).with_context(|| program.display().to_string())?;
    let mut files = vec![("bootstrap", program.as_slice())];
    files.extend(function.configuration.iter().map(|text| ("bridge.toml", text.as_bytes())));
    let key = format!("{}.zip", function.name);
    services.put_object(BUCKET, &key, &pack(&files)).await?;
    let input = json!({
        "FunctionName": function.name, "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": OWN_ROLE, "Timeout": function.timeout,
        "MemorySize": 256, "Environment": {"Variables": function.environment},
        "Code": {"S3Bucket": BUCKET, "S3Key": key},
    });
    services.lambda("POST", "/2015-03-31/functions", &input).await.map(drop)
}
