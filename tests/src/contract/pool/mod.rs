//! What the protocol expects of a user pool, in both shapes: people sign up with their e-mail
//! address and the stored username is the `sub`, or people choose a username.

mod creations;
mod actions;
mod listings;
mod deletions;
mod searches;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::account::{Account, AccountRef, NewAccount};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{AttributeName, GroupName, Username};
use poolbridge_core::ports::{Pool, Search, SearchAnswer};
use poolbridge_core::profile::Field;
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::ports::AccountLister;

use super::Case;
use super::difference::ServiceBehaviour;

/// A fixture with a user pool, and what an administrator does there without the bridge.
pub trait PoolFixture: Clone + Send + Sync + 'static {
    /// The pool's type.
    type Pool: Pool;

    /// The pool, to be listed.
    type AccountLister: AccountLister;

    /// The pool.
    fn pool(&self) -> &Self::Pool;

    /// The pool, to be listed.
    fn lister(&self) -> &Self::AccountLister;

    /// Whether people sign up with their e-mail address.
    fn by_email(&self) -> bool;

    /// The current time.
    fn now(&self) -> Time;

    /// A number that was never returned before.
    fn nonce(&self) -> u128;

    /// Which service the fixture behaves like.
    fn pool_behaviour(&self) -> &ServiceBehaviour;

    /// Deletes an account.
    fn delete(&self, account: &AccountRef) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Lets time pass.
    fn wait(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// Every case.
pub fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    let parts = [
        creations::cases(),
        actions::cases(),
        searches::cases(),
        listings::cases(),
        deletions::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// Cognito may cut dates in its answers to seconds.
const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// Attributes, as a test writes them.
type Attributes = BTreeMap<AttributeName, String>;

fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).expect("a name")
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| (attribute(name), (*value).to_owned())).collect()
}

fn group(name: &str) -> GroupName {
    GroupName::try_from(name).expect("a name")
}

fn username(text: &str) -> Username {
    Username::try_from(text).expect("a name")
}

/// A unique word of letters, so that it can begin an address.
fn word(fixture: &impl PoolFixture) -> String {
    format!("p{:x}", fixture.nonce() & 0xffff_ffff_ffff)
}

/// A new person: the address, and the account that a creation asks for.
pub(super) fn request(fixture: &impl PoolFixture) -> (String, NewAccount) {
    let word = word(fixture);
    let email = format!("{word}@example.com");
    let name = if fixture.by_email() { &email } else { &word };
    let attributes =
        attributes(&[("email", &email), ("email_verified", "true"), ("given_name", "Ann")]);
    let account = NewAccount { username: username(name), attributes };
    (email, account)
}

/// A deadline that no call reaches.
fn soon(fixture: &impl PoolFixture) -> Time {
    fixture.now() + Duration::from_secs(10)
}

pub(super) async fn create(
    fixture: &impl PoolFixture,
    account: &NewAccount,
) -> Result<AccountRef, PortError> {
    fixture.pool().create(account, soon(fixture)).await
}

/// An account that exists now: its address and its handle.
async fn new_user(fixture: &impl PoolFixture) -> anyhow::Result<(String, AccountRef)> {
    let (email, account) = request(fixture);
    Ok((email, create(fixture, &account).await?))
}

pub(super) async fn read(
    fixture: &impl PoolFixture,
    account_ref: &AccountRef,
) -> anyhow::Result<Account> {
    fixture.pool().read(account_ref).await?.context("the account is not there")
}

/// The accounts that a search finds.
async fn found(fixture: &impl PoolFixture, search: &Search) -> anyhow::Result<Vec<Account>> {
    match fixture.pool().find(search).await? {
        SearchAnswer::Accounts(found) => Ok(found),
        SearchAnswer::CannotBeSearched => anyhow::bail!("the pool cannot be searched"),
    }
}

pub(super) async fn write(
    fixture: &impl PoolFixture,
    account_ref: &AccountRef,
    action: &Action,
) -> Result<(), PortError> {
    fixture.pool().write(account_ref, action, soon(fixture)).await
}

/// Does an action twice and checks that the second time changes nothing. Returns the account after
/// it.
async fn write_twice(
    fixture: &impl PoolFixture,
    account_ref: &AccountRef,
    action: &Action,
) -> anyhow::Result<Account> {
    write(fixture, account_ref, action).await?;
    let once = read(fixture, account_ref).await?;
    let groups = fixture.pool().groups(account_ref).await?;
    write(fixture, account_ref, action).await?;
    let twice = read(fixture, account_ref).await?;
    assert!(twice.modified >= once.modified);
    assert_eq!(twice, Account { modified: twice.modified, ..once }, "{action:?}");
    assert_eq!(fixture.pool().groups(account_ref).await?, groups, "{action:?}");
    Ok(twice)
}

/// An action that writes attributes, each as a field of its own; an address goes with its flag.
pub(super) fn setting(pairs: &[(&str, &str)]) -> Action {
    let mut fields: BTreeMap<Field, Attributes> = BTreeMap::new();
    for (name, value) in pairs {
        let field = match *name {
            "email" | "email_verified" => Field::Email,
            "phone_number" | "phone_number_verified" => Field::Phone,
            other => Field::Attribute(attribute(other)),
        };
        fields.entry(field).or_default().insert(attribute(name), (*value).to_owned());
    }
    Action::SetAttributes { fields }
}

/// The value of an attribute; `None` if the account does not hold it.
fn value<'a>(account: &'a Account, name: &str) -> Option<&'a str> {
    account.attributes.get(&attribute(name)).map(String::as_str)
}

/// The kind of port error that a call must end with.
pub(super) fn kind<T: std::fmt::Debug>(answer: Result<T, PortError>) -> ErrorKind {
    answer.expect_err("it went through").kind
}
