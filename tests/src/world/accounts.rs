//! The accounts of one pool with all their versions, so that a read can be stale.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::{Account, PoolSchema, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::edits::{EditId, Human};

/// The password of an account: not its text, but whether its person knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Password {
    /// The person chose it at that moment.
    Chosen(Time),
    /// Unknown to the person: a random one, or none.
    Unknown,
}

/// The state of an account at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// Attribute values; a blank one is not kept.
    pub attributes: BTreeMap<AttributeName, String>,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// Its groups.
    pub groups: BTreeSet<GroupName>,
    /// Its second factors.
    pub factors: BTreeSet<Factor>,
    /// Its status.
    pub status: Status,
    /// Its password.
    pub password: Password,
    /// The last-modified date that the pool shows.
    pub modified: Time,
    /// Whether the account exists.
    pub exists: bool,
    /// The edit that each field's value comes from.
    pub origins: BTreeMap<Field, EditId>,
}

impl Body {
    /// A confirmed account that is enabled, in no group, and has no second factor.
    pub fn confirmed(attributes: BTreeMap<AttributeName, String>, modified: Time) -> Self {
        Self {
            attributes,
            enabled: true,
            groups: BTreeSet::new(),
            factors: BTreeSet::new(),
            status: Status::Confirmed,
            password: Password::Chosen(modified),
            modified,
            exists: true,
            origins: BTreeMap::new(),
        }
    }
}

/// The state of an account from one moment on.
#[derive(Clone, Debug, Hash)]
pub struct Version {
    /// The beginning.
    pub at: Time,
    /// The state.
    pub body: Body,
}

/// One account.
#[derive(Clone, Debug)]
pub struct SimulatedAccount {
    /// The pool's identifier.
    pub sub: Sub,
    /// Its username.
    pub username: Username,
    /// The human it belongs to.
    pub human: Human,
    /// Whether the bridge created it.
    pub by_bridge: bool,
    /// When it was created.
    pub created: Time,
    versions: Vec<Version>,
}

impl SimulatedAccount {
    /// An account that was just created.
    pub fn new(
        sub: Sub,
        username: Username,
        human: Human,
        by_bridge: bool,
        first: Version,
    ) -> Self {
        Self { sub, username, human, by_bridge, created: first.at, versions: vec![first] }
    }

    /// The current state.
    pub fn body(&self) -> &Body {
        &self.versions[self.versions.len() - 1].body
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The version that a read shows if it sees the pool as of `moment`; `None` if the account did
    /// not exist yet.
    pub fn version_at(&self, moment: Time) -> Option<usize> {
        self.versions.iter().rposition(|version| version.at <= moment)
    }

    /// Whether it existed at that moment.
    pub fn there_at(&self, moment: Time) -> bool {
        self.version_at(moment).is_some_and(|version| self.versions[version].body.exists)
    }

    /// Changes its first version.
    pub fn set_initial(&mut self, change: impl FnOnce(&mut Body)) {
        if let Some(first) = self.versions.first_mut() {
            change(&mut first.body);
        }
    }

    /// Sets the edits that its first values come from.
    pub fn begin_with(&mut self, origins: &BTreeMap<Field, EditId>) {
        for version in &mut self.versions {
            version.body.origins.clone_from(origins);
        }
    }

    /// Sets the edit that a field's current value comes from.
    pub fn relabel(&mut self, field: Field, edit: EditId) {
        if let Some(version) = self.versions.last_mut() {
            version.body.origins.insert(field, edit);
        }
    }

    /// Changes it.
    pub fn change(&mut self, now: Time, change: impl FnOnce(&mut Body)) {
        let mut body = self.body().clone();
        change(&mut body);
        if body != *self.body() {
            self.versions.push(Version { at: now, body });
        }
    }

    /// The answer of a read that shows that version. It never holds groups.
    pub fn answer(&self, version: usize) -> Option<Account> {
        let body = &self.versions[version].body;
        body.exists.then(|| Account {
            sub: self.sub.clone(),
            username: self.username.clone(),
            attributes: body.attributes.clone(),
            enabled: body.enabled,
            status: body.status,
            groups: None,
            factors: Some(body.factors.clone()),
            created: self.created,
            // Cognito may cut dates in answers to seconds.
            modified: Time(body.modified.0.div_euclid(1_000) * 1_000),
        })
    }

    /// The current account with its groups, for the checks.
    pub fn whole(&self) -> Option<Account> {
        let account = self.answer(self.versions.len() - 1)?;
        Some(Account { groups: Some(self.body().groups.clone()), ..account })
    }
}

/// An attribute name that is certainly valid.
pub fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).expect("the worlds name their attributes well")
}

