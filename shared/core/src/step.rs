//! A step: one idempotent action on one pool. A plan is an ordered, bounded list of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{AttributeName, GroupName};
use crate::profile::{Factor, Field};
use crate::side::Side;

/// One action, to be done in the pool [`Step::side`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The pool that is written.
    pub side: Side,
    /// The action.
    pub action: Action,
}

/// An action. Each is idempotent: done twice, it has the same result as done once.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// `AdminDisableUser`.
    Disable,
    /// `AdminEnableUser`.
    Enable,
    /// One `AdminUpdateUserAttributes`. A blank value deletes the attribute. An address is never
    /// written without its verified flag.
    SetAttributes {
        /// The fields that this call writes, with the attributes of each.
        fields: BTreeMap<Field, BTreeMap<AttributeName, String>>,
    },
    /// `AdminAddUserToGroup`.
    AddToGroup(GroupName),
    /// `AdminRemoveUserFromGroup`.
    RemoveFromGroup(GroupName),
    /// `AdminSetUserMFAPreference`: switches the named factors on or off, and no others.
    SetFactors(BTreeMap<Factor, bool>),
    /// `AdminSetUserPassword` with a permanent random password that nothing stores or shows. It
    /// enables forgot-password for an account that poolbridge created, and closes an outdated
    /// password.
    SetRandomPassword,
    /// `AdminUserGlobalSignOut`.
    SignOut,
    /// `AdminDeleteUser`. Irreversible. An account that does not exist (any more) counts as
    /// deleted. A plan never contains it: only a tombstone owes it, after a deletion in the other
    /// pool (`TombstoneFirst`).
    Delete,
}

impl Action {
    /// The AWS operation of this action.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Disable => "AdminDisableUser",
            Self::Enable => "AdminEnableUser",
            Self::SetAttributes { .. } => "AdminUpdateUserAttributes",
            Self::AddToGroup(_) => "AdminAddUserToGroup",
            Self::RemoveFromGroup(_) => "AdminRemoveUserFromGroup",
            Self::SetFactors(_) => "AdminSetUserMFAPreference",
            Self::SetRandomPassword => "AdminSetUserPassword",
            Self::SignOut => "AdminUserGlobalSignOut",
            Self::Delete => "AdminDeleteUser",
        }
    }

    /// The fields that this action writes.
    pub fn fields(&self) -> BTreeSet<Field> {
        match self {
            Self::Disable | Self::Enable => BTreeSet::from([Field::Enabled]),
            Self::SetAttributes { fields } => fields.keys().cloned().collect(),
            Self::AddToGroup(group) | Self::RemoveFromGroup(group) => {
                BTreeSet::from([Field::Group(group.clone())])
            }
            Self::SetFactors(factors) => factors.keys().copied().map(Field::Factor).collect(),
            Self::SetRandomPassword | Self::SignOut | Self::Delete => BTreeSet::new(),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields().iter().map(ToString::to_string).collect();
        write!(formatter, "{}({})", self.operation(), fields.join(", "))
    }
}
