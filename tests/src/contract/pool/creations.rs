//! Creates accounts, and checks that a read shows them as they were created.

use std::collections::BTreeSet;

use anyhow::Context as _;
use poolbridge_core::account::{Account, AccountRef, DataType, NewAccount, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Pool, Search};
use tokio::task::JoinSet;

use super::{
    DATE_RESOLUTION, PoolStand, attribute, attributes, create, found, group, kind, read, request,
    somebody, soon, username, value, word,
};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases, resources};

/// How many calls create the same account at the same moment.
const AT_ONCE: usize = 8;

pub(super) fn cases<S: PoolStand>() -> Vec<Case<S>> {
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

async fn a_pool_returns_its_schema<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let schema = stand.pool().schema().await?;
    let email = BTreeSet::from([attribute("email")]);
    let addresses = if stand.by_email() { email } else { BTreeSet::new() };
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

async fn a_new_account_is_read_as_it_was_created<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, wanted) = request(&stand);
    let before = stand.now();
    let account_ref = create(&stand, &wanted).await?;
    let name = account_ref.username.clone().context("no name was answered")?;
    if stand.by_email() {
        assert_eq!(name.reveal(), account_ref.sub.as_str(), "the pool generates the username");
    } else {
        assert_eq!(name, wanted.username);
    }
    let found = read(&stand, &account_ref).await?;
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
    assert!(found.created <= stand.now() + DATE_RESOLUTION, "created in the future");
    assert!(found.modified >= found.created);
    Ok(())
}

async fn a_creation_drops_a_blank_value<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&stand);
    wanted.attributes.insert(attribute("family_name"), String::new());
    let account_ref = create(&stand, &wanted).await?;
    assert_eq!(value(&read(&stand, &account_ref).await?, "family_name"), None);
    Ok(())
}

async fn an_unverified_address_stays_unverified<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&stand);
    wanted.attributes.insert(attribute("email_verified"), "false".to_owned());
    let account_ref = create(&stand, &wanted).await?;
    let found = read(&stand, &account_ref).await?;
    assert_eq!(value(&found, "email_verified"), Some("false"));
    Ok(())
}

async fn a_name_that_is_taken_is_not_given_again<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, wanted) = request(&stand);
    let account_ref = create(&stand, &wanted).await?;
    let first = read(&stand, &account_ref).await?;
    let mut other = wanted.clone();
    other.attributes.insert(attribute("given_name"), "Eve".to_owned());
    for again in [&wanted, &other] {
        assert_eq!(kind(create(&stand, again).await), ErrorKind::Exists);
    }
    assert_eq!(read(&stand, &account_ref).await?, first);
    Ok(())
}

async fn of_many_creations_at_once_exactly_one_succeeds<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let mut creations = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (stand, wanted) = (stand.clone(), wanted.clone());
        creations.spawn(async move { create(&stand, &wanted).await });
    }
    let mut made = Vec::new();
    while let Some(done) = creations.join_next().await {
        match done? {
            Ok(account_ref) => made.push(account_ref.sub),
            Err(error) => assert_eq!(error.kind, ErrorKind::Exists),
        }
    }
    assert_eq!(made.len(), 1);
    let found = found(&stand, &Search::Email(email)).await?;
    assert_eq!(found.into_iter().map(|account| account.sub).collect::<Vec<_>>(), made);
    Ok(())
}

async fn an_account_is_read_by_its_sub_alone<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, account_ref) = somebody(&stand).await?;
    let nameless = AccountRef { sub: account_ref.sub.clone(), username: None };
    assert_eq!(read(&stand, &nameless).await?, read(&stand, &account_ref).await?);
    assert_eq!(stand.pool().groups(&nameless).await?, BTreeSet::new());
    let nobody = AccountRef { sub: Sub::try_from(word(&stand).as_str())?, username: None };
    assert_eq!(stand.pool().read(&nobody).await?, None);
    let named = AccountRef { username: Some(username(nobody.sub.as_str())), ..nobody };
    assert_eq!(stand.pool().read(&named).await?, None);
    Ok(())
}

async fn an_account_is_read_by_the_name_of_its_creation_and_by_no_alias<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let account_ref = create(&stand, &wanted).await?;
    let found = Some(read(&stand, &account_ref).await?);
    let pool = stand.pool();
    assert_eq!(pool.read_name(&wanted.username).await?, found);
    // In a pool of addresses the `sub` is the stored username; elsewhere it is none.
    let by_sub = pool.read_name(&username(account_ref.sub.as_str())).await?;
    assert_eq!(by_sub, found.clone().filter(|_| stand.by_email()));
    let by_address = pool.read_name(&username(&email)).await?;
    assert_eq!(by_address, found.filter(|_| stand.by_email()));
    assert_eq!(pool.read_name(&username(&word(&stand))).await?, None);
    Ok(())
}