/// A group name that is certainly valid.
pub fn group(name: &str) -> GroupName {
    GroupName::try_from(name).expect("the worlds name their groups well")
}

/// One pool.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// The side of the pool.
    pub side: Side,
    /// Its schema.
    pub schema: PoolSchema,
    /// The schema that the bridge cached, if the pool's schema changed after that.
    pub cached: Option<PoolSchema>,
    /// Operations that this pool always refuses, with the kind of port error.
    pub fails: BTreeMap<&'static str, ErrorKind>,
    /// Values that it refuses although its schema allows them.
    pub unsaid: Option<fn(&AttributeName, &str) -> bool>,
    /// Attributes whose writes succeed while the pool keeps the former value, as public reports say
    /// about custom numbers (`aws-sdk-go` issue 3658).
    pub keeps: BTreeSet<AttributeName>,
    all: Vec<SimulatedAccount>,
}

impl Accounts {
    /// An empty pool without a schema.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            schema: PoolSchema::default(),
            cached: None,
            fails: BTreeMap::new(),
            unsaid: None,
            keeps: BTreeSet::new(),
            all: Vec::new(),
        }
    }

    /// Every account, deleted ones included.
    pub fn all(&self) -> &[SimulatedAccount] {
        &self.all
    }

    /// Every account that exists.
    pub fn living(&self) -> impl Iterator<Item = &SimulatedAccount> {
        self.all.iter().filter(|account| account.body().exists)
    }

    /// The account with that `sub`.
    pub fn get(&self, sub: &Sub) -> Option<&SimulatedAccount> {
        self.all.iter().find(|account| account.sub == *sub)
    }

    /// The same, mutable.
    pub fn get_mut(&mut self, sub: &Sub) -> Option<&mut SimulatedAccount> {
        self.all.iter_mut().find(|account| account.sub == *sub)
    }

    /// The existing account of a human.
    pub fn of(&self, human: Human) -> Option<&SimulatedAccount> {
        self.living().find(|account| account.human == human)
    }

    /// Whether people sign in here with their e-mail address, so that the pool generates usernames.
    pub fn by_address(&self) -> bool {
        !self.schema.username_attributes.is_empty()
    }

    /// Whether the pool accepts this value: neither its schema nor a hidden limit forbids it.
    pub fn takes(&self, name: &AttributeName, value: &str) -> bool {
        let schema = self.schema.attributes.get(name);
        let said = schema.is_none_or(|schema| schema.refusal(value).is_some());
        !said && !self.refuses(name, value)
    }

    /// Whether the pool refuses that value because of a limit that its schema does not show. A
    /// blank value deletes, which the pool never refuses.
    pub fn refuses(&self, name: &AttributeName, value: &str) -> bool {
        !value.is_empty() && self.unsaid.is_some_and(|refuses| refuses(name, value))
    }

    /// Adds an account.
    pub fn add(&mut self, account: SimulatedAccount) {
        self.all.push(account);
    }

    /// A `sub` that no account has. It names the side, so that a trace is easy to read.
    pub fn next_sub(&self) -> Sub {
        Sub::try_from(format!("{}-{}", self.side, self.all.len() + 1).as_str())
            .expect("it is short and printable")
    }

    /// Whether two names or addresses are equal in this pool.
    pub fn same(&self, one: &str, other: &str) -> bool {
        if self.schema.case_sensitive { one == other } else { one.eq_ignore_ascii_case(other) }
    }

    /// Whether an account other than `except` signs in with that address. Where usernames are
    /// addresses, every local account's name is its address. An alias comes from a verified address
    /// of a confirmed account only. A federated account signs in through its provider.
    pub fn taken(&self, address: &str, except: Option<&Sub>) -> bool {
        let (email, flag) = (attribute("email"), attribute("email_verified"));
        let signs_in = |body: &Body| match body.status {
            Status::ExternalProvider => false,
            _ if self.schema.username_attributes.contains(&email) => true,
            Status::Unconfirmed => false,
            Status::Confirmed
            | Status::ForceChangePassword
            | Status::ResetRequired
            | Status::Other => body.attributes.get(&flag).is_some_and(|flag| flag == "true"),
        };
        self.schema.signs_in_by(&email)
            && self.living().filter(|account| except != Some(&account.sub)).any(|account| {
                let body = account.body();
                let held = body.attributes.get(&email);
                signs_in(body) && held.is_some_and(|held| self.same(held, address))
            })
    }

    /// The last change of this pool at or before `moment`.
    pub fn changed_before(&self, moment: Time) -> Option<Time> {
        let versions = self.all.iter().flat_map(SimulatedAccount::versions);
        versions.map(|version| version.at).filter(|&at| at <= moment).max()
    }
}
