//! Events as `CloudTrail` delivers them to `EventBridge`, for calls that really happened: without
//! values and usernames, and without a pool for what people do themselves.

use std::time::Duration;

use serde_json::{Value, json};

use super::TRAIL;
use super::aws::{Services, nonce};
use super::user_pool::UserPool;

/// Longer than a cold start on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// `CloudTrail` writes this in place of a private value.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The caller that `CloudTrail` names for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A person with an access token: the event names no pool.
    Person,
    /// A caller with this role.
    Role(String),
}

impl Author {
    /// The team's own help desk.
    pub fn help_desk() -> Self {
        Self::Role("arn:aws:iam::000000000000:role/HelpDesk".to_owned())
    }

    fn identity(&self) -> Value {
        match self {
            Self::Person => json!({"type": "Unknown", "principalId": "Anonymous"}),
            Self::Role(arn) => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                json!({
                    "type": "AssumedRole",
                    "principalId": "AROAEXAMPLE:session",
                    "arn": format!("arn:aws:sts::000000000000:assumed-role/{name}/session"),
                    "accountId": "000000000000",
                    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": arn}},
                })
            }
        }
    }
}

/// The event of one successful call about an account. `sub` is `None` where `CloudTrail` does not
/// name it.
pub fn event(pool: &UserPool, operation: &str, author: &Author, sub: Option<&str>) -> Value {
    let mut parameters = json!({"username": HIDDEN, "userAttributes": HIDDEN});
    match author {
        Author::Person => parameters = json!({"accessToken": HIDDEN, "userAttributes": HIDDEN}),
        Author::Role(_) => parameters["userPoolId"] = json!(pool.id),
    }
    let now = whole_seconds();
    let id = uuid(nonce());
    json!({
        "version": "0", "id": uuid(nonce()), "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cognito-idp", "account": "000000000000", "time": now,
        "region": "us-east-1", "resources": [],
        "detail": {
            "eventVersion": "1.10", "userIdentity": author.identity(), "eventTime": now,
            "eventSource": "cognito-idp.amazonaws.com", "eventName": operation,
            "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1", "userAgent": "aws-cli",
            "requestParameters": parameters, "responseElements": null,
            "additionalEventData": sub.map_or(Value::Null, |sub| json!({"sub": sub})),
            "requestID": uuid(nonce()), "eventID": id, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true,
            "recipientAccountId": "000000000000", "eventCategory": "Management",
        },
    })
}

impl Services {
    /// Invokes trail with an event as the bus does, after a rule of the bridge matched it. Only AWS
    /// may put events of an AWS service on a bus, on the local stack too.
    pub async fn send_trail_event(&self, event: &Value) -> anyhow::Result<()> {
        let answer = self.invoke(TRAIL, event.to_string().as_bytes(), LIMIT).await?;
        let answer = String::from_utf8_lossy(&answer);
        anyhow::ensure!(!answer.contains("errorMessage"), "trail failed: {answer}");
        Ok(())
    }
}

/// The current time as `CloudTrail` writes it: cut to whole seconds.
fn whole_seconds() -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now).unwrap_or_default().to_string()
}

/// A number in the form of a UUID.
fn uuid(number: u128) -> String {
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
    parts.join("-")
}
