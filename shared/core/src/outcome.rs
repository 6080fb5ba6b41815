//! The outcome of one change event.

use std::fmt;
use std::time::Duration;

use crate::error::{ErrorKind, PortError};

/// Why something waits, is held or was rejected: a closed list, so that none can carry a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Another worker holds the person's lease.
    Busy,
    /// A read may still be older than the change that it must show (`SettleBeforeClearing`,
    /// `IntentSettlesFirst`, `NotBefore`).
    Settling,
    /// The time for this person, or for this invocation, is used up.
    OutOfTime,
    /// Another worker was first too many times in a row.
    Contended,
    /// An operator paused the bridge.
    Paused,
    /// A pool was restored to a point in time, or deleted. An operator decides what follows.
    Restored,
    /// A restore removed the account, and the operator chose to heal the restored pool.
    GoneByRestore,
    /// The person was deleted, and a restore brought the account back.
    BackByRestore,
    /// A switch is announced (`AnnounceThenFlip`).
    Closing,
    /// The phase is `complete`: nothing is written any more.
    Complete,
    /// Another configuration is active.
    OtherConfiguration,
    /// A call to a service failed.
    PortError(ErrorKind),
    /// A known account does not exist (any more) in its pool.
    AccountGone,
    /// The circuit breaker is open: an operator must check before more accounts are removed.
    Breaker,
    /// The person has no verified address, so they could not sign in to the other pool.
    NoWayIn,
    /// A disabled account is not created in the other pool.
    Disabled,
    /// A federated person gets their account in the other pool at their own first sign-in there.
    Federated,
    /// An account that would match exists, but nothing proves that it belongs to the same human.
    Unproven,
    /// More than one account matches.
    Ambiguous,
    /// An operator separated the person from an account of the other pool.
    Separated,
    /// The other pool cannot be searched for the address or username: the filter would be too long,
    /// or too many accounts match.
    CannotBeSearched,
    /// Another account of the other pool has the username.
    NameTaken,
    /// Another person has the address in the other pool.
    AddressTaken,
    /// Another person is about to give up the address.
    AddressWaits,
    /// An unverified address would make the other pool send a code.
    AddressUnverified,
    /// The address lost its verified flag in one pool.
    VerificationLost,
    /// Both pools were changed, and the policy leaves the decision to an operator.
    Conflict,
    /// The group does not exist in the other pool.
    GroupMissing,
    /// The attribute is not in the other pool's schema.
    NotInSchema,
    /// The attribute cannot be changed in the other pool.
    Immutable,
    /// The value is too long for the other pool.
    TooLong,
    /// The value is too short for the other pool.
    TooShort,
    /// The number is outside the range that the other pool allows.
    OutOfRange,
    /// The other pool requires the attribute, and the person has no value for it.
    RequiredMissing,
    /// A mapping rule cannot express the value in the other pool's form.
    Unsayable,
    /// The other pool rejected the value.
    RefusedByPool,
    /// The other pool reported success and kept another value.
    NotKept,
    /// The write would switch off the last second factor of the account.
    LastFactor,
    /// The account in the other pool is not confirmed, or its person must reset the password first.
    NotReady,
    /// The field repeatedly changes its direction of travel without a captured event.
    Oscillating,
    /// That pool's password is outdated, so its changes of address and factors do not travel.
    StaleSide,
    /// The person could not set a new password in that pool, so the outdated one stays valid there.
    NoRecovery,
    /// An administrator set a temporary password. The person has not chosen one yet.
    TemporaryPassword,
    /// An administrator set or reset a password in the passive pool; the active one's stays.
    PassiveAdministrator,
    /// Only a message says that a password was set, and the account does not confirm it.
    PasswordUnproven,
}