async fn an_address_is_the_name_only_in_a_pool_of_addresses<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&stand);
    let plain = NewAccount { username: username(&word(&stand)), ..wanted };
    let made = create(&stand, &plain).await;
    if stand.by_email() {
        assert_eq!(kind(made), ErrorKind::Invalid);
        let nobody = stand.pool().read_name(&plain.username).await?;
        assert_eq!(nobody, None);
    } else {
        assert_eq!(made?.username, Some(plain.username));
    }
    Ok(())
}

async fn a_name_and_its_address_are_one_in_a_pool_of_addresses<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    if !stand.by_email() {
        // Two accounts may hold one address where the address is no sign-in name.
        let (email, account_ref) = somebody(&stand).await?;
        let (_, mut other) = request(&stand);
        other.attributes.insert(attribute("email"), email.clone());
        create(&stand, &other).await?;
        let found = found(&stand, &Search::Email(email)).await?;
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|account| account.sub == account_ref.sub));
        return Ok(());
    }
    let (email, mut bare) = request(&stand);
    bare.attributes.remove(&attribute("email"));
    let account_ref = create(&stand, &bare).await?;
    assert_eq!(value(&read(&stand, &account_ref).await?, "email"), Some(email.as_str()));
    let (email, mut twofold) = request(&stand);
    twofold.attributes.insert(attribute("email"), format!("other-{email}"));
    let made = create(&stand, &twofold).await;
    if stand.pool_behaviour().differ(StackDifference::AddressBesideUsername) {
        assert_eq!(value(&read(&stand, &made?).await?, "email"), Some(&*format!("other-{email}")));
    } else {
        assert_eq!(kind(made), ErrorKind::Invalid);
    }
    Ok(())
}

async fn case_does_not_make_another_person<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let account_ref = create(&stand, &wanted).await?;
    let raised = |text: &str| text.replacen('p', "P", 1);
    let mut shouted =
        NewAccount { username: username(&raised(wanted.username.reveal())), ..wanted };
    shouted.attributes.insert(attribute("email"), raised(&email));
    let search = Search::Email(raised(&email));
    if stand.pool_behaviour().differ(StackDifference::CaseIsMinded) {
        assert_eq!(stand.pool().read_name(&shouted.username).await?, None);
        assert_eq!(found(&stand, &search).await?, []);
        assert_ne!(create(&stand, &shouted).await?.sub, account_ref.sub);
        return Ok(());
    }
    assert_eq!(kind(create(&stand, &shouted).await), ErrorKind::Exists);
    let named = stand.pool().read_name(&shouted.username).await?;
    assert_eq!(named.map(|account| account.sub), Some(account_ref.sub.clone()));
    let found = found(&stand, &search).await?;
    assert_eq!(found.iter().map(|account| &account.sub).collect::<Vec<_>>(), [&account_ref.sub]);
    Ok(())
}

async fn an_attribute_that_the_schema_lacks_refuses_the_creation<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&stand);
    wanted.attributes.insert(attribute("custom:unheard_of"), "x".to_owned());
    let made = create(&stand, &wanted).await;
    if stand.pool_behaviour().differ(StackDifference::CreationMindsNoSchema) {
        assert_eq!(value(&read(&stand, &made?).await?, "custom:unheard_of"), Some("x"));
    } else {
        assert_eq!(kind(made), ErrorKind::Invalid);
        assert_eq!(stand.pool().read_name(&wanted.username).await?, None);
    }
    Ok(())
}

async fn an_immutable_attribute_is_set_at_creation<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, mut wanted) = request(&stand);
    wanted
        .attributes
        .extend(attributes(&[(resources::IMMUTABLE, "2026"), (resources::MUTABLE, "x")]));
    let account_ref = create(&stand, &wanted).await?;
    assert_eq!(read(&stand, &account_ref).await?.attributes, wanted.attributes);
    Ok(())
}

async fn a_creation_after_its_deadline_is_not_sent<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let late = stand.now() - DATE_RESOLUTION;
    assert_eq!(kind(stand.pool().create(&wanted, late).await), ErrorKind::NotSent);
    assert_eq!(stand.pool().read_name(&wanted.username).await?, None);
    assert_eq!(found(&stand, &Search::Email(email)).await?, []);
    stand.pool().create(&wanted, soon(&stand)).await?;
    Ok(())
}
