//! A step: one idempotent deed on one pool. A plan is an ordered, bounded list of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::facts::{Factor, Field};
use crate::names::{AttributeName, GroupName};
use crate::side::Side;

/// One deed, to be done on [`Step::side`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The pool that is written.
    pub side: Side,
    /// What is done there.
    pub deed: Deed,
}

/// What is done. Each is idempotent: done twice it leaves what doing it once leaves.
#[derive(Clone, PartialEq, Eq)]
pub enum Deed {
    /// `AdminDisableUser`.
    Disable,
    /// `AdminEnableUser`.
    Enable,
    /// One `AdminUpdateUserAttributes`; a blank value deletes. An address never without its flag.
    SetAttributes {
        /// Which fields travel in this call, with the attributes that each of them writes.
        fields: BTreeMap<Field, BTreeMap<AttributeName, String>>,
    },
    /// `AdminAddUserToGroup`.
    AddToGroup(GroupName),
    /// `AdminRemoveUserFromGroup`.
    RemoveFromGroup(GroupName),
    /// `AdminSetUserMFAPreference`: what becomes of the factors named; others stay as they are.
    SetFactors(BTreeMap<Factor, bool>),
    /// `AdminSetUserPassword`, permanent, random, told to nobody: opens the way to forgot-password for
    /// an account that we made, and closes a password that went out of date.
    SetRandomPassword,
    /// `AdminUserGlobalSignOut`.
    SignOut,
    /// `AdminDeleteUser`. Irreversible; an account that is not there (any more) is deleted already.
    /// Never part of a plan: only what is owed after a deletion on the other side (R23).
    Delete,
}

impl Deed {
    /// The AWS operation that does it.
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

    /// The fields that this deed writes.
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

impl fmt::Debug for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields().iter().map(ToString::to_string).collect();
        write!(formatter, "{}({})", self.operation(), fields.join(", "))
    }
}
