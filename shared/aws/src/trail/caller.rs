//! Who made a call: whether it was the bridge itself.
//!
//! A call of ours that is not known for one leads to a look that finds nothing to do; with one
//! exception: a password that we replace by a random one would pass for one that the person chose,
//! and make the other side's out of date. Therefore the roles must be told. A call of somebody else
//! that is taken for ours is lost until the next sweep. So a caller who is not known for certain is
//! somebody else.

use super::fields::Fields;
use crate::client::SESSION_NAME;

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    arn: String,
    partition: String,
    account: String,
    /// Without its path, which the ARN of a session does not show.
    name: String,
}

impl Role {
    /// `arn:<partition>:iam::<account>:role/<path><name>`.
    fn read(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, role] = parts.as_slice() else { return None };
        let name = role.strip_prefix("role/")?.rsplit('/').next()?;
        if partition.is_empty() || account.is_empty() || name.is_empty() {
            return None;
        }
        Some(Self {
            arn: arn.to_owned(),
            partition: (*partition).to_owned(),
            account: (*account).to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Whether a text is a role's ARN.
pub fn is_role(text: &str) -> bool {
    Role::read(text).is_some()
}

/// The name of the role that the caller of that ARN has taken on, without the session's name, which may
/// be a person's. `None`: the caller is no role (a user, the account's root, a federated user).
pub fn role_of(arn: &str) -> Option<&str> {
    Session::read(arn).map(|session| session.role)
}

/// A session of a role, from `arn:<partition>:sts::<account>:assumed-role/<name>/<session>`.
struct Session<'a> {
    partition: &'a str,
    account: &'a str,
    role: &'a str,
    name: &'a str,
}

impl<'a> Session<'a> {
    fn read(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "sts", _, account, session] = parts.as_slice() else { return None };
        let (role, name) = session.strip_prefix("assumed-role/")?.split_once('/')?;
        Some(Self { partition, account, role, name })
    }

    fn is_of(&self, role: &Role) -> bool {
        (self.partition, self.account, self.role) == (&role.partition, &role.account, &role.name)
    }
}

/// By which roles the bridge calls the pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCallers {
    /// Ours alone.
    roles: Vec<Role>,
    /// Taken on to reach a pool; others may use them too.
    assumed: Vec<Role>,
}

impl OwnCallers {
    /// The functions' own roles, and those that they take on. What is not a role's ARN is nobody.
    pub fn new<'a>(own: &[String], assumed: impl Iterator<Item = &'a str>) -> Self {
        Self {
            roles: own.iter().filter_map(|arn| Role::read(arn)).collect(),
            assumed: assumed.filter_map(Role::read).collect(),
        }
    }

    /// Whether the caller of that ARN, as `GetCallerIdentity` tells it, is a session of one of the roles
    /// that are ours alone.
    pub fn includes(&self, arn: &str) -> bool {
        let session = Session::read(arn);
        session.is_some_and(|session| self.roles.iter().any(|role| session.is_of(role)))
    }

    /// Whether one of them made the call of that `userIdentity`.
    pub(super) fn did(&self, identity: &Fields<'_>) -> bool {
        let arn = identity.text("arn");
        let session = arn.as_deref().and_then(Session::read);
        let issuer = identity.object("sessionContext");
        let issuer = issuer.and_then(|context| context.object("sessionIssuer"));
        let issuer = issuer.and_then(|issuer| issuer.text("arn"));
        let by = |role: &Role| {
            let shown = session.as_ref().is_some_and(|session| session.is_of(role));
            shown || issuer.as_deref().is_some_and(|issuer| issuer == role.arn)
        };
        if self.roles.iter().any(by) {
            return true;
        }
        // `principalId` is `<the role's id>:<the session's name>`.
        let principal = identity.text("principalId");
        let named = principal.as_deref().and_then(|id| id.split_once(':')).map(|(_, name)| name);
        let ours = session.as_ref().map(|session| session.name).or(named) == Some(SESSION_NAME);
        ours && self.assumed.iter().any(by)
    }
}
