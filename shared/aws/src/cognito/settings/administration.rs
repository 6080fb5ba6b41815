//! How a pool's settings travel: through the SDK's own client, so that credentials, roles, endpoints,
//! time limits and signatures are those of every other call, but as the bodies that came and go.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider as cognito;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use aws_smithy_types::retry::RetryConfig;
use poolbridge_core::fault::{Fault, FaultKind};
use serde_json::{Map, Value};
use thiserror::Error;

use super::member::FACTORS;
use super::refusal::{MFA, leave_factors_out, refused_settings, told};
use super::{Settings, Unsendable};
use crate::fault::fault;

/// How often a write is tried in all. Somebody else's change takes moments; one that goes on and on
/// is a deployment, which is to be waited for.
const ATTEMPTS_MAX: u32 = 4;

/// The first wait between two attempts; doubles each time.
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);

/// Reads and writes the settings of one pool.
#[derive(Clone, Debug)]
pub struct Administration {
    pub(super) client: cognito::Client,
    id: String,
}

/// Why the pool's settings could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRead {
    /// The call failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The answer is not what both operations answer.
    #[error("reading the pool's settings: the answer is not in the form that is known")]
    Form,
}

/// Why the pool's settings could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotWritten {
    /// A call failed.
    #[error(transparent)]
    NotRead(#[from] NotRead),
    /// The service refuses the settings as they were sent, and nothing was changed.
    #[error("{fault}{}", told(.about))]
    Refused {
        /// The refusal.
        fault: Fault,
        /// The settings that it is about, as far as the service says; its own words are not kept.
        about: Vec<String>,
    },
    /// It is not known how to send them.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
}

impl Administration {
    /// The administration of the pool of that id. Nothing is sent yet.
    pub const fn new(client: cognito::Client, id: String) -> Self {
        Self { client, id }
    }

