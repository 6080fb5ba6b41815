//! A pool's point-in-time recoveries (`ListPointInTimeRecoveries`). The pinned SDK does not know
//! this operation yet, so poolbridge rewrites a call of another operation.

use serde_json::{Value, json};

use super::administration::{Administration, KeepBody, NotRead, replace_body};
use crate::error::port_error;

const OPERATION: &str = "ListPointInTimeRecoveries";

/// The header that names the operation, and the service's name in it.
const TARGET: (&str, &str) = ("x-amz-target", "AWSCognitoIdentityProviderService");

/// The page size. One recovery may be active at a time, and one may complete in 24 hours.
const RECOVERIES_MAX: u32 = 60;

/// One recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// `RestoreStatus`, the service's own word.
    pub status: String,
}

impl Recovery {
    /// Whether the pool accepts no writes because of this recovery, or the recovery is changing the
    /// pool.
    pub fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "PREVIEW_GENERATING" | "PREVIEW_GENERATED" | "RESTORING")
    }
}

impl Administration {
    /// The pool's recoveries, newest first as the service returns them. Needs the permission
    /// `cognito-idp:ListPointInTimeRecoveries`.
    pub async fn recoveries(&self) -> Result<Vec<Recovery>, NotRead> {
        let body = json!({ "UserPoolId": self.id(), "MaxResults": RECOVERIES_MAX }).to_string();
        let kept = KeepBody::default();
        let request = self.client.describe_user_pool().user_pool_id(self.id());
        let answer = request
            .customize()
            .mutate_request(move |request| {
                let (header, service) = TARGET;
                request.headers_mut().insert(header, format!("{service}.{OPERATION}"));
                replace_body(request, &body);
            })
            .interceptor(kept.clone())
            .send()
            .await;
        answer.map_err(|error| port_error(OPERATION, &error))?;
        Ok(of_answer(&kept.body()?))
    }
}

fn of_answer(body: &Value) -> Vec<Recovery> {
    let listed = body.get("Restorations").and_then(Value::as_array);
    let status = |one: &Value| Some(one.get("RestoreStatus")?.as_str()?.to_owned());
    listed.into_iter().flatten().filter_map(status).map(|status| Recovery { status }).collect()
}
