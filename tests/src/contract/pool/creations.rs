//! Creates accounts, and checks that a read shows them as they were created.

use std::collections::BTreeSet;

use anyhow::Context as _;
use poolbridge_core::account::{Account, AccountRef, DataType, NewAccount, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Pool, Search};
use tokio::task::JoinSet;

use super::{
    DATE_RESOLUTION, PoolFixture, attribute, attributes, create, found, group, kind, new_user,
    read, request, soon, username, value, word,
};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases, resources};

/// How many calls create the same account at the same moment.
const AT_ONCE: usize = 8;

pub(super) fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    cases![
        a_pool_returns_its_schema,
        a_new_account_is_read_as_it_was_created,
        a_creation_drops_a_blank_value,
        an_unverified_address_stays_unverified,
        a_name_that_is_taken_is_not_given_again,
        of_many_creations_at_once_exactly_one_succeeds,
        an_account_is_read_by_its_sub_alone,
        an_account_is_read_by_the_name_of_its_creation_and_by_no_alias,
        an_address_is_the_name_only_in_a_pool_of_addresses,
        a_name_and_its_address_are_one_in_a_pool_of_addresses,
        case_does_not_make_another_person,
        an_attribute_that_the_schema_lacks_refuses_the_creation,
        an_immutable_attribute_is_set_at_creation,
        a_creation_after_its_deadline_is_not_sent,
    ]
}

async fn a_pool_returns_its_schema<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let schema = fixture.pool().schema().await?;
    let email = BTreeSet::from([attribute("email")]);
    let addresses = if fixture.by_email() { email } else { BTreeSet::new() };
    assert_eq!(schema.username_attributes, addresses);
    assert_eq!(schema.verified_by_code, addresses);
    assert_eq!(schema.alias_attributes, BTreeSet::new());
    assert_eq!(schema.groups, resources::GROUPS.map(group).into());
    assert_eq!(schema.factors, BTreeSet::new());
    assert!(!schema.case_sensitive);
    assert!(!schema.attributes.contains_key(&attribute("sub")));
    let longest = Some(2048);
    for (name, mutable) in
        [("given_name", true), (resources::MUTABLE, true), (resources::IMMUTABLE, false)]
    {
        let found = schema.attributes.get(&attribute(name));
        let found = found.map(|schema| (schema.mutable, schema.longest, schema.data_type));
        assert_eq!(found, Some((mutable, longest, DataType::String)), "{name}");
    }
    for name in ["email", "email_verified", "phone_number", "phone_number_verified"] {
        assert!(schema.attributes.get(&attribute(name)).is_some_and(|schema| schema.mutable));
    }
    Ok(())
}

async fn a_new_account_is_read_as_it_was_created<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let before = fixture.now();
    let account_ref = create(&fixture, &wanted).await?;
    let name = account_ref.username.clone().context("no name was answered")?;
    if fixture.by_email() {
        assert_eq!(name.reveal(), account_ref.sub.as_str(), "the pool generates the username");
    } else {
        assert_eq!(name, wanted.username);
    }
    let found = read(&fixture, &account_ref).await?;
    let born = Account {
        sub: account_ref.sub,
        username: name,
        attributes: wanted.attributes,
        enabled: true,
        status: Status::ForceChangePassword,
        groups: None,
        factors: Some(BTreeSet::new()),
        created: found.created,
        modified: found.modified,
    };
    assert_eq!(found.attributes, born.attributes);
    assert_eq!(found, born);
    assert!(found.created >= before - DATE_RESOLUTION, "created before the call");
    assert!(found.created <= fixture.now() + DATE_RESOLUTION, "created in the future");
    assert!(found.modified >= found.created);
    Ok(())
}

async fn a_creation_drops_a_blank_value<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&fixture);
    wanted.attributes.insert(attribute("family_name"), String::new());
    let account_ref = create(&fixture, &wanted).await?;
    assert_eq!(value(&read(&fixture, &account_ref).await?, "family_name"), None);
    Ok(())
}

async fn an_unverified_address_stays_unverified<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&fixture);
    wanted.attributes.insert(attribute("email_verified"), "false".to_owned());
    let account_ref = create(&fixture, &wanted).await?;
    let found = read(&fixture, &account_ref).await?;
    assert_eq!(value(&found, "email_verified"), Some("false"));
    Ok(())
}

async fn a_name_that_is_taken_is_not_given_again<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let first = read(&fixture, &account_ref).await?;
    let mut other = wanted.clone();
    other.attributes.insert(attribute("given_name"), "Eve".to_owned());
    for again in [&wanted, &other] {
        assert_eq!(kind(create(&fixture, again).await), ErrorKind::Exists);
    }
    assert_eq!(read(&fixture, &account_ref).await?, first);
    Ok(())
}

async fn of_many_creations_at_once_exactly_one_succeeds<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let mut creations = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (fixture, wanted) = (fixture.clone(), wanted.clone());
        creations.spawn(async move { create(&fixture, &wanted).await });
    }
    let mut made = Vec::new();
    while let Some(done) = creations.join_next().await {
        match done? {
            Ok(account_ref) => made.push(account_ref.sub),
            Err(error) => assert_eq!(error.kind, ErrorKind::Exists),
        }
    }
    assert_eq!(made.len(), 1);
    let found = found(&fixture, &Search::Email(email)).await?;
    assert_eq!(found.into_iter().map(|account| account.sub).collect::<Vec<_>>(), made);
    Ok(())
}

