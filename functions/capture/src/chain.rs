//! Calls the chained function in addition to capture's own work, and returns what Cognito would
//! have received from it.
//!
//! A pool has one function per trigger. If the team already has one, capture takes its place and
//! calls it with the event's exact text. The chained function's answer or failure is capture's own
//! answer. capture makes exactly one attempt: Cognito itself repeats a trigger, and two layers of
//! retries would call the function more often than Cognito alone would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_lambda as lambda;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use poolbridge_aws::error::port_error;

const OPERATION: &str = "Invoke";

/// An error that a function ends with, as Lambda reports it. Cognito shows `error_message` to the
/// person who is waiting ("... failed with error ..."). It is the team's text and may hold
/// anything, so `Debug` never prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// Such as `Error`, or `Sandbox.Timedout`.
    pub error_type: String,
    /// What Cognito shows to people.
    pub error_message: String,
}

impl fmt::Debug for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FunctionError(…)")
    }
}

impl FunctionError {
    /// What Cognito reports when it cannot call a trigger's function (its page "Managing error
    /// responses": an `UnexpectedLambdaException`). capture can report it only as the error of a
    /// function.
    pub fn not_invoked(error: &PortError) -> Self {
        let code = error.code.as_deref().unwrap_or(error.kind.name());
        Self::unexpected(&format!("invocation failed due to error {code}"))
    }

    /// An error of capture's own, which must not pass for the chained function's consent.
    pub fn unexpected(message: &str) -> Self {
        Self {
            error_type: "UnexpectedLambdaException".to_owned(),
            error_message: message.to_owned(),
        }
    }
}

/// What the called function answered.
pub(crate) type ChainAnswer = Result<Box<RawValue>, FunctionError>;

/// Calls functions, each in its own Region. capture creates the clients at start-up, because
/// loading their certificates takes time and no person waits then.
pub(crate) struct Chain {
    sdk: SdkConfig,
    /// By Region.
    clients: BTreeMap<String, lambda::Client>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chain")
    }
}

/// The error as Lambda's runtime interface writes it ("Using the Lambda runtime API for custom
/// runtimes"). In some runtimes a function that was killed reports a message only.
#[derive(Deserialize)]
struct Reported {
    #[serde(rename = "errorType")]
    kind: Option<String>,
    #[serde(rename = "errorMessage")]
    message: Option<String>,
}

impl Chain {
    /// Creates the clients for the functions with these ARNs. Sends no request.
    pub(crate) fn new<'a>(sdk: &SdkConfig, functions: impl IntoIterator<Item = &'a str>) -> Self {
        let sdk = once(sdk);
        let regions: BTreeSet<&str> = functions.into_iter().filter_map(region_of).collect();
        let made = |region: &str| (region.to_owned(), client(&sdk, region));
        let clients = regions.into_iter().map(made).collect();
        Self { sdk, clients }
    }

    /// Calls the function with this ARN with the exact event, and waits at most `patience`. `Err`:
    /// capture could not call it, or it did not answer in that time.
    pub(crate) async fn call(
        &self,
        arn: &str,
        event: &str,
        patience: Duration,
    ) -> Result<ChainAnswer, PortError> {
        let request = self
            .client(arn)
            .invoke()
            .function_name(arn)
            .payload(Blob::new(event.as_bytes()))
            .send();
        let Ok(answer) = timeout(patience, Box::pin(request)).await else {
            return Err(PortError::new(ErrorKind::NoAnswer, OPERATION));
        };
        let answer = answer.map_err(|error| port_error(OPERATION, &error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(answer_of(answer.function_error.as_deref(), &payload))
    }

    fn client(&self, arn: &str) -> lambda::Client {
        let region = region_of(arn).unwrap_or_default();
        self.clients.get(region).cloned().unwrap_or_else(|| client(&self.sdk, region))
    }
}

fn client(sdk: &SdkConfig, region: &str) -> lambda::Client {
    let mut config = lambda::config::Builder::from(sdk);
    if !region.is_empty() {
        config = config.region(Region::new(region.to_owned()));
    }
    lambda::Client::from_conf(config.build())
}

/// The Region in a function's ARN.
fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// One attempt, on a connection of its own. A process that the platform froze may resume with a
/// dead connection. The first request on it would fail, and there is no second attempt here.
fn once(sdk: &SdkConfig) -> SdkConfig {
    let secure = Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().pool_max_idle_per_host(0);
    let timeouts = TimeoutConfig::builder().connect_timeout(limits::CONNECT_TIME_MAX).build();
    sdk.to_builder()
        .http_client(http.tls_provider(secure).build_https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .build()
}

/// Converts a function's output to an answer, unchanged.
fn answer_of(function_error: Option<&str>, payload: &[u8]) -> ChainAnswer {
    let text = String::from_utf8_lossy(payload);
    let Some(handled) = function_error else { return Ok(json(&text)) };
    let reported = serde_json::from_str::<Reported>(&text).ok();
    let Reported { kind, message } = reported.unwrap_or(Reported { kind: None, message: None });
    Err(FunctionError {
        error_type: kind.unwrap_or_else(|| handled.to_owned()),
        // The error carries no message: Cognito shows `Unhandled` or `Handled`.
        error_message: message.unwrap_or_else(|| handled.to_owned()),
    })
}

/// The output as JSON, byte for byte if it is JSON. This runtime cannot return anything else as an
/// answer, so other output becomes a JSON string. Cognito cannot use that either, as before.
fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests;
