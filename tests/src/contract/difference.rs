//! Where a program of the local stack is not like AWS: a closed list, each entry with what AWS does.
//!
//! A case that meets one asserts what happens at either: AWS's manners of the fake, the program's own
//! of the program. So nothing is skipped, and a program that mends its ways turns the suite red.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One manner in which the local stack differs. `cognito-local` 5.3.0 keeps the pools, `ministack`
/// 1.5.33 the queue; of its table no difference is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// `AdminCreateUser` looks at no schema.
    CreationMindsNoSchema,
    /// An e-mail address may differ from the username at birth.
    AddressBesideUsername,
    /// Two accounts may sign in by one address after an update.
    AddressesAreNotUnique,
    /// A flag cannot be written without its address.
    FlagNeedsAddress,
    /// Values are as long as one likes.
    ValuesHaveNoLimit,
    /// Names and addresses always differ by case.
    CaseIsMinded,
    /// A filter's escapes are taken literally.
    EscapesStay,
    /// An update of an account that is not there is called unauthorized.
    UpdateOfNobodyIsDenied,
    /// There is no signing out.
    NoSignOut,
    /// There are no second factors.
    NoFactors,
    /// Five minutes cannot be waited for here.
    DeduplicationEndsLate,
}

impl Difference {
    /// Every difference.
    pub const ALL: [Self; 11] = [
        Self::CreationMindsNoSchema,
        Self::AddressBesideUsername,
        Self::AddressesAreNotUnique,
        Self::FlagNeedsAddress,
        Self::ValuesHaveNoLimit,
        Self::CaseIsMinded,
        Self::EscapesStay,
        Self::UpdateOfNobodyIsDenied,
        Self::NoSignOut,
        Self::NoFactors,
        Self::DeduplicationEndsLate,
    ];

    /// What AWS does, and what happens here instead.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::CreationMindsNoSchema => {
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
            Self::CaseIsMinded => "AWS folds case where the pool says so; cognito-local never does",
            Self::EscapesStay => {
                "AWS undoes the escapes of a filter's value; cognito-local compares them"
            }
            Self::UpdateOfNobodyIsDenied => {
                "AWS answers UserNotFoundException; cognito-local NotAuthorizedException"
            }
            Self::NoSignOut => "AWS signs people out; cognito-local lacks the operation",
            Self::NoFactors => "AWS keeps second factors; cognito-local lacks the operation",
            Self::DeduplicationEndsLate => {
                "AWS forgets a deduplication id after five minutes; nobody waits for that here"
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}: {}", self.explanation())
    }
}

/// Whose manners a stand has, and which differences were met.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// Nothing if they are AWS's.
    met: Option<Arc<Mutex<BTreeSet<Difference>>>>,
}

impl Manners {
    /// AWS's, as documented.
    pub const fn of_aws() -> Self {
        Self { met: None }
    }

    /// Those of the local stack's programs.
    pub fn of_the_local_stack() -> Self {
        Self { met: Some(Arc::default()) }
    }

    /// Whether this stand differs from AWS there. Whoever asks asserts what it does instead.
    pub fn differ(&self, difference: Difference) -> bool {
        let Some(met) = &self.met else { return false };
        met.lock().unwrap_or_else(PoisonError::into_inner).insert(difference);
        true
    }

    /// The differences that some case met.
    pub fn met(&self) -> BTreeSet<Difference> {
        let met = self.met.as_ref();
        met.map(|met| met.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }
}
