//! The state of a person: the one word by which the operator command counts and lists people.

use strum::{IntoStaticStr, VariantArray};

use crate::side::Side;
use crate::variants::named;

/// A person's state, as the operator command counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum PersonState {
    /// The person has a known account in the old pool only.
    OnlyOld,
    /// The person has a known account in the new pool only.
    OnlyNew,
    /// Both pools agree.
    Synced,
    /// The last run of apply ended in `retry`.
    Waiting,
    /// Both pools were changed, and the policy leaves the decision to an operator.
    Conflict,
    /// A person has to do something first.
    Held,
    /// Deleted; the tombstone stays.
    Deleted,
}

named!(
    PersonState,
    ALL: "Every state, in the order in which output lists them.",
    name: "Its name in the table and on the command line."
);

impl PersonState {
    /// The state of a person with a known account in that pool only.
    pub const fn only(side: Side) -> Self {
        match side {
            Side::Old => Self::OnlyOld,
            Side::New => Self::OnlyNew,
        }
    }
}