impl Reason {
    /// Its code in logs, in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Settling => "settling",
            Self::OutOfTime => "out-of-time",
            Self::Contended => "contended",
            Self::Paused => "paused",
            Self::Restored => "restored",
            Self::GoneByRestore => "gone-by-restore",
            Self::BackByRestore => "back-by-restore",
            Self::Closing => "closing",
            Self::Complete => "complete",
            Self::OtherConfiguration => "other-configuration",
            Self::PortError(kind) => kind.name(),
            Self::AccountGone => "account-is-gone",
            Self::Breaker => "breaker",
            Self::NoWayIn => "no-way-in",
            Self::Disabled => "disabled",
            Self::Federated => "federated",
            Self::Unproven => "unproven",
            Self::Ambiguous => "ambiguous",
            Self::Separated => "separated",
            Self::CannotBeSearched => "cannot-be-searched",
            Self::NameTaken => "name-taken",
            Self::AddressTaken => "address-taken",
            Self::AddressWaits => "address-waits",
            Self::AddressUnverified => "address-unverified",
            Self::VerificationLost => "verification-lost",
            Self::Conflict => "conflict",
            Self::GroupMissing => "group-missing",
            Self::NotInSchema => "not-in-schema",
            Self::Immutable => "immutable",
            Self::TooLong => "too-long",
            Self::TooShort => "too-short",
            Self::OutOfRange => "out-of-range",
            Self::RequiredMissing => "required-missing",
            Self::Unsayable => "unsayable",
            Self::RefusedByPool => "refused-by-pool",
            Self::NotKept => "not-kept",
            Self::LastFactor => "last-factor",
            Self::NotReady => "not-ready",
            Self::Oscillating => "oscillating",
            Self::StaleSide => "stale-side",
            Self::NoRecovery => "no-recovery",
            Self::TemporaryPassword => "temporary-password",
            Self::PassiveAdministrator => "passive-administrator",
            Self::PasswordUnproven => "password-unproven",
        }
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

    /// What a person can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Busy | Self::Settling | Self::OutOfTime | Self::Contended => {
                "wait: it is tried again by itself"
            }
            Self::Paused => "run `poolbridge resume` when the reason for the pause is gone",
            Self::Restored => {
                "wait until the recovery has ended, then `poolbridge resume --after-restore`"
            }
            Self::GoneByRestore => {
                "create the account again in the restored pool, or delete the other one by hand"
            }
            Self::BackByRestore => "delete the account again by hand, or leave it as it is",
            Self::Closing => "wait: a switch is under way",
            Self::Complete => "nothing: the move is complete",
            Self::OtherConfiguration => {
                "run `poolbridge resume` to put the deployed bridge.toml in force, or deploy the old one"
            }
            Self::PortError(ErrorKind::WritesPaused) => {
                "wait: the pool takes no writes, for 24 hours at most while a recovery is prepared"
            }
            Self::PortError(ErrorKind::Denied) => "grant the permission that the log names",
            Self::PortError(_) => {
                "see the log line of the same person; if held, `poolbridge retry` once the cause is gone"
            }
            Self::AccountGone => {
                "see whether the pool still shows its other accounts; it is looked at again"
            }
            Self::Breaker => "find out who deletes or resets, then `poolbridge resume --breaker`",
            Self::NoWayIn => {
                "the person verifies an e-mail address or phone number; that change is processed by itself"
            }
            Self::Disabled => "nothing: the person travels when enabled again",
            Self::Federated => "nothing: the person appears at their own first sign-in",
            Self::Unproven => {
                "verify the address on both sides, or `poolbridge link --old SUB --new SUB`"
            }
            Self::Ambiguous => {
                "keep one account with that address on each side, or `poolbridge link --old SUB --new SUB`"
            }
            Self::Separated => {
                "create the person's account there by hand, then `poolbridge link --old SUB --new SUB`"
            }
            Self::CannotBeSearched => {
                "shorten the address or username: too many accounts begin like it to be read"
            }
            Self::NameTaken => "rename or remove the other account, then `poolbridge retry`",
            Self::AddressTaken => "free the address on the other side, then `poolbridge retry`",
            Self::AddressWaits => "wait: the other person's change is under way",
            Self::AddressUnverified => "wait until the person verifies the address",
            Self::VerificationLost => "verify the address again on the side that lost it",
            Self::Conflict => "make both sides equal, or choose `conflicts = \"active-wins\"`",
            Self::GroupMissing => "create the group on the other side, then `poolbridge retry`",
            Self::NotInSchema => "add the attribute to the other pool, or map it, or drop it",
            Self::Immutable => "map the attribute to a mutable one, or drop it",
            Self::TooLong => "shorten the value, or map the attribute to a longer one",
            Self::TooShort => "lengthen the value, or map the attribute to another one, or drop it",
            Self::OutOfRange => {
                "correct the number, or map the attribute to another one, or drop it"
            }
            Self::RequiredMissing => "give the person a value for the attribute that is named",
            Self::Unsayable => "extend the mapping rule, or correct the value",
            Self::RefusedByPool => "correct the value, then `poolbridge retry`",
            Self::NotKept => {
                "compare the attribute's type and bounds in both pools, then `poolbridge retry`"
            }
            Self::LastFactor => "nothing, or let the person register another factor",
            Self::NotReady => "wait until the person has reset the password over there",
            Self::Oscillating => "find who else writes this field",
            Self::StaleSide => "let the person reset their password on that side",
            Self::NoRecovery => {
                "verify an address there that no factor uses, or allow recovery by it, then `poolbridge retry`"
            }
            Self::TemporaryPassword => "nothing: the password counts once the person chooses one",
            Self::PassiveAdministrator => {
                "nothing, or reset the password in the active pool if it may have leaked too"
            }
            Self::PasswordUnproven => {
                "see who may send to the queue; if the person did set a password, let them set it again"
            }
        }
    }

    /// The reason with that code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::PLAIN
            .into_iter()
            .chain(ErrorKind::ALL.into_iter().map(Self::PortError))
            .find(|reason| reason.name() == name)
    }

    /// Every reason except the failures of a service.
    pub const PLAIN: [Self; 44] = [
        Self::Busy,
        Self::Settling,
        Self::OutOfTime,
        Self::Contended,
        Self::Paused,
        Self::Restored,
        Self::GoneByRestore,
        Self::BackByRestore,
        Self::Closing,
        Self::Complete,
        Self::OtherConfiguration,
        Self::AccountGone,
        Self::Breaker,
        Self::NoWayIn,
        Self::Disabled,
        Self::Federated,
        Self::Unproven,
        Self::Ambiguous,
        Self::Separated,
        Self::CannotBeSearched,
        Self::NameTaken,
        Self::AddressTaken,
        Self::AddressWaits,
        Self::AddressUnverified,
        Self::VerificationLost,
        Self::Conflict,
        Self::GroupMissing,
        Self::NotInSchema,
        Self::Immutable,
        Self::TooLong,
        Self::TooShort,
        Self::OutOfRange,
        Self::RequiredMissing,
        Self::Unsayable,
        Self::RefusedByPool,
        Self::NotKept,
        Self::LastFactor,
        Self::NotReady,
        Self::Oscillating,
        Self::StaleSide,
        Self::NoRecovery,
        Self::TemporaryPassword,
        Self::PassiveAdministrator,
        Self::PasswordUnproven,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The outcome of one change event.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Retry(..) => "retry",
            Self::Held(_) => "held",
            Self::Rejected(_) => "rejected",
        }
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
    fn every_reason_is_found_by_its_code() {
        for reason in Reason::PLAIN {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert!(!reason.hint().is_empty());
        }
        let outside = Reason::PortError(ErrorKind::Denied);
        assert_eq!(Reason::from_name("denied"), Some(outside));
    }
}