async fn an_account_is_read_by_its_sub_alone<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let nameless = AccountRef { sub: account_ref.sub.clone(), username: None };
    assert_eq!(read(&fixture, &nameless).await?, read(&fixture, &account_ref).await?);
    assert_eq!(fixture.pool().groups(&nameless).await?, BTreeSet::new());
    let missing = AccountRef { sub: Sub::try_from(word(&fixture).as_str())?, username: None };
    assert_eq!(fixture.pool().read(&missing).await?, None);
    let named = AccountRef { username: Some(username(missing.sub.as_str())), ..missing };
    assert_eq!(fixture.pool().read(&named).await?, None);
    Ok(())
}

async fn an_account_is_read_by_the_name_of_its_creation_and_by_no_alias<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let found = Some(read(&fixture, &account_ref).await?);
    let pool = fixture.pool();
    assert_eq!(pool.read_name(&wanted.username).await?, found);
    // In a pool of addresses the `sub` is the stored username; elsewhere it is none.
    let by_sub = pool.read_name(&username(account_ref.sub.as_str())).await?;
    assert_eq!(by_sub, found.clone().filter(|_| fixture.by_email()));
    let by_address = pool.read_name(&username(&email)).await?;
    assert_eq!(by_address, found.filter(|_| fixture.by_email()));
    assert_eq!(pool.read_name(&username(&word(&fixture))).await?, None);
    Ok(())
}

async fn an_address_is_the_name_only_in_a_pool_of_addresses<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let plain = NewAccount { username: username(&word(&fixture)), ..wanted };
    let made = create(&fixture, &plain).await;
    if fixture.by_email() {
        assert_eq!(kind(made), ErrorKind::Invalid);
        let missing = fixture.pool().read_name(&plain.username).await?;
        assert_eq!(missing, None);
    } else {
        assert_eq!(made?.username, Some(plain.username));
    }
    Ok(())
}

async fn a_name_and_its_address_are_one_in_a_pool_of_addresses<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    if !fixture.by_email() {
        // Two accounts may hold one address where the address is no sign-in name.
        let (email, account_ref) = new_user(&fixture).await?;
        let (_, mut other) = request(&fixture);
        other.attributes.insert(attribute("email"), email.clone());
        create(&fixture, &other).await?;
        let found = found(&fixture, &Search::Email(email)).await?;
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|account| account.sub == account_ref.sub));
        return Ok(());
    }
    let (email, mut bare) = request(&fixture);
    bare.attributes.remove(&attribute("email"));
    let account_ref = create(&fixture, &bare).await?;
    assert_eq!(value(&read(&fixture, &account_ref).await?, "email"), Some(email.as_str()));
    let (email, mut two_addresses) = request(&fixture);
    two_addresses.attributes.insert(attribute("email"), format!("other-{email}"));
    let made = create(&fixture, &two_addresses).await;
    if fixture.pool_behaviour().differ(StackDifference::AddressBesideUsername) {
        assert_eq!(
            value(&read(&fixture, &made?).await?, "email"),
            Some(&*format!("other-{email}"))
        );
    } else {
        assert_eq!(kind(made), ErrorKind::Invalid);
    }
    Ok(())
}

async fn case_does_not_make_another_person<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let raised = |text: &str| text.replacen('p', "P", 1);
    let mut uppercase =
        NewAccount { username: username(&raised(wanted.username.reveal())), ..wanted };
    uppercase.attributes.insert(attribute("email"), raised(&email));
    let search = Search::Email(raised(&email));
    if fixture.pool_behaviour().differ(StackDifference::CaseSensitive) {
        assert_eq!(fixture.pool().read_name(&uppercase.username).await?, None);
        assert_eq!(found(&fixture, &search).await?, []);
        assert_ne!(create(&fixture, &uppercase).await?.sub, account_ref.sub);
        return Ok(());
    }
    assert_eq!(kind(create(&fixture, &uppercase).await), ErrorKind::Exists);
    let named = fixture.pool().read_name(&uppercase.username).await?;
    assert_eq!(named.map(|account| account.sub), Some(account_ref.sub.clone()));
    let found = found(&fixture, &search).await?;
    assert_eq!(found.iter().map(|account| &account.sub).collect::<Vec<_>>(), [&account_ref.sub]);
    Ok(())
}

async fn an_attribute_that_the_schema_lacks_refuses_the_creation<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&fixture);
    wanted.attributes.insert(attribute("custom:unheard_of"), "x".to_owned());
    let made = create(&fixture, &wanted).await;
    if fixture.pool_behaviour().differ(StackDifference::CreationIgnoresSchema) {
        assert_eq!(value(&read(&fixture, &made?).await?, "custom:unheard_of"), Some("x"));
    } else {
        assert_eq!(kind(made), ErrorKind::Invalid);
        assert_eq!(fixture.pool().read_name(&wanted.username).await?, None);
    }
    Ok(())
}

async fn an_immutable_attribute_is_set_at_creation<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&fixture);
    wanted
        .attributes
        .extend(attributes(&[(resources::IMMUTABLE, "2026"), (resources::MUTABLE, "x")]));
    let account_ref = create(&fixture, &wanted).await?;
    assert_eq!(read(&fixture, &account_ref).await?.attributes, wanted.attributes);
    Ok(())
}

async fn a_creation_after_its_deadline_is_not_sent<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let late = fixture.now() - DATE_RESOLUTION;
    assert_eq!(kind(fixture.pool().create(&wanted, late).await), ErrorKind::NotSent);
    assert_eq!(fixture.pool().read_name(&wanted.username).await?, None);
    assert_eq!(found(&fixture, &Search::Email(email)).await?, []);
    fixture.pool().create(&wanted, soon(&fixture)).await?;
    Ok(())
}
