//! Where a program of the local stack differs from AWS: a closed list. Each entry states what AWS
//! does.
//!
//! A case that reaches a difference asserts both behaviours: that of AWS on the fake, and the
//! program's own on the program. So no case is skipped, and the suite fails once a program behaves
//! like AWS.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One difference between the local stack and AWS. `cognito-local` 5.3.0 provides the pools,
/// `ministack` 1.5.33 the queue. The table has no known difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StackDifference {
    /// `AdminCreateUser` does not check the schema.
    CreationIgnoresSchema,
    /// At creation, the e-mail address may differ from the username.
    AddressBesideUsername,
    /// After an update, two accounts may sign in with one address.
    AddressesAreNotUnique,
    /// A verified flag cannot be written without its address.
    FlagNeedsAddress,
    /// Values have no maximum length.
    ValuesHaveNoLimit,
    /// Names and addresses are always case-sensitive.
    CaseSensitive,
    /// The filter compares escapes literally.
    EscapesStay,
    /// An update of a missing account answers "unauthorized".
    UpdateOfMissingUserIsDenied,
    /// The sign-out operation is missing.
    NoSignOut,
    /// Second factors are missing.
    NoFactors,
    /// The deduplication window of five minutes is too long to wait for.
    DeduplicationEndsLate,
}

impl StackDifference {
    /// Every difference.
    pub const ALL: [Self; 11] = [
        Self::CreationIgnoresSchema,
        Self::AddressBesideUsername,
        Self::AddressesAreNotUnique,
        Self::FlagNeedsAddress,
        Self::ValuesHaveNoLimit,
        Self::CaseSensitive,
        Self::EscapesStay,
        Self::UpdateOfMissingUserIsDenied,
        Self::NoSignOut,
        Self::NoFactors,
        Self::DeduplicationEndsLate,
    ];

    /// What AWS does, and what happens on the local stack.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::CreationIgnoresSchema => {
                "AWS refuses an attribute that the schema lacks; cognito-local stores it"
            }
            Self::AddressBesideUsername => {
                "AWS wants one address in a pool of addresses; cognito-local stores the second one"
            }
            Self::AddressesAreNotUnique => {
                "AWS answers AliasExistsException; cognito-local gives it to both"
            }
            Self::FlagNeedsAddress => {
                "AWS takes a verified flag alone; cognito-local refuses it (the bridge never asks)"
            }
            Self::ValuesHaveNoLimit => {
                "AWS takes 2,048 characters at the most; cognito-local takes any number"
            }
            Self::CaseSensitive => {
                "AWS folds case where the pool says so; cognito-local never does"
            }
            Self::EscapesStay => {
                "AWS undoes the escapes of a filter's value; cognito-local compares them"
            }
            Self::UpdateOfMissingUserIsDenied => {
                "AWS answers UserNotFoundException; cognito-local NotAuthorizedException"
            }
            Self::NoSignOut => "AWS signs people out; cognito-local lacks the operation",
            Self::NoFactors => "AWS keeps second factors; cognito-local lacks the operation",
            Self::DeduplicationEndsLate => {
                "AWS forgets a deduplication id after five minutes; no case here waits for that"
            }
        }
    }
}

impl fmt::Display for StackDifference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}: {}", self.explanation())
    }
}

/// Which service a fixture behaves like, and which differences its cases reached.
#[derive(Clone, Debug, Default)]
pub struct ServiceBehaviour {
    /// `None` if the fixture behaves like AWS.
    met: Option<Arc<Mutex<BTreeSet<StackDifference>>>>,
}

impl ServiceBehaviour {
    /// Behaves like AWS, as documented.
    pub const fn of_aws() -> Self {
        Self { met: None }
    }

    /// Behaves like the programs of the local stack.
    pub fn of_the_local_stack() -> Self {
        Self { met: Some(Arc::default()) }
    }

    /// Whether this fixture differs from AWS here. The caller then asserts what the fixture does
    /// instead.
    pub fn differ(&self, difference: StackDifference) -> bool {
        let Some(met) = &self.met else { return false };
        met.lock().unwrap_or_else(PoisonError::into_inner).insert(difference);
        true
    }

    /// The differences that a case met.
    pub fn met(&self) -> BTreeSet<StackDifference> {
        let met = self.met.as_ref();
        met.map(|met| met.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }
}
