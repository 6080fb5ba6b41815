//! Port errors: failed calls to a service. Each answers `retry()` and `may_have_happened()`.

use std::fmt;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::limits;
use crate::variants::named;

/// What kind of failure it was. The kinds follow what the caller does, not AWS names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ErrorKind {
    /// The service throttled the call and did nothing.
    Throttled,
    /// The pool takes no writes at present, and did nothing: a point-in-time recovery of it is
    /// being prepared or runs (24 hours at most), or the pool is a replica.
    WritesPaused,
    /// No answer came: the request may or may not have been carried out.
    NoAnswer,
    /// The request was never sent: there was no connection, or its deadline had passed before.
    NotSent,
    /// The service failed on its side: the request may or may not have been carried out.
    Broken,
    /// poolbridge lacks the permission.
    Denied,
    /// The service rejects the values of this request.
    Invalid,
    /// The account does not exist.
    AccountGone,
    /// Something else that the call names does not exist: a group, a pool, the table.
    Missing,
    /// An account of that name, or with that alias, exists already.
    Exists,
    /// A condition of the write did not hold: the lease is lost, or another worker was first.
    Lost,
    /// The item was written by a newer version of poolbridge.
    Newer,
    /// The item or the answer cannot be decoded.
    Unreadable,
}

named!(
    ErrorKind,
    ALL: "Every kind.",
    name: "Its code in logs, pending changes and metrics."
);

/// Whether a retry can help, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once: only the moment was wrong.
    Now,
    /// After this time.
    Later(Duration),
    /// Not in this form: a person, or a newer version, must act first.
    Never,
}

/// One failure of one call to a service. It holds codes only, never the service's message text,
/// because Cognito quotes attribute values in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub struct PortError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// The call that failed, under its AWS name.
    pub operation: &'static str,
    /// The service's error code, if it gave one.
    pub code: Option<String>,
}

impl fmt::Display for PortError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed: {}", self.operation, self.kind.name())?;
        self.code.as_ref().map_or(Ok(()), |code| write!(formatter, " ({code})"))
    }
}

impl PortError {
    /// A port error of `operation` without a code.
    pub const fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, code: None }
    }

    /// Whether a retry can help.
    pub const fn retry(&self) -> Retry {
        match self.kind {
            ErrorKind::Lost | ErrorKind::Exists => Retry::Now,
            ErrorKind::Throttled | ErrorKind::NoAnswer | ErrorKind::NotSent | ErrorKind::Broken => {
                Retry::Later(limits::RETRY_SOON)
            }
            // A person has to grant, create or upgrade something, and poolbridge does not learn
            // when that is done. So the pending change stays, and apply retries slowly.
            ErrorKind::WritesPaused
            | ErrorKind::Denied
            | ErrorKind::Missing
            | ErrorKind::Newer
            | ErrorKind::Unreadable => Retry::Later(limits::RETRY_SLOWLY),
            ErrorKind::Invalid | ErrorKind::AccountGone => Retry::Never,
        }
    }

    /// Whether the same call will very likely fail again for this account: a certain rejection that
    /// does not depend on the moment. Its retries end (`limits::SAME_FAILURES_MAX`).
    pub fn is_refusal_of_account(&self) -> bool {
        let certain = match self.kind {
            ErrorKind::Denied
            | ErrorKind::Invalid
            | ErrorKind::AccountGone
            | ErrorKind::Missing
            | ErrorKind::Exists
            | ErrorKind::Unreadable => true,
            ErrorKind::Throttled
            | ErrorKind::WritesPaused
            | ErrorKind::NoAnswer
            | ErrorKind::NotSent
            | ErrorKind::Broken
            | ErrorKind::Lost
            | ErrorKind::Newer => false,
        };
        // Other operations describe the whole pool or use the table. Their failures affect every
        // person, so they are no reason to hold one person.
        certain && (self.operation.starts_with("Admin") || self.operation == "ListUsers")
    }

    /// Whether the service may have carried out the call although it failed (`RecordOnlyDone`).
    pub const fn may_have_happened(&self) -> bool {
        match self.kind {
            ErrorKind::NoAnswer | ErrorKind::Broken => true,
            ErrorKind::Throttled
            | ErrorKind::WritesPaused
            | ErrorKind::NotSent
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_an_account_is_certain_and_about_that_account() {
        for kind in ErrorKind::ALL {
            let refusal = PortError::new(kind, "AdminGetUser").is_refusal_of_account();
            assert!(
                !refusal || !PortError::new(kind, "AdminGetUser").may_have_happened(),
                "{kind:?}"
            );
            assert!(!PortError::new(kind, "DescribeUserPool").is_refusal_of_account(), "{kind:?}");
            assert!(!PortError::new(kind, "GetItem").is_refusal_of_account(), "{kind:?}");
        }
        assert!(PortError::new(ErrorKind::AccountGone, "AdminCreateUser").is_refusal_of_account());
        assert!(PortError::new(ErrorKind::Invalid, "ListUsers").is_refusal_of_account());
        assert!(!PortError::new(ErrorKind::Throttled, "AdminCreateUser").is_refusal_of_account());
    }
}