    /// The pool's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All settings as they stand: `DescribeUserPool` and `GetUserPoolMfaConfig`.
    pub async fn read(&self) -> Result<Settings, NotRead> {
        let kept = KeepBody::default();
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| fault("DescribeUserPool", &error))?;
        let pool = kept.body()?;
        let kept = KeepBody::default();
        let request = self.client.get_user_pool_mfa_config().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| fault("GetUserPoolMfaConfig", &error))?;
        Settings::of_answers(&pool, kept.body()?).ok_or(NotRead::Form)
    }

    /// The pool's own settings alone: `DescribeUserPool`, and no other permission.
    pub async fn read_pool(&self) -> Result<Settings, NotRead> {
        let kept = KeepBody::default();
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| fault("DescribeUserPool", &error))?;
        Settings::of_answers(&kept.body()?, Value::Object(Map::new())).ok_or(NotRead::Form)
    }

    /// One `UpdateUserPool` with exactly that body ([`Settings::request`]), sent once.
    async fn write_once(&self, body: &Value) -> Result<(), NotWritten> {
        let sent = body.to_string();
        // The operation's own body, of which nothing but the address of the call is left.
        let request = self.client.update_user_pool().user_pool_id(&self.id);
        let once = cognito::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        let answer = request
            .customize()
            .mutate_request(move |request| replace_body(request, &sent))
            .config_override(once)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            let fault = fault("UpdateUserPool", &error);
            let about = refused_settings(error.meta().message(), fault.code.as_deref(), body);
            NotWritten::Refused { fault, about }
        })
    }

    /// `SetUserPoolMfaConfig` with the factors as they were found.
    async fn write_factors(&self, found: &Settings) -> Result<(), NotWritten> {
        let body = found.factors_request(&self.id).to_string();
        let request = self.client.set_user_pool_mfa_config().user_pool_id(&self.id);
        let answer = request
            .customize()
            .mutate_request(move |request| replace_body(request, &body))
            .send()
            .await;
        let answer = answer.map(drop).map_err(|error| fault("SetUserPoolMfaConfig", &error));
        answer.map_err(|fault| NotRead::from(fault).into())
    }

    /// Sets the pool to `wanted`, as long as it is as `before` still. `UpdateUserPool` has no
    /// condition, so the pool is read immediately before each attempt: whatever somebody else changed
    /// until then is not overwritten but answered as [`Written::Moved`]. An attempt without an answer
    /// is followed by a look, not by a guess.
    pub async fn write(&self, before: &Settings, wanted: &Settings) -> Result<Written, NotWritten> {
        let mut body = wanted.request_from(before, &self.id)?;
        let mut pause = FIRST_BACK_OFF;
        let mut refused = None;
        for _ in 0..ATTEMPTS_MAX {
            let found = self.read().await?;
            if found.differences(wanted).is_empty() {
                return Ok(Written::Stands);
            }
            let moved = found.differences(before);
            if !moved.is_empty() {
                return Ok(Written::Moved(moved));
            }
            match self.write_once(&body).await {
                Ok(()) => return self.prove(before, wanted).await,
                Err(NotWritten::Refused { fault, about }) => {
                    if leave_factors_out(&mut body, before, &fault, &about) {
                        continue;
                    }
                    let again = again(&fault);
                    let error = NotWritten::Refused { fault, about };
                    if !again {
                        return Err(error);
                    }
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        match refused {
            Some(error) if !self.left(wanted).await?.is_empty() => Err(error),
            _ => Ok(Written::Stands),
        }
    }

    /// Reads again until the pool is as wanted, for a moment: that a read sees the write before it is
    /// not promised anywhere.
    async fn prove(&self, before: &Settings, wanted: &Settings) -> Result<Written, NotWritten> {
        let mut pause = FIRST_BACK_OFF;
        let mut left = self.left(wanted).await?;
        // The call that left the unchanged factors out is reported to keep them. Where it did not,
        // they are set back at once.
        let factors = |name: &String| name == MFA || name.starts_with(FACTORS);
        if left.iter().any(factors) && before.requires_factors() && wanted.requires_factors() {
            self.write_factors(before).await?;
            left = self.left(wanted).await?;
        }
        for _ in 1..ATTEMPTS_MAX {
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            left = self.left(wanted).await?;
        }
        Ok(if left.is_empty() { Written::Stands } else { Written::Wrong(left) })
    }

    /// In what the pool is not as wanted.
    async fn left(&self, wanted: &Settings) -> Result<Vec<String>, NotRead> {
        Ok(self.read().await?.differences(wanted))
    }
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The pool was read again and is exactly as wanted.
    Stands,
    /// Nothing was written: these settings were changed by somebody else meanwhile.
    Moved(Vec<String>),
    /// It was written, and these settings are not as wanted.
    Wrong(Vec<String>),
}

/// Whether the same write may succeed in a moment. A user import takes hours, so that
/// `UserImportInProgressException` is not among them.
fn again(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Throttled | FaultKind::NotSent | FaultKind::NoAnswer | FaultKind::Broken => true,
        FaultKind::WritesPaused
        | FaultKind::Denied
        | FaultKind::Invalid
        | FaultKind::AccountGone
        | FaultKind::Missing
        | FaultKind::Exists
        | FaultKind::Lost
        | FaultKind::Newer
        | FaultKind::Unreadable => fault.code.as_deref() == Some("ConcurrentModificationException"),
    }
}

/// Before the request is signed.
pub(super) fn replace_body(request: &mut HttpRequest, body: &str) {
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}

/// Keeps the body of the last answer, whatever its type makes of it.
#[derive(Clone, Default)]
pub(super) struct KeepBody(Arc<Mutex<Option<Vec<u8>>>>);

impl fmt::Debug for KeepBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeepBody")
    }
}

impl KeepBody {
    pub(super) fn body(&self) -> Result<Value, NotRead> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.and_then(|body| serde_json::from_slice(&body).ok()).ok_or(NotRead::Form)
    }
}

#[dyn_dispatch_hint]
impl Intercept for KeepBody {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}
