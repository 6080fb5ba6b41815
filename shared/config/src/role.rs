//! Decides whether the bridge itself made a call.
//!
//! If a call of the bridge is not recognised, apply makes one read and finds nothing to do. There
//! is one exception: a password that poolbridge replaced by a random one would count as the
//! person's choice, and make the other pool's password out of date. So the trail must know the
//! roles. If another caller's change counts as the bridge's own, it is lost until the next sweep.
//! So a caller counts as the bridge only if that is certain.

/// The session name that another account's trail shows for poolbridge.
pub const SESSION_NAME: &str = "poolbridge";

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    arn: String,
    partition: String,
    account: String,
    /// The name without its path, which the ARN of a session does not show.
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

/// Whether a text is the ARN of a role.
pub fn is_role(text: &str) -> bool {
    Role::read(text).is_some()
}

/// The name of the role that the caller with that ARN assumed, without the session's name, which
/// may be a person's. `None`: the caller is no role (a user, the account's root, a federated user).
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

/// The roles with which the bridge calls the pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCallers {
    /// Roles that only the bridge uses.
    roles: Vec<Role>,
    /// Roles that the bridge assumes to reach a pool; others may use them too.
    assumed: Vec<Role>,
}

impl OwnCallers {
    /// The functions' own roles, and the roles that they assume. Text that is not a role's ARN is
    /// ignored.
    pub fn new<'a>(own: &[String], assumed: impl Iterator<Item = &'a str>) -> Self {
        Self {
            roles: own.iter().filter_map(|arn| Role::read(arn)).collect(),
            assumed: assumed.filter_map(Role::read).collect(),
        }
    }

    /// Whether the caller with that ARN, as `GetCallerIdentity` returns it, is a session of a role
    /// that only the bridge uses.
    pub fn includes(&self, arn: &str) -> bool {
        let session = Session::read(arn);
        session.is_some_and(|session| self.roles.iter().any(|role| session.is_of(role)))
    }

    /// Whether the bridge made a call, by three texts of its `userIdentity`: the caller's ARN, the
    /// ARN of the role that issued the session, and `principalId`.
    pub fn made(&self, arn: Option<&str>, issuer: Option<&str>, principal: Option<&str>) -> bool {
        let session = arn.and_then(Session::read);
        let by = |role: &Role| {
            let shown = session.as_ref().is_some_and(|session| session.is_of(role));
            shown || issuer.is_some_and(|issuer| issuer == role.arn)
        };
        if self.roles.iter().any(by) {
            return true;
        }
        // `principalId` is `<the role's id>:<the session's name>`.
        let named = principal.and_then(|id| id.split_once(':')).map(|(_, name)| name);
        let ours = session.as_ref().map(|session| session.name).or(named) == Some(SESSION_NAME);
        ours && self.assumed.iter().any(by)
    }
}
