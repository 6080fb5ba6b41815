//! Clients: one HTTP client, one chain of credentials, one set of bounds for all of them.
//!
//! Reads may be tried again by the SDK. A write to a pool has no condition that would protect it,
//! so it has one attempt for each call: a second one's "throttled" or "exists already" would hide
//! that the first one's answer was merely lost. [`Departure`] keeps it from leaving too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_cognitoidentityprovider as cognito;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use poolbridge_core::limits;
use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;
use thiserror::Error;

use crate::clock::SystemClock;

/// Waits of the SDK between two attempts begin here. Its own default, a second, would use up the
/// time of the whole call.
const FIRST_BACK_OFF: Duration = Duration::from_millis(200);

/// The name by which another account's trail knows our sessions.
pub(crate) const SESSION_NAME: &str = "poolbridge";

/// How to reach one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// The pool, such as `eu-west-1_AbCdEfGhI`.
    pub user_pool_id: String,
    /// The Region; without it, the part of the pool's id before `_`.
    pub region: Option<String>,
    /// A role to take on, when the pool is in another account.
    pub role_arn: Option<String>,
    /// Where the pool is reached instead of AWS: a local stack.
    pub endpoint_url: Option<String>,
    /// The app client that is ours alone, for proofs of passwords.
    pub client_id: Option<String>,
}

impl PoolSettings {
    /// The pool's Region, as far as it is told.
    pub fn region(&self) -> Option<&str> {
        let told = || self.user_pool_id.split_once('_').map(|(region, _)| region);
        self.region.as_deref().or_else(told).filter(|region| !region.is_empty())
    }
}

/// What all clients share: Region, credentials, HTTP client, retries and time limits, all from the
/// variables and files that every AWS SDK reads. Credentials come from the environment, a profile,
/// a web identity, a container's or a machine's role.
///
/// Requests are signed with the corrected time of `clock`: AWS takes a signature for five minutes, and a
/// write that a suspended process sends later than that does nothing (R7). Signed by a clock that is
/// fast, it would.
///
/// Interceptors do not travel with an `SdkConfig`: give each client `clock.reader()` as well.
pub async fn sdk_config(clock: &Arc<SystemClock>) -> SdkConfig {
    signed_by(clock, bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))).load().await
}

/// Signs by the corrected time of that clock.
fn signed_by(clock: &Arc<SystemClock>, config: ConfigLoader) -> ConfigLoader {
    config.time_source(clock.signing_time())
}

