//! Errors as the command line shows them: what failed, and what to do about it.

use poolbridge_aws::bridge::StartupError;
use poolbridge_config::ConfigErrors;
use poolbridge_core::error::{ErrorKind, PortError};
use thiserror::Error;

/// A failure that an operator can act on.
#[derive(Debug, Error)]
#[error("{what}")]
pub(crate) struct Failure {
    what: String,
    /// What to do about it.
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// The hint for any error.
pub(crate) fn hint(error: &anyhow::Error) -> String {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.hint.clone();
        }
        if let Some(error) = cause.downcast_ref::<PortError>() {
            return port_error_hint(error).to_owned();
        }
        if let Some(error) = cause.downcast_ref::<StartupError>() {
            return match error {
                StartupError::PoolSchema { error, .. } => port_error_hint(error).to_owned(),
                StartupError::Secret(_) | StartupError::OutOfTime => error.hint().to_owned(),
            };
        }
        if cause.downcast_ref::<ConfigErrors>().is_some() {
            return "correct every line above, then run the command again".to_owned();
        }
    }
    "run it again with POOLBRIDGE_LOG=poolbridge=debug and read the last lines".to_owned()
}

const fn port_error_hint(error: &PortError) -> &'static str {
    match error.kind {
        ErrorKind::Throttled | ErrorKind::Broken => "wait a moment, then run it again",
        ErrorKind::NoAnswer | ErrorKind::NotSent => {
            "check AWS_REGION, credentials, AWS_ENDPOINT_URL and the network, then run it again"
        }
        ErrorKind::WritesPaused => {
            "the pool accepts no writes: wait until its point-in-time recovery has ended"
        }
        ErrorKind::Denied => "grant this operation to the identity of your AWS credentials",
        ErrorKind::Missing => {
            "check AWS_REGION, POOLBRIDGE_TABLE, POOLBRIDGE_QUEUE_URL and the pool ids"
        }
        ErrorKind::Lost | ErrorKind::Exists => {
            "another process changed the item meanwhile: run it again"
        }
        ErrorKind::Newer => "upgrade this command line to the deployed version",
        ErrorKind::Unreadable => "compare the deployed version with this one, and report the code",
        ErrorKind::Invalid | ErrorKind::AccountGone => {
            "run it again with POOLBRIDGE_LOG=poolbridge=debug and report the code"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_hint() {
        let error = PortError::new(ErrorKind::Denied, "Query");
        let error = anyhow::Error::from(error).context("reading the pending changes");
        assert!(hint(&error).starts_with("grant this operation"));
        let failure = anyhow::Error::from(Failure::new("no person record", "check the `sub`"));
        assert_eq!(hint(&failure), "check the `sub`");
        assert!(!hint(&anyhow::anyhow!("another error")).is_empty());
    }
}
