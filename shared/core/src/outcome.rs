//! The outcome of one change event.

use std::fmt;
use std::time::Duration;

use strum::{EnumCount, EnumDiscriminants, EnumMessage, FromRepr, IntoStaticStr};

use crate::error::{ErrorKind, PortError};

/// Why something waits, is held or was rejected: a closed list, so that none can carry a value.
///
/// The message of each variant is what a person can do about it ([`Reason::hint`]). A failure of a
/// service has the code and the hint of its kind, so [`Reason::PLAIN`] leaves it out.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumCount,
    EnumDiscriminants,
    EnumMessage,
    FromRepr,
)]
#[strum_discriminants(vis(), name(Code), derive(IntoStaticStr))]
#[strum_discriminants(strum(serialize_all = "kebab-case"))]
#[strum_discriminants(doc = "The reasons without data: strum makes a name of each.")]
pub enum Reason {
    /// Another worker holds the person's lease.
    #[strum(
        message = "wait: another worker processes the person; apply tries again within minutes"
    )]
    Busy,
    /// A read may still be older than the change that it must show (`SettleBeforeClearing`,
    /// `IntentSettlesFirst`, `NotBefore`).
    #[strum(message = "wait: apply reads the account again within minutes")]
    Settling,
    /// The time for this person, or for this invocation, is used up.
    #[strum(message = "wait: apply tries again within minutes")]
    OutOfTime,
    /// Another worker was first too many times in a row.
    #[strum(message = "wait: apply tries again within minutes")]
    Contended,
    /// An operator paused the bridge.
    #[strum(message = "run `poolbridge resume` when the reason for the pause is gone")]
    Paused,
    /// A pool was restored to a point in time, or deleted. An operator decides what follows.
    #[strum(
        message = "wait until the recovery has ended, then `poolbridge resume --after-restore`"
    )]
    Restored,
    /// A restore removed the account, and the operator chose to heal the restored pool.
    #[strum(
        message = "create the account again in the restored pool, or delete the other one by hand"
    )]
    GoneByRestore,
    /// The person was deleted, and a restore brought the account back.
    #[strum(message = "delete the account again by hand, or leave it as it is")]
    BackByRestore,
    /// A switch is announced (`AnnounceThenFlip`).
    #[strum(message = "wait: a switch is under way")]
    Closing,
    /// The phase is `complete`: nothing is written any more.
    #[strum(message = "nothing: the move is complete")]
    Complete,
    /// Another configuration is active.
    #[strum(
        message = "run `poolbridge resume` with the deployed bridge.toml, or deploy the active one"
    )]
    OtherConfiguration,
    /// A call to a service failed.
    #[strum(disabled)]
    PortError(ErrorKind),
    /// A known account does not exist (any more) in its pool.
    #[strum_discriminants(strum(serialize = "account-is-gone"))]
    #[strum(
        message = "check the pool id, Region and permissions; the sweep sends the person again"
    )]
    AccountGone,
    /// The circuit breaker is open: an operator must check before more accounts are removed.
    #[strum(message = "find out what deletes accounts or sets passwords; runbook: breaker-open")]
    Breaker,
    /// The person has no verified address, so they could not sign in to the other pool.
    #[strum(
        message = "the person verifies an e-mail address or phone number; poolbridge then creates \
            the account"
    )]
    NoWayIn,
    /// A disabled account is not created in the other pool.
    #[strum(message = "nothing: the person travels when enabled again")]
    Disabled,
    /// A federated person gets their account in the other pool at their own first sign-in there.
    #[strum(message = "nothing: the person appears at their own first sign-in")]
    Federated,
    /// An account that would match exists, but nothing proves that it belongs to the same human.
    #[strum(message = "verify the address in both pools, or `poolbridge link --old SUB --new SUB`")]
    Unproven,
    /// More than one account matches.
    #[strum(
        message = "keep one account with that address in each pool, or `poolbridge link --old SUB \
            --new SUB`"
    )]
    Ambiguous,
    /// An operator separated the person from an account of the other pool.
    #[strum(
        message = "create the account in the other pool by hand, then `poolbridge link --old SUB \
            --new SUB`"
    )]
    Separated,
    /// The other pool cannot be searched for the address or username: the filter would be too long,
    /// or too many accounts match.
    #[strum(
        message = "shorten the address or username: too many accounts begin like it to be read"
    )]
    CannotBeSearched,
    /// Another account of the other pool has the username.
    #[strum(message = "rename or remove the other account, then `poolbridge retry old:SUB`")]
    NameTaken,
    /// Another person has the address in the other pool.
    #[strum(message = "free the address in the other pool, then `poolbridge retry old:SUB`")]
    AddressTaken,
    /// Another person is about to give up the address.
    #[strum(message = "wait: the other person's change is under way")]
    AddressWaits,
    /// An unverified address would make the other pool send a code.
    #[strum(message = "wait until the person verifies the address")]
    AddressUnverified,
    /// The address lost its verified flag in one pool.
    #[strum(message = "verify the address again in the pool that lost it")]
    VerificationLost,
    /// Both pools were changed, and the policy leaves the decision to an operator.
    #[strum(message = "make both values equal, or choose `conflicts = \"active-wins\"`")]
    Conflict,
    /// The group does not exist in the other pool.
    #[strum(message = "create the group in the other pool, then `poolbridge retry old:SUB`")]
    GroupMissing,
    /// The attribute is not in the other pool's schema.
    #[strum(message = "add the attribute to the other pool, or map it, or drop it")]
    NotInSchema,
    /// The attribute cannot be changed in the other pool.
    #[strum(message = "map the attribute to a mutable one, or drop it")]
    Immutable,
    /// The value is too long for the other pool.
    #[strum(message = "shorten the value, or map the attribute to a longer one")]
    TooLong,
    /// The value is too short for the other pool.
    #[strum(message = "lengthen the value, or map the attribute to another one, or drop it")]
    TooShort,
    /// The number is outside the range that the other pool allows.
    #[strum(message = "correct the number, or map the attribute to another one, or drop it")]
    OutOfRange,
    /// The other pool requires the attribute, and the person has no value for it.
    #[strum(message = "give the person a value for the attribute that is named")]
    RequiredMissing,
    /// A mapping rule cannot express the value in the other pool's form.
    #[strum(message = "extend the mapping rule, or correct the value")]
    Unsayable,
    /// The other pool rejected the value.
    #[strum(message = "correct the value, then `poolbridge retry old:SUB`")]
    RefusedByPool,
    /// The other pool reported success and kept another value.
    #[strum(
        message = "compare the attribute's type and limits in both pools, then `poolbridge retry \
            old:SUB`"
    )]
    NotKept,
    /// The write would switch off the last second factor of the account.
    #[strum(message = "nothing, or let the person register another factor")]
    LastFactor,
    /// The account in the other pool is not confirmed, or its person must reset the password first.
    #[strum(message = "wait until the person has reset the password in the other pool")]
    NotReady,
    /// The field repeatedly changes its direction of travel without a captured event.
    #[strum(message = "find out what else writes this field")]
    Oscillating,
    /// That pool's password is outdated, so its changes of address and factors do not travel.
    #[strum(message = "let the person reset the password in the pool where the field changed")]
    StaleSide,
    /// The person could not set a new password in that pool, so the outdated one stays valid there.
    #[strum(
        message = "verify an address there that no factor uses, or allow recovery by it, then \
            `poolbridge retry old:SUB`"
    )]
    NoRecovery,
    /// An administrator set a temporary password. The person has not chosen one yet.
    #[strum(message = "nothing: the password counts once the person chooses one")]
    TemporaryPassword,
    /// An administrator set or reset a password in the passive pool; the active one's stays.
    #[strum(
        message = "nothing, or reset the password in the active pool if it may have leaked too"
    )]
    PassiveAdministrator,
    /// Only a message says that a password was set, and the account does not confirm it.
    #[strum(
        message = "see who may send to the queue; if the person did set a password, let them set \
            it again"
    )]
    PasswordUnproven,
}

