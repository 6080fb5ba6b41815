//! The accounts of one pool, with everything that they ever were, so that a read can be stale.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::{Account, Shape, Status};
use poolbridge_core::facts::{Factor, Field};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
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

/// What an account is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// Attribute values; a blank one is not kept.
    pub attributes: BTreeMap<AttributeName, String>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Its groups.
    pub groups: BTreeSet<GroupName>,
    /// Its second factors.
    pub factors: BTreeSet<Factor>,
    /// Its status.
    pub status: Status,
    /// Its password.
    pub password: Password,
    /// When the pool says it was last modified.
    pub modified: Time,
    /// Whether it is there at all.
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

/// What an account was from one moment on.
#[derive(Clone, Debug, Hash)]
pub struct Version {
    /// Since when.
    pub at: Time,
    /// What it was.
    pub body: Body,
}

/// One account.
#[derive(Clone, Debug)]
pub struct SimulatedAccount {
    /// The pool's identifier.
    pub sub: Sub,
    /// Its name.
    pub username: Username,
    /// Whose it is.
    pub human: Human,
    /// Whether the bridge made it.
    pub ours: bool,
    /// When it was made.
    pub created: Time,
    versions: Vec<Version>,
}

impl SimulatedAccount {
    /// An account that was just made.
    pub fn new(sub: Sub, username: Username, human: Human, ours: bool, first: Version) -> Self {
        Self { sub, username, human, ours, created: first.at, versions: vec![first] }
    }

    /// What it is now.
    pub fn body(&self) -> &Body {
        &self.versions[self.versions.len() - 1].body
    }

    /// Everything that it was, oldest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Which version a read shows that sees the pool as it stood at `moment`; none if the account
    /// did not exist yet.
    pub fn version_at(&self, moment: Time) -> Option<usize> {
        self.versions.iter().rposition(|version| version.at <= moment)
    }

    /// Whether it was there at that moment.
    pub fn there_at(&self, moment: Time) -> bool {
        self.version_at(moment).is_some_and(|version| self.versions[version].body.exists)
    }

    /// Changes what it was from the beginning.
    pub fn begin_as(&mut self, change: impl FnOnce(&mut Body)) {
        if let Some(first) = self.versions.first_mut() {
            change(&mut first.body);
        }
    }

    /// Says where the values come from that it began with.
    pub fn begin_with(&mut self, origins: &BTreeMap<Field, EditId>) {
        for version in &mut self.versions {
            version.body.origins.clone_from(origins);
        }
    }

    /// Says that a field's value, as it is now, comes from that edit.
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

    /// What a read of that version answers. Groups are never part of it.
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
            // Dates in answers may be cut to seconds.
            modified: Time(body.modified.0.div_euclid(1_000) * 1_000),
        })
    }

    /// The account as it is, with its groups: what the checks compare.
    pub fn whole(&self) -> Option<Account> {
        let account = self.answer(self.versions.len() - 1)?;
        Some(Account { groups: Some(self.body().groups.clone()), ..account })
    }
}

/// The name of an attribute that is known to be one.
pub fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).expect("the worlds name their attributes well")
}

/// The name of a group that is known to be one.
pub fn group(name: &str) -> GroupName {
    GroupName::try_from(name).expect("the worlds name their groups well")
}

/// One pool.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Which of the two.
    pub side: Side,
    /// What it can hold.
    pub shape: Shape,
    /// What it is taken to hold, where that was read before it changed.
    pub cached: Option<Shape>,
    /// Operations that this pool refuses, and how, whatever they are asked for.
    pub fails: BTreeMap<&'static str, FaultKind>,
    /// Values that it refuses although its schema does not say so.
    pub unsaid: Option<fn(&AttributeName, &str) -> bool>,
    /// Attributes whose writes the pool answers with success while it keeps the former value, as public
    /// reports say of custom numbers (`aws-sdk-go` issue 3658).
    pub keeps: BTreeSet<AttributeName>,
    all: Vec<SimulatedAccount>,
}

impl Accounts {
    /// An empty pool without a shape yet.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            shape: Shape::default(),
            cached: None,
            fails: BTreeMap::new(),
            unsaid: None,
            keeps: BTreeSet::new(),
            all: Vec::new(),
        }
    }

    /// Every account that ever was.
    pub fn all(&self) -> &[SimulatedAccount] {
        &self.all
    }

    /// Every account that is there.
    pub fn living(&self) -> impl Iterator<Item = &SimulatedAccount> {
        self.all.iter().filter(|account| account.body().exists)
    }

    /// The account of that `sub`.
    pub fn get(&self, sub: &Sub) -> Option<&SimulatedAccount> {
        self.all.iter().find(|account| account.sub == *sub)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, sub: &Sub) -> Option<&mut SimulatedAccount> {
        self.all.iter_mut().find(|account| account.sub == *sub)
    }

    /// The living account of a human.
    pub fn of(&self, human: Human) -> Option<&SimulatedAccount> {
        self.living().find(|account| account.human == human)
    }

    /// Whether people sign in here by their e-mail address, so that names are made up by the pool.
    pub fn by_address(&self) -> bool {
        !self.shape.username_attributes.is_empty()
    }

    /// Whether the pool takes this value: neither its schema nor a bound that it hides forbids it.
    pub fn takes(&self, name: &AttributeName, value: &str) -> bool {
        let shape = self.shape.attributes.get(name);
        let said = shape.is_none_or(|shape| shape.refusal(value).is_some());
        !said && !self.refuses(name, value)
    }

    /// Whether the pool refuses that value for a bound that its schema does not show. A blank value
    /// deletes, and nothing is refused about that.
    pub fn refuses(&self, name: &AttributeName, value: &str) -> bool {
        !value.is_empty() && self.unsaid.is_some_and(|refuses| refuses(name, value))
    }

    /// Adds an account.
    pub fn add(&mut self, account: SimulatedAccount) {
        self.all.push(account);
    }

    /// A `sub` that no account has: told apart by side, so that a trace reads well.
    pub fn next_sub(&self) -> Sub {
        Sub::try_from(format!("{}-{}", self.side, self.all.len() + 1).as_str())
            .expect("it is short and printable")
    }

    /// Whether names and addresses are the same here.
    pub fn same(&self, one: &str, other: &str) -> bool {
        if self.shape.case_sensitive { one == other } else { one.eq_ignore_ascii_case(other) }
    }

    /// Whether another account than `except` signs in by that address. Where usernames are addresses,
    /// every local account has its address for a name; an alias is made of a verified address alone, when
    /// its account is confirmed. A federated account signs in by its provider.
    pub fn taken(&self, address: &str, except: Option<&Sub>) -> bool {
        let (email, flag) = (attribute("email"), attribute("email_verified"));
        let signs_in = |body: &Body| match body.status {
            Status::ExternalProvider => false,
            _ if self.shape.username_attributes.contains(&email) => true,
            Status::Unconfirmed => false,
            Status::Confirmed
            | Status::ForceChangePassword
            | Status::ResetRequired
            | Status::Other => body.attributes.get(&flag).is_some_and(|flag| flag == "true"),
        };
        self.shape.signs_in_by(&email)
            && self.living().filter(|account| except != Some(&account.sub)).any(|account| {
                let body = account.body();
                let held = body.attributes.get(&email);
                signs_in(body) && held.is_some_and(|held| self.same(held, address))
            })
    }

    /// When anything here was last changed at or before `moment`.
    pub fn changed_before(&self, moment: Time) -> Option<Time> {
        let versions = self.all.iter().flat_map(SimulatedAccount::versions);
        versions.map(|version| version.at).filter(|&at| at <= moment).max()
    }
}
