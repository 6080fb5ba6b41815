//! Clients: all of them share one HTTP client, one credential chain and one set of limits.
//!
//! The SDK may retry reads. A write to a pool has no condition that protects it, so each call makes
//! one attempt. The "throttled" or "exists already" of a second attempt would hide that only the
//! answer of the first was lost. [`SendGuard`] stops an attempt that would be sent too late.

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
use poolbridge_config::{PoolConfig, SESSION_NAME};

/// The SDK's first wait between two attempts. The SDK's own default, 1 s, would use up the time of
/// the whole call.
const FIRST_BACK_OFF: Duration = Duration::from_millis(200);

/// What all clients share: Region, credentials, HTTP client, retries and time limits, from the
/// variables and files that every AWS SDK reads. Credentials come from the environment, a profile,
/// a web identity, or the role of a container or machine.
///
/// The SDK signs requests with the corrected time of `clock`. AWS accepts a signature for five
/// minutes, so a write that a suspended process sends later than that does nothing
/// (`LeaseOutlastsProcess`). A signature by a clock that is fast would be valid for longer.
///
/// An `SdkConfig` does not carry interceptors: give each client `clock.reader()` as well.
pub async fn sdk_config(clock: &Arc<SystemClock>) -> SdkConfig {
    signed_by(clock, bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))).load().await
}

/// Signs requests with the corrected time of `clock`.
fn signed_by(clock: &Arc<SystemClock>, config: ConfigLoader) -> ConfigLoader {
    config.time_source(clock.signing_time())
}

/// Adds the limits and the HTTP client to a configuration.
pub fn bounded(config: ConfigLoader) -> ConfigLoader {
    let secure = Provider::Rustls(CryptoMode::Ring);
    // This client also speaks plain HTTP if an endpoint's URL says so.
    let http = aws_smithy_http_client::Builder::new().tls_provider(secure).build_https();
    config
        .http_client(http)
        .retry_config(retries())
        .timeout_config(timeouts(limits::ATTEMPT_TIME_MAX, limits::CALL_TIME_MAX))
        // Answers are small and the whole call is bounded in time, so a speed check adds nothing.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// The time limits of a call that waits on purpose, such as a long poll of the queue. The default
/// limits would cut it off. Pass them to `config_override` of that one operation.
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

/// A client for one pool: in its Region, with its role, at its endpoint.
pub async fn pool_client(
    base: &SdkConfig,
    settings: &PoolConfig,
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

/// Credentials of `role_arn`. The base credentials request them in the pool's Region, so that a
/// pool does not depend on another Region's token service.
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

/// Allows one attempt while there is time, and remembers whether it was sent.
///
/// The check runs at the last moment before the connection gets the request, because the process
/// may have been suspended since it checked the lease (`LeaseOutlastsProcess`). The wait for an
/// answer ends at the deadline too, so that a connection that opens late carries nothing.
#[derive(Clone, Debug)]
pub struct SendGuard {
    deadline: Time,
    clock: Arc<SystemClock>,
    left: Arc<AtomicBool>,
}

/// The deadline passed before the request was sent.
#[derive(Debug, Error)]
#[error("the deadline passed before the request was sent")]
struct TooLate;

impl SendGuard {
    /// Guards one call that must not be sent after `deadline`.
    pub fn before(deadline: Time, clock: &Arc<SystemClock>) -> Self {
        Self { deadline, clock: Arc::clone(clock), left: Arc::default() }
    }

    /// Whether the connection got the request. If not, the request certainly did nothing.
    pub fn left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// How long the call may still take; zero once the deadline passed.
    pub fn time_left(&self) -> Duration {
        self.deadline.since(self.clock.now()).min(limits::CALL_TIME_MAX)
    }

    /// Allows one attempt, and cuts it off at the deadline.
    pub fn overrides(&self) -> cognito::config::Builder {
        let time = self.time_left();
        cognito::config::Builder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(timeouts(time, time))
    }
}

#[dyn_dispatch_hint]
impl Intercept for SendGuard {
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

    fn settings(user_pool_id: &str, region: Option<&str>) -> PoolConfig {
        PoolConfig {
            user_pool_id: user_pool_id.to_owned(),
            region: region.map(str::to_owned),
            role_arn: None,
            endpoint_url: None,
            client_id: None,
        }
    }

    #[test]
    fn the_region_is_set_or_comes_from_the_pool_id() {
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
        let soon = SendGuard::before(now + Duration::from_secs(1), &clock);
        assert!(soon.time_left() <= Duration::from_secs(1));
        let late = SendGuard::before(now + Duration::from_mins(1), &clock);
        assert_eq!(late.time_left(), limits::CALL_TIME_MAX);
        let over = SendGuard::before(now - Duration::from_secs(1), &clock);
        assert_eq!(over.time_left(), Duration::ZERO);
    }
}