impl Reason {
    /// Every reason except the failures of a service, in the order of declaration.
    pub const PLAIN: [Self; Self::COUNT] = {
        let mut all = [Self::Busy; Self::COUNT];
        let mut at = 0;
        while at < all.len() {
            all[at] = match Self::from_repr(at) {
                Some(reason) => reason,
                None => panic!("COUNT and from_repr leave out the same variant"),
            };
            at += 1;
        }
        all
    };

    /// Its code in logs, in the table and on the command line. A failure of a service has the code
    /// of its kind.
    pub fn name(self) -> &'static str {
        if let Self::PortError(kind) = self { kind.name() } else { Code::from(self).into() }
    }

    /// The reason with that code.
    pub fn from_name(name: &str) -> Option<Self> {
        let failures = ErrorKind::ALL.into_iter().map(Self::PortError);
        Self::PLAIN.into_iter().chain(failures).find(|reason| reason.name() == name)
    }

    /// Whether the reason is the value itself, which the other pool cannot hold. Other reasons wait
    /// for a person's action.
    pub const fn refuses_value(self) -> bool {
        matches!(
            self,
            Self::NotInSchema
                | Self::Immutable
                | Self::TooLong
                | Self::TooShort
                | Self::OutOfRange
                | Self::Unsayable
                | Self::RefusedByPool
                | Self::NotKept
        )
    }

    /// What a person can do about it. `SUB` stands for the `sub` of an account, and `old:SUB` for
    /// any account of the person; `explain` shows the person's own.
    pub fn hint(self) -> &'static str {
        if let Self::PortError(kind) = self {
            return hint_after_error(kind);
        }
        // A test requires the hint of every reason.
        self.get_message().unwrap_or_default()
    }
}

