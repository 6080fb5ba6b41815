//! How poolbridge reads and writes a pool's settings. The calls use the SDK's own client, so they
//! share credentials, roles, endpoints, time limits and signatures with every other call. The
//! settings themselves are the raw bodies of requests and answers.

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
use poolbridge_core::error::{ErrorKind, PortError};
use serde_json::{Map, Value};
use thiserror::Error;

use super::member::FACTORS;
use super::refusal::{MFA, leave_factors_out, named_settings, refused_settings};
use super::{PoolSettings, UnsupportedSetting};
use crate::error::port_error;

/// How many attempts a write makes in all. A concurrent change takes moments. A change that goes on
/// is a deployment, and the caller should wait for its end.
const ATTEMPTS_MAX: u32 = 4;

/// The first wait between two attempts. It doubles each time.
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
    PortError(#[from] PortError),
    /// The answer does not have the form that both operations return.
    #[error("reading the pool's settings: the answer is not in the form that is known")]
    Form,
}

/// Why the pool's settings could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotWritten {
    /// A call failed.
    #[error(transparent)]
    NotRead(#[from] NotRead),
    /// The service refused the settings as they were sent, and changed nothing.
    #[error("{error}{}", named_settings(.about))]
    Refused {
        /// The refusal.
        error: PortError,
        /// The settings that the refusal concerns, as far as the service says. The service's own
        /// text is not kept.
        about: Vec<String>,
    },
    /// poolbridge does not know how to send them.
    #[error(transparent)]
    UnsupportedSetting(#[from] UnsupportedSetting),
}

impl Administration {
    /// The administration of the pool with that id. Sends nothing.
    pub const fn new(client: cognito::Client, id: String) -> Self {
        Self { client, id }
    }

    /// The pool's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads all settings: `DescribeUserPool` and `GetUserPoolMfaConfig`.
    pub async fn read(&self) -> Result<PoolSettings, NotRead> {
        let kept = KeepBody::default();
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| port_error("DescribeUserPool", &error))?;
        let pool = kept.body()?;
        let kept = KeepBody::default();
        let request = self.client.get_user_pool_mfa_config().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| port_error("GetUserPoolMfaConfig", &error))?;
        PoolSettings::of_answers(&pool, kept.body()?).ok_or(NotRead::Form)
    }

    /// Reads the pool's own settings only: `DescribeUserPool`, without a second permission.
    pub async fn read_pool(&self) -> Result<PoolSettings, NotRead> {
        let kept = KeepBody::default();
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = request.customize().interceptor(kept.clone()).send().await;
        answer.map_err(|error| port_error("DescribeUserPool", &error))?;
        PoolSettings::of_answers(&kept.body()?, Value::Object(Map::new())).ok_or(NotRead::Form)
    }

    /// Sends one `UpdateUserPool` with exactly that body ([`PoolSettings::request`]), once.
    async fn write_once(&self, body: &Value) -> Result<(), NotWritten> {
        let sent = body.to_string();
        // The operation's own body, which is replaced; the client only contributes the address of
        // the call.
        let request = self.client.update_user_pool().user_pool_id(&self.id);
        let once = cognito::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        let answer = request
            .customize()
            .mutate_request(move |request| replace_body(request, &sent))
            .config_override(once)
            .send()
            .await;
        answer.map(drop).map_err(|cause| {
            let error = port_error("UpdateUserPool", &cause);
            let about = refused_settings(cause.meta().message(), error.code.as_deref(), body);
            NotWritten::Refused { error, about }
        })
    }

    /// Sends `SetUserPoolMfaConfig` with the factors of `found`.
    async fn write_factors(&self, found: &PoolSettings) -> Result<(), NotWritten> {
        let body = found.factors_request(&self.id).to_string();
        let request = self.client.set_user_pool_mfa_config().user_pool_id(&self.id);
        let answer = request
            .customize()
            .mutate_request(move |request| replace_body(request, &body))
            .send()
            .await;
        let answer = answer.map(drop).map_err(|error| port_error("SetUserPoolMfaConfig", &error));
        answer.map_err(|error| NotRead::from(error).into())
    }

    /// Sets the pool to `wanted`, if it still equals `before`. `UpdateUserPool` has no condition,
    /// so the pool is read immediately before each attempt. If something changed meanwhile, `write`
    /// does not overwrite it and returns [`Written::Moved`]. After an attempt without an answer,
    /// `write` reads the pool again.
    pub async fn write(
        &self,
        before: &PoolSettings,
        wanted: &PoolSettings,
    ) -> Result<Written, NotWritten> {
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
                Err(NotWritten::Refused { error, about }) => {
                    if leave_factors_out(&mut body, before, &error, &about) {
                        continue;
                    }
                    let again = again(&error);
                    let error = NotWritten::Refused { error, about };
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

    /// Reads again for a short time until the pool equals `wanted`. AWS nowhere promises that a
    /// read sees the write before it.
    async fn prove(
        &self,
        before: &PoolSettings,
        wanted: &PoolSettings,
    ) -> Result<Written, NotWritten> {
        let mut pause = FIRST_BACK_OFF;
        let mut left = self.left(wanted).await?;
        // The call that left out the unchanged factors should keep them, reports say. If it did
        // not, they are restored at once.
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

    /// The settings in which the pool differs from `wanted`.
    async fn left(&self, wanted: &PoolSettings) -> Result<Vec<String>, NotRead> {
        Ok(self.read().await?.differences(wanted))
    }
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// A read after the write shows exactly the wanted settings.
    Stands,
    /// Nothing was written, because these settings changed meanwhile.
    Moved(Vec<String>),
    /// The write happened, and these settings differ from the wanted ones.
    Wrong(Vec<String>),
}

/// Whether the same write may succeed in a moment. A user import takes hours, so
/// `UserImportInProgressException` does not count.
fn again(error: &PortError) -> bool {
    match error.kind {
        ErrorKind::Throttled | ErrorKind::NotSent | ErrorKind::NoAnswer | ErrorKind::Broken => true,
        ErrorKind::WritesPaused
        | ErrorKind::Denied
        | ErrorKind::Invalid
        | ErrorKind::AccountGone
        | ErrorKind::Missing
        | ErrorKind::Exists
        | ErrorKind::Lost
        | ErrorKind::Newer
        | ErrorKind::Unreadable => error.code.as_deref() == Some("ConcurrentModificationException"),
    }
}

/// Replaces the body before the request is signed.
pub(super) fn replace_body(request: &mut HttpRequest, body: &str) {
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}

/// Keeps the raw body of the last answer.
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
