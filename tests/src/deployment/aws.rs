//! The services of the local stack, seen from outside the bridge: the queues, the state table and
//! the functions' logs. Calls do not go through the fault-injecting proxies.

use anyhow::{Context as _, ensure};
use poolbridge_aws::{sqs, wire};
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

use crate::stack::http::{self, ServiceError, call};

/// Maximum pages of one listing; a test run makes one or two.
const PAGES_MAX: usize = 100;

/// The services, by their endpoint.
#[derive(Clone, Debug)]
pub struct Services {
    /// The endpoint of all of them.
    pub url: String,
}

/// The messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received and not deleted yet, or hidden for a while.
    pub in_flight: u64,
}

impl Messages {
    /// Whether the queue holds no message.
    pub const fn none(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }
}

impl Services {
    /// Calls `service.operation`, such as `AmazonSQS.SendMessage`.
    pub async fn call(&self, target: &str, input: &Value) -> anyhow::Result<Value> {
        call(&self.url, target, input).await.with_context(|| target.to_owned())
    }

    /// Sends a message to a FIFO queue unchanged. `nonce` makes its deduplication id unique.
    pub async fn send(
        &self,
        queue_url: &str,
        group: &str,
        nonce: u128,
        body: &str,
    ) -> anyhow::Result<()> {
        let input = json!({"QueueUrl": queue_url, "MessageBody": body, "MessageGroupId": group,
            "MessageDeduplicationId": format!("{nonce:032x}")});
        self.call("AmazonSQS.SendMessage", &input).await.map(drop)
    }

    /// How many messages are in a queue; the local stack's counters are exact.
    pub async fn messages(&self, queue_url: &str) -> anyhow::Result<Messages> {
        let input = json!({"QueueUrl": queue_url, "AttributeNames": ["All"]});
        let answer = self.call("AmazonSQS.GetQueueAttributes", &input).await?;
        let count = |name: &str| -> anyhow::Result<u64> {
            let value = answer["Attributes"][name].as_str().with_context(|| name.to_owned())?;
            Ok(value.parse()?)
        };
        Ok(Messages {
            waiting: count("ApproximateNumberOfMessages")?
                + count("ApproximateNumberOfMessagesDelayed")?,
            in_flight: count("ApproximateNumberOfMessagesNotVisible")?,
        })
    }

