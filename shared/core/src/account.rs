//! An account as its pool expresses it, and what a pool can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::facts::Factor;
use crate::names::{AttributeName, GroupName, Sub, Username};
use crate::time::Time;

/// Cognito's status of an account. `Enabled` is a separate flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Signed up and not yet confirmed: cannot sign in and does not travel.
    Unconfirmed,
    /// Can sign in.
    Confirmed,
    /// Has a temporary password.
    ForceChangePassword,
    /// Must run forgot-password first.
    ResetRequired,
    /// Federated: comes from an identity provider.
    ExternalProvider,
    /// A status that this version does not know: treated as confirmed, written never.
    Other,
}

/// An account, as one read of its pool returned it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The pool's identifier.
    pub sub: Sub,
    /// The name by which the pool is asked for it.
    pub username: Username,
    /// Attribute values, as text, as the pool returns them. `sub` is not among them.
    pub attributes: BTreeMap<AttributeName, String>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Its status.
    pub status: Status,
    /// Its groups; `None` when they were not read, or not to the end.
    pub groups: Option<BTreeSet<GroupName>>,
    /// The second factors that are switched on; `None` when they were not read (a listing has none).
    pub factors: Option<BTreeSet<Factor>>,
    /// When it was made.
    pub created: Time,
    /// When the pool says that it was last modified. Memberships need not move it.
    pub modified: Time,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of attributes and groups are the team's, values are a person's.
        formatter
            .debug_struct("Account")
            .field("sub", &self.sub)
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .field("enabled", &self.enabled)
            .field("status", &self.status)
            .field("groups", &self.groups)
            .field("factors", &self.factors)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

/// How an account is asked for: the adapter chooses between the two by the pool's shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The identifier that every observation must return (R21).
    pub sub: Sub,
    /// The username, where it is known.
    pub username: Option<Username>,
}

impl Account {
    /// How to ask for this account again.
    pub fn handle(&self) -> Handle {
        Handle { sub: self.sub.clone(), username: Some(self.username.clone()) }
    }
}

/// What one attribute of a pool's schema can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttributeShape {
    /// Whether it can be changed after creation.
    pub mutable: bool,
    /// The longest value, in characters; Cognito's own limit is 2048.
    pub longest: Option<usize>,
}

/// What a pool can hold, read once and cached by the adapter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    /// The schema, `custom:` prefix included.
    pub attributes: BTreeMap<AttributeName, AttributeShape>,
    /// Attributes that serve as the username (`UsernameAttributes`): the stored name is the `sub`.
    pub username_attributes: BTreeSet<AttributeName>,
    /// Attributes that serve as sign-in aliases (`AliasAttributes`).
    pub alias_attributes: BTreeSet<AttributeName>,
    /// Attributes for which an unverified write makes the pool send a code.
    pub verified_by_code: BTreeSet<AttributeName>,
    /// Whether names and addresses differ by case.
    pub case_sensitive: bool,
    /// The groups that exist.
    pub groups: BTreeSet<GroupName>,
    /// Second factors that the pool allows.
    pub factors: BTreeSet<Factor>,
    /// Attributes that some app client may write: no proof of identity comes from them.
    pub client_writable: BTreeSet<AttributeName>,
}

impl Shape {
    /// Whether an address in that attribute can sign somebody in, so that it can be taken.
    pub fn signs_in_by(&self, attribute: &AttributeName) -> bool {
        self.username_attributes.contains(attribute) || self.alias_attributes.contains(attribute)
    }
}

/// An account to be made, fixed and noted before the call (R19).
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The `Username` parameter of the call.
    pub username: Username,
    /// The attributes that it is born with.
    pub attributes: BTreeMap<AttributeName, String>,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewAccount")
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