/// The bounds and the HTTP client, whatever else is configured.
pub(crate) fn bounded(config: ConfigLoader) -> ConfigLoader {
    let secure = Provider::Rustls(CryptoMode::Ring);
    // It speaks plain HTTP as well, where an endpoint's address says so.
    let http = aws_smithy_http_client::Builder::new().tls_provider(secure).build_https();
    config
        .http_client(http)
        .retry_config(retries())
        .timeout_config(timeouts(limits::ATTEMPT_TIME_MAX, limits::CALL_TIME_MAX))
        // Our answers are small and bounded in time as a whole: watching their speed adds nothing.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// The time limits of a call that is asked to wait, such as a long poll of the queue: the SDK's
/// limits would cut it off. For `config_override` of that one operation.
pub fn waiting(wait: Duration) -> TimeoutConfig {
    let attempt = wait + limits::ATTEMPT_TIME_MAX;
    timeouts(attempt, wait + limits::CALL_TIME_MAX)
}

fn timeouts(attempt: Duration, call: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(limits::CONNECT_TIME_MAX)
        .operation_attempt_timeout(attempt)
        .operation_timeout(call)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(limits::ATTEMPTS_MAX)
        .with_initial_backoff(FIRST_BACK_OFF)
}

/// A client for one pool: in its Region, under its role, at its endpoint.
pub async fn pool_client(
    base: &SdkConfig,
    settings: &PoolSettings,
    clock: &Arc<SystemClock>,
) -> cognito::Client {
    let region = settings.region().map(|region| Region::new(region.to_owned()));
    let mut config = cognito::config::Builder::from(base).interceptor(clock.reader());
    if let Some(region) = region.clone() {
        config = config.region(region);
    }
    if let Some(role_arn) = &settings.role_arn {
        config = config.credentials_provider(assumed_role(base, role_arn, region).await);
    }
    if let Some(endpoint_url) = &settings.endpoint_url {
        config = config.endpoint_url(endpoint_url);
    }
    cognito::Client::from_conf(config.build())
}

/// Credentials of `role_arn`, asked for with the base credentials in the pool's Region, so that a
/// pool does not depend on the token service of another Region.
async fn assumed_role(
    base: &SdkConfig,
    role_arn: &str,
    region: Option<Region>,
) -> aws_config::sts::AssumeRoleProvider {
    let mut role = aws_config::sts::AssumeRoleProvider::builder(role_arn)
        .configure(base)
        .session_name(SESSION_NAME);
    if let Some(region) = region {
        role = role.region(region);
    }
    role.build().await
}

/// Lets one attempt go while there is time, and remembers whether it went.
///
/// Asked at the last moment before the request is handed to the connection: the process may have
/// been suspended since the lease was looked at (R7). The wait for an answer ends at the deadline
/// too, so that a connection that comes about late carries nothing.
#[derive(Clone, Debug)]
pub struct Departure {
    deadline: Time,
    clock: Arc<SystemClock>,
    left: Arc<AtomicBool>,
}

/// The moment had passed before the request was sent.
#[derive(Debug, Error)]
#[error("the deadline passed before the request was sent")]
struct TooLate;

impl Departure {
    /// A departure for one call that must not be sent after `deadline`.
    pub fn before(deadline: Time, clock: &Arc<SystemClock>) -> Self {
        Self { deadline, clock: Arc::clone(clock), left: Arc::default() }
    }

    /// Whether the request was handed to the connection. If not, it certainly did nothing.
    pub fn left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// How long the call may still take; nothing once it is too late.
    pub fn time_left(&self) -> Duration {
        self.deadline.since(self.clock.now()).min(limits::CALL_TIME_MAX)
    }

    /// One attempt, cut off at the deadline.
    pub fn overrides(&self) -> cognito::config::Builder {
        let time = self.time_left();
        cognito::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(timeouts(time, time))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "Departure"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.clock.now() >= self.deadline {
            return Err(TooLate.into());
        }
        self.left.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(user_pool_id: &str, region: Option<&str>) -> PoolSettings {
        PoolSettings {
            user_pool_id: user_pool_id.to_owned(),
            region: region.map(str::to_owned),
            role_arn: None,
            endpoint_url: None,
            client_id: None,
        }
    }

    #[test]
    fn the_region_is_told_or_read_from_the_pool_id() {
        assert_eq!(settings("eu-west-1_A", None).region(), Some("eu-west-1"));
        assert_eq!(settings("eu-west-1_A", Some("eu-west-3")).region(), Some("eu-west-3"));
        assert_eq!(settings("nonsense", None).region(), None);
        assert_eq!(settings("_A", None).region(), None);
    }

    #[tokio::test]
    async fn requests_are_signed_by_the_corrected_clock() {
        let clock = SystemClock::new();
        let (now, ahead) = (clock.now(), Duration::from_mins(10));
        clock.learn(now, now, now + ahead);
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).empty_test_environment();
        let config = signed_by(&clock, config.region(Region::new("us-east-1"))).load().await;
        let signed = config.time_source().unwrap().now();
        assert!(signed >= std::time::UNIX_EPOCH + now.since(Time::ZERO) + ahead);
    }

    #[test]
    fn no_call_takes_longer_than_its_deadline_or_the_bound() {
        let clock = SystemClock::new();
        let now = clock.now();
        let soon = Departure::before(now + Duration::from_secs(1), &clock);
        assert!(soon.time_left() <= Duration::from_secs(1));
        let late = Departure::before(now + Duration::from_mins(1), &clock);
        assert_eq!(late.time_left(), limits::CALL_TIME_MAX);
        let over = Departure::before(now - Duration::from_secs(1), &clock);
        assert_eq!(over.time_left(), Duration::ZERO);
    }
}
