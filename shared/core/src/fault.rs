//! What went wrong outside. Every fault answers two questions: `retry()` and `may_have_happened()`.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::limits;

/// What kind of thing went wrong. The kinds are what the flow acts upon, not what AWS calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The service asked us to slow down and did nothing.
    Throttled,
    /// The pool takes no writes for now, and did nothing: while a point-in-time recovery of it is
    /// prepared or runs (24 hours at most), or because it is a replica.
    WritesPaused,
    /// No answer: the request may or may not have been carried out.
    NoAnswer,
    /// The request never left: no connection, or its deadline had passed before it was sent.
    NotSent,
    /// The service failed on its side: it may or may not have been carried out.
    Broken,
    /// We are not allowed to do that.
    Denied,
    /// The service refuses these very values.
    Invalid,
    /// The account is not there.
    AccountGone,
    /// Something else that the call names is not there: a group, a pool, the table.
    Missing,
    /// An account of that name, or with that alias, exists already.
    Exists,
    /// A condition of ours did not hold: the lease is lost or somebody was first.
    Lost,
    /// The item was written by a newer version of poolbridge.
    Newer,
    /// The item or the answer cannot be understood.
    Unreadable,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Throttled,
        Self::WritesPaused,
        Self::NoAnswer,
        Self::NotSent,
        Self::Broken,
        Self::Denied,
        Self::Invalid,
        Self::AccountGone,
        Self::Missing,
        Self::Exists,
        Self::Lost,
        Self::Newer,
        Self::Unreadable,
    ];

    /// A code for logs, marks and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::WritesPaused => "writes-paused",
            Self::NoAnswer => "no-answer",
            Self::NotSent => "not-sent",
            Self::Broken => "broken",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::AccountGone => "account-gone",
            Self::Missing => "missing",
            Self::Exists => "exists",
            Self::Lost => "lost",
            Self::Newer => "newer",
            Self::Unreadable => "unreadable",
        }
    }

    /// The kind of that code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether trying again can help, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once: only the moment was unlucky.
    Now,
    /// After a while.
    Later(Duration),
    /// Not as it stands: a person, or a newer version, has to do something first.
    Never,
}

/// One failure of one call to the outside. Holds codes only, never a service's message text: Cognito
/// quotes attribute values in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub struct Fault {
    /// What kind of thing went wrong.
    pub kind: FaultKind,
    /// The call that failed, as AWS names it.
    pub operation: &'static str,
    /// The service's error code, where there was one.
    pub code: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed: {}", self.operation, self.kind.name())?;
        self.code.as_ref().map_or(Ok(()), |code| write!(formatter, " ({code})"))
    }
}

impl Fault {
    /// A fault of `operation` without a code.
    pub const fn new(kind: FaultKind, operation: &'static str) -> Self {
        Self { kind, operation, code: None }
    }

    /// Whether trying again can help.
    pub const fn retry(&self) -> Retry {
        match self.kind {
            FaultKind::Lost | FaultKind::Exists => Retry::Now,
            FaultKind::Throttled | FaultKind::NoAnswer | FaultKind::NotSent | FaultKind::Broken => {
                Retry::Later(limits::RETRY_SOON)
            }
            // Somebody has to grant, create or upgrade something. It stays marked and is tried again
            // slowly, because nobody tells us when that is done.
            FaultKind::WritesPaused
            | FaultKind::Denied
            | FaultKind::Missing
            | FaultKind::Newer
            | FaultKind::Unreadable => Retry::Later(limits::RETRY_SLOWLY),
            FaultKind::Invalid | FaultKind::AccountGone => Retry::Never,
        }
    }

    /// Whether the same call will hardly end otherwise for this account: a certain refusal that is no
    /// matter of the moment. Such a call is not repeated for ever (see `limits::SAME_FAILURES_MAX`).
    pub fn is_refusal_of_account(&self) -> bool {
        let certain = match self.kind {
            FaultKind::Denied
            | FaultKind::Invalid
            | FaultKind::AccountGone
            | FaultKind::Missing
            | FaultKind::Exists
            | FaultKind::Unreadable => true,
            FaultKind::Throttled
            | FaultKind::WritesPaused
            | FaultKind::NoAnswer
            | FaultKind::NotSent
            | FaultKind::Broken
            | FaultKind::Lost
            | FaultKind::Newer => false,
        };
        // Other operations describe the pool as a whole, or are the table's: every person meets
        // their failures, and no person can be held for one.
        certain && (self.operation.starts_with("Admin") || self.operation == "ListUsers")
    }

    /// Whether the deed may have been done all the same (R3).
    pub const fn may_have_happened(&self) -> bool {
        match self.kind {
            FaultKind::NoAnswer | FaultKind::Broken => true,
            FaultKind::Throttled
            | FaultKind::WritesPaused
            | FaultKind::NotSent
            | FaultKind::Denied
            | FaultKind::Invalid
            | FaultKind::AccountGone
            | FaultKind::Missing
            | FaultKind::Exists
            | FaultKind::Lost
            | FaultKind::Newer
            | FaultKind::Unreadable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_code() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn a_refusal_of_an_account_is_certain_and_about_that_account() {
        for kind in FaultKind::ALL {
            let refusal = Fault::new(kind, "AdminGetUser").is_refusal_of_account();
            assert!(!refusal || !Fault::new(kind, "AdminGetUser").may_have_happened(), "{kind:?}");
            assert!(!Fault::new(kind, "DescribeUserPool").is_refusal_of_account(), "{kind:?}");
            assert!(!Fault::new(kind, "GetItem").is_refusal_of_account(), "{kind:?}");
        }
        assert!(Fault::new(FaultKind::AccountGone, "AdminCreateUser").is_refusal_of_account());
        assert!(Fault::new(FaultKind::Invalid, "ListUsers").is_refusal_of_account());
        assert!(!Fault::new(FaultKind::Throttled, "AdminCreateUser").is_refusal_of_account());
    }
}
