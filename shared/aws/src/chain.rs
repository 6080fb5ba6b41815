//! Calls a team's own function beside capture's work, and tells what Cognito would have been told.
//!
//! A pool has one function for each trigger. Where the team has one already, capture stands in its
//! place and calls it with the event's very text; what it answers, or how it fails, is capture's
//! own answer. Exactly one attempt: Cognito repeats a trigger by itself, and two repeaters in a row
//! would call the function more often than it would have been called without us.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_lambda as lambda;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::fault::fault;

const OPERATION: &str = "Invoke";

/// An error that a function ends with, as Lambda tells it: Cognito shows `error_message` to whoever
/// is waiting ("... failed with error ..."). It is the team's text and may hold anything, so
/// it never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// Such as `Error`, or `Sandbox.Timedout`.
    pub error_type: String,
    /// What people are shown.
    pub error_message: String,
}

impl fmt::Debug for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FunctionError(…)")
    }
}

impl FunctionError {
    /// What Cognito says when it could not call a trigger's function (its page "Managing error
    /// responses": an `UnexpectedLambdaException`). Through us it can only be told as the error of
    /// a function.
    pub fn not_invoked(fault: &Fault) -> Self {
        let code = fault.code.as_deref().unwrap_or(fault.kind.name());
        Self::unexpected(&format!("invocation failed due to error {code}"))
    }

    /// A trouble of ours that must not pass for the function's consent.
    pub fn unexpected(message: &str) -> Self {
        Self {
            error_type: "UnexpectedLambdaException".to_owned(),
            error_message: message.to_owned(),
        }
    }
}

/// What a function that was called answered.
pub type Answer = Result<Box<RawValue>, FunctionError>;

/// Calls functions, each in its own Region. Clients are made at the start, where nobody waits for
/// their certificates to be read.
pub struct Chain {
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
/// runtimes"). A function that was killed has a message alone in some runtimes.
#[derive(Deserialize)]
struct Reported {
    #[serde(rename = "errorType")]
    kind: Option<String>,
    #[serde(rename = "errorMessage")]
    message: Option<String>,
}

impl Chain {
    /// For the functions of those ARNs. Calls nobody yet.
    pub fn new<'a>(sdk: &SdkConfig, functions: impl IntoIterator<Item = &'a str>) -> Self {
        let sdk = once(sdk);
        let regions: BTreeSet<&str> = functions.into_iter().filter_map(region_of).collect();
        let made = |region: &str| (region.to_owned(), client(&sdk, region));
        let clients = regions.into_iter().map(made).collect();
        Self { sdk, clients }
    }

    /// Calls the function of that ARN with the very event, and waits for it as long as `patience`.
    /// `Err`: it could not be called, or did not answer in that time.
    pub async fn call(&self, arn: &str, event: &str, patience: Duration) -> Result<Answer, Fault> {
        let request = self
            .client(arn)
            .invoke()
            .function_name(arn)
            .payload(Blob::new(event.as_bytes()))
            .send();
        let Ok(answer) = timeout(patience, Box::pin(request)).await else {
            return Err(Fault::new(FaultKind::NoAnswer, OPERATION));
        };
        let answer = answer.map_err(|error| fault(OPERATION, &error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(told(answer.function_error.as_deref(), &payload))
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

/// The function that an ARN names, without a version or alias.
pub fn unqualified(arn: &str) -> &str {
    arn.match_indices(':').nth(6).map_or(arn, |(end, _)| &arn[..end])
}

/// One attempt, on a connection of its own. A process that the platform froze may wake up with a
/// connection that is dead and does not know it; the first request on it would fail, and here there
/// is no second.
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

/// What a function's output says, passed on as it is.
fn told(function_error: Option<&str>, payload: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(payload);
    let Some(handled) = function_error else { return Ok(json(&text)) };
    let reported = serde_json::from_str::<Reported>(&text).ok();
    let Reported { kind, message } = reported.unwrap_or(Reported { kind: None, message: None });
    Err(FunctionError {
        error_type: kind.unwrap_or_else(|| handled.to_owned()),
        // An error that says nothing: Cognito shows `Unhandled` or `Handled`.
        error_message: message.unwrap_or_else(|| handled.to_owned()),
    })
}

/// The output as JSON, byte for byte where it is JSON. What is none cannot be a function's answer
/// through this runtime: as a text it is as unusable to Cognito as it was before.
fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests;