    /// Receives and deletes up to ten messages. Returns each with all that SQS says about it.
    pub async fn take(&self, queue_url: &str) -> anyhow::Result<Vec<Value>> {
        let input = json!({"QueueUrl": queue_url, "MaxNumberOfMessages": 10,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "WaitTimeSeconds": 0});
        let answer = self.call("AmazonSQS.ReceiveMessage", &input).await?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let input = json!({"QueueUrl": queue_url, "ReceiptHandle": message["ReceiptHandle"]});
            self.call("AmazonSQS.DeleteMessage", &input).await?;
        }
        Ok(messages)
    }

    /// Every item of a table, with the type of each attribute.
    pub async fn items(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut input = json!({"TableName": table, "ConsistentRead": true});
        for _ in 0..PAGES_MAX {
            let mut page = self.call("DynamoDB_20120810.Scan", &input).await?;
            items.extend(page["Items"].as_array().cloned().unwrap_or_default());
            let next = page["LastEvaluatedKey"].take();
            if next.is_null() {
                return Ok(items);
            }
            input["ExclusiveStartKey"] = next;
        }
        anyhow::bail!("the table {table} has more than {PAGES_MAX} pages")
    }

    /// Every line of a function's log, oldest first; none if the function never ran.
    pub async fn log(&self, function: &str) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut input = json!({"logGroupName": format!("/aws/lambda/{function}")});
        for _ in 0..PAGES_MAX {
            let mut page = match self.call("Logs_20140328.FilterLogEvents", &input).await {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(lines),
                Err(error) => return Err(error),
            };
            let events = page["events"].as_array().cloned().unwrap_or_default();
            let message = |event: &Value| event["message"].as_str().map(str::to_owned);
            lines.extend(events.iter().filter_map(message));
            let next = page["nextToken"].take();
            if next.is_null() {
                return Ok(lines);
            }
            input["nextToken"] = next;
        }
        anyhow::bail!("the log of {function} has more than {PAGES_MAX} pages")
    }

    /// Calls a function with an event, as a user pool does, and waits for the answer.
    pub async fn invoke(
        &self,
        function: &str,
        event: &[u8],
        limit: Duration,
    ) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        let headers = [("content-type", "application/json")];
        let answer = http::request("POST", &url, &headers, event, limit).await?;
        ensure!(answer.status == 200, "{function} answered with status {}", answer.status);
        Ok(answer.body)
    }

    /// Switches an event source mapping's polling on or off.
    pub async fn poll(&self, mapping: &str, enabled: bool) -> anyhow::Result<()> {
        let path = format!("/2015-03-31/event-source-mappings/{mapping}");
        self.lambda("PUT", &path, &json!({"Enabled": enabled})).await.map(drop)
    }

    /// The event source mapping that feeds a function from that queue.
    pub async fn mapping_of(&self, function: &str, queue_url: &str) -> anyhow::Result<String> {
        let listed = self.lambda("GET", "/2015-03-31/event-source-mappings/", &Value::Null).await?;
        let end = format!(":function:{function}");
        let queue = format!(":{}", queue_url.rsplit('/').next().unwrap_or_default());
        let is = |it: &Value, name: &str, end: &str| {
            it[name].as_str().is_some_and(|arn| arn.ends_with(end))
        };
        let mappings = listed["EventSourceMappings"].as_array().cloned().unwrap_or_default();
        mappings
            .iter()
            .find(|it| is(it, "FunctionArn", &end) && is(it, "EventSourceArn", &queue))
            .and_then(|it| it["UUID"].as_str().map(str::to_owned))
            .with_context(|| format!("nothing feeds {function}"))
    }

    /// One call of Lambda's REST interface.
    pub async fn lambda(&self, method: &str, path: &str, input: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.url);
        let body = if input.is_null() { Vec::new() } else { serde_json::to_vec(input)? };
        let headers = [("content-type", "application/json")];
        let answer = http::request(method, &url, &headers, &body, Duration::from_secs(30)).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {text}", answer.status);
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Puts an object into a bucket. Creates the bucket if it is missing.
    pub async fn put_object(&self, bucket: &str, key: &str, body: &[u8]) -> anyhow::Result<()> {
        let limit = Duration::from_secs(30);
        let bucket = format!("{}/{bucket}", self.url);
        // An existing bucket is fine.
        http::request("PUT", &bucket, &[], &[], limit).await?;
        let answer = http::request("PUT", &format!("{bucket}/{key}"), &[], body, limit).await?;
        ensure!(answer.status == 200, "storing {key}: status {}", answer.status);
        Ok(())
    }
}

/// The change event that the trail or the sweep captures for an edit made just now.
pub fn changed(side: Side, sub: &str) -> anyhow::Result<ChangeEvent> {
    Ok(ChangeEvent {
        side,
        sub: Sub::try_from(sub)?,
        at: now(),
        evidence: Evidence::Changed,
        password: false,
        administrator: false,
        claimed: false,
        id: nonce(),
    })
}

/// The message of a change: its group, and its body.
pub fn message(change: &ChangeEvent) -> (String, String) {
    (sqs::group(change.side, &change.sub), wire::encode(change))
}

/// The current time by this machine's clock: the local stack has no other.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A number that no other call gets, in this process or in any other.
pub fn nonce() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = u128::try_from(now().0).unwrap_or_default();
    (time << 80) | (u128::from(std::process::id()) << 48) | u128::from(count)
}

fn is_missing(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<ServiceError>();
    refusal.is_some_and(|refusal| refusal.code == "ResourceNotFoundException")
}
