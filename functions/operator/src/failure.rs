//! An error as an operator sees it: what failed, and what to do about it.

use poolbridge_aws::bridge::StartupError;
use poolbridge_config::ConfigErrors;
use poolbridge_core::error::{ErrorKind, PortError};
use thiserror::Error;

/// Something failed in a way that an operator can do something about.
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

/// What can be done about an error of any kind.
pub(crate) fn hint(error: &anyhow::Error) -> String {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.hint.clone();
        }
        if let Some(error) = cause.downcast_ref::<PortError>() {
            return of_error(error).to_owned();
        }
        if let Some(error) = cause.downcast_ref::<StartupError>() {
            return match error {
                StartupError::PoolSchema { error, .. } => of_error(error).to_owned(),
                StartupError::Secret(_) | StartupError::OutOfTime => error.hint().to_owned(),
            };
        }
        if cause.downcast_ref::<ConfigErrors>().is_some() {
            return "correct every line above, then run it again".to_owned();
        }
    }
    "run it again with POOLBRIDGE_LOG=poolbridge=debug and look at what comes before".to_owned()
}

const fn of_error(error: &PortError) -> &'static str {
    match error.kind {
        ErrorKind::Throttled | ErrorKind::Broken => "wait a moment, then run it again",
        ErrorKind::NoAnswer | ErrorKind::NotSent => {
            "check AWS_REGION, credentials, AWS_ENDPOINT_URL and the network, then run it again"
        }
        ErrorKind::WritesPaused => {
            "the pool takes no writes: wait until its point-in-time recovery has ended"
        }
        ErrorKind::Denied => "grant this operation to the identity that you are signed in as",
        ErrorKind::Missing => {
            "check AWS_REGION, POOLBRIDGE_TABLE, POOLBRIDGE_QUEUE_URL and the pools' ids"
        }
        ErrorKind::Lost | ErrorKind::Exists => "another process changed it meanwhile: run it again",
        ErrorKind::Newer => "upgrade this poolbridge to the version that is deployed",
        ErrorKind::Unreadable => "compare the version deployed with this one; report the code",
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
        let error = anyhow::Error::from(error).context("reading the marks");
        assert!(hint(&error).starts_with("grant this operation"));
        let failure = anyhow::Error::from(Failure::new("no such person", "look again"));
        assert_eq!(hint(&failure), "look again");
        assert!(!hint(&anyhow::anyhow!("anything")).is_empty());
    }
}
