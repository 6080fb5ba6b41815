//! Sends calls: reads with the SDK's retries, writes one attempt at a time.

use std::future::Future;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;

use super::CognitoPool;
use crate::client::SendGuard;
use crate::error::port_error;

/// The SDK's result.
pub(super) type CallResult<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// The wait before the first retry of a write that certainly did nothing. It doubles each time.
const FIRST_BACK_OFF: Duration = Duration::from_millis(150);

/// Sends a request once, unless the deadline has passed.
macro_rules! send {
    ($request:expr, $departure:ident) => {
        $request.customize().config_override($departure.overrides()).interceptor($departure).send()
    };
}
pub(super) use send;

impl CognitoPool {
    /// One read. The result of the SDK's last attempt counts; earlier failed attempts do not matter
    /// to a read.
    pub(super) async fn read_once<T, E: ProvideErrorMetadata>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = CallResult<T, E>>,
    ) -> Result<T, PortError> {
        let result = answer.await.map_err(|error| port_error(operation, &error));
        self.throttle.note(result.as_ref().err(), self.clock.now());
        result
    }

    /// One write, sent at most once and not after `deadline`.
    pub(super) async fn write_once<T, E, F>(
        &self,
        operation: &'static str,
        deadline: Time,
        send: impl FnOnce(SendGuard) -> F,
    ) -> Result<T, PortError>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = CallResult<T, E>>,
    {
        let departure = SendGuard::before(deadline, &self.clock);
        if departure.time_left().is_zero() {
            return Err(PortError::new(ErrorKind::NotSent, operation));
        }
        let result = send(departure.clone()).await.map_err(|error| {
            let error = port_error(operation, &error);
            if departure.left() { error } else { unsent(error) }
        });
        self.throttle.note(result.as_ref().err(), self.clock.now());
        result
    }

    /// One write. It is sent again only if the attempt certainly did nothing and the cause is
    /// temporary. So the last answer holds for all attempts.
    pub(super) async fn write_patiently<T, E, F>(
        &self,
        operation: &'static str,
        deadline: Time,
        send: impl Fn(SendGuard) -> F,
    ) -> Result<T, PortError>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = CallResult<T, E>>,
    {
        let deadline = deadline.min(self.clock.now() + limits::CALL_TIME_MAX);
        let mut pause = FIRST_BACK_OFF;
        for _ in 1..limits::ATTEMPTS_MAX {
            match self.write_once(operation, deadline, &send).await {
                Err(error) if unlucky(&error) && self.clock.now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
        self.write_once(operation, deadline, &send).await
    }
}

/// Marks a port error from before the write was sent: whatever its kind, the write did nothing.
pub(super) fn unsent(error: PortError) -> PortError {
    if error.may_have_happened() { PortError { kind: ErrorKind::NotSent, ..error } } else { error }
}

/// Whether the same write may succeed in a moment. `LimitExceededException` is usually an hourly
/// limit of one account, so it does not count.
fn unlucky(error: &PortError) -> bool {
    match error.kind {
        ErrorKind::Throttled => error.code.as_deref() != Some("LimitExceededException"),
        ErrorKind::NotSent => true,
        ErrorKind::WritesPaused
        | ErrorKind::NoAnswer
        | ErrorKind::Broken
        | ErrorKind::Denied
        | ErrorKind::Invalid
        | ErrorKind::AccountGone
        | ErrorKind::Missing
        | ErrorKind::Exists
        | ErrorKind::Lost
        | ErrorKind::Newer
        | ErrorKind::Unreadable => false,
    }
}