/// What a person can do about a failure of a service.
fn hint_after_error(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::WritesPaused => {
            "wait: the pool takes no writes, for 24 hours at most while a recovery is prepared"
        }
        ErrorKind::Denied => "grant the permission that the log names",
        ErrorKind::Throttled
        | ErrorKind::NoAnswer
        | ErrorKind::NotSent
        | ErrorKind::Broken
        | ErrorKind::Invalid
        | ErrorKind::AccountGone
        | ErrorKind::Missing
        | ErrorKind::Exists
        | ErrorKind::Lost
        | ErrorKind::Newer
        | ErrorKind::Unreadable => {
            "see the log line of the same person; if held, `poolbridge retry old:SUB` once the \
             cause is gone"
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The outcome of one change event.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Outcome {
    /// apply wrote something, and both pools agree now.
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// Not finished: the pending change stays, and apply tries again after this time.
    Retry(Duration, Reason),
    /// A person must act first. Everything that could be carried over was.
    Held(Reason),
    /// The target cannot hold a value. Everything that could be carried over was.
    Rejected(Reason),
}

impl Outcome {
    /// Its name in logs and metrics.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The outcome after a port error. apply never gives up because a service failed.
    pub const fn from_error(error: &PortError) -> Self {
        let after = match error.retry() {
            crate::error::Retry::Now => Duration::from_secs(1),
            crate::error::Retry::Later(after) => after,
            crate::error::Retry::Never => crate::limits::RETRY_SLOWLY,
        };
        Self::Retry(after, Reason::PortError(error.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_in_the_runbook() {
        let runbook = include_str!("../../../infra/RUNBOOK.md");
        let (_, table) = runbook.split_once("\n## Every reason\n").unwrap();
        let (table, _) = table.split_once("\n## ").unwrap();
        let lines = || table.lines().filter_map(|line| line.strip_prefix("| "));
        let codes = || lines().filter_map(|line| line.split(" | ").next());
        let named: Vec<&str> =
            codes().flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`')).collect();
        let outside = ErrorKind::ALL.into_iter().map(Reason::PortError);
        for reason in Reason::PLAIN.into_iter().chain(outside) {
            assert!(named.contains(&reason.name()), "{reason}");
        }
        for code in named.iter().filter(|code| **code != "reason") {
            assert!(Reason::from_name(code).is_some(), "no reason is called {code}");
        }
    }

    #[test]
    fn every_reason_has_a_hint() {
        let failures = ErrorKind::ALL.map(Reason::PortError);
        for reason in Reason::PLAIN.into_iter().chain(failures) {
            assert!(!reason.hint().is_empty(), "{reason}");
        }
    }
}
