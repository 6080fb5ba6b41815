//! Searches: what was asked for and nobody else, whatever the value looks like.

use poolbridge_core::account::Account;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Pool, Search};

use super::{PoolStand, create, newcomer, read, setting, somebody, username, word, write};
use crate::contract::difference::Difference;
use crate::contract::{Case, cases};

pub(super) fn cases<S: PoolStand>() -> Vec<Case<S>> {
    cases![
        a_search_finds_whoever_holds_the_value_now,
        a_listing_tells_neither_groups_nor_factors,
        a_value_with_quotes_and_backslashes_is_searched_for_as_it_is,
        no_value_widens_its_search,
    ]
}

async fn subs(stand: &impl PoolStand, search: &Search) -> anyhow::Result<Vec<Sub>> {
    let found = stand.pool().find(search).await?;
    Ok(found.into_iter().map(|account| account.sub).collect())
}

async fn a_search_finds_whoever_holds_the_value_now<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = newcomer(&stand);
    let handle = create(&stand, &wanted).await?;
    let word = word(&stand);
    let phone = format!("+1{:010}", stand.nonce() % 10_000_000_000);
    let deed = setting(&[
        ("phone_number", &phone),
        ("phone_number_verified", "false"),
        ("preferred_username", &word),
    ]);
    write(&stand, &handle, &deed).await?;
    let name = read(&stand, &handle).await?.username;
    for search in [
        Search::Email(email.clone()),
        Search::Phone(phone),
        Search::PreferredUsername(word.clone()),
        Search::Username(name),
    ] {
        assert_eq!(subs(&stand, &search).await?, std::slice::from_ref(&handle.sub));
    }
    let moved = format!("new-{email}");
    let deed = setting(&[("email", &moved), ("email_verified", "true")]);
    write(&stand, &handle, &deed).await?;
    assert_eq!(subs(&stand, &Search::Email(moved)).await?, [handle.sub]);
    for nobody in [
        Search::Email(email.clone()),
        Search::Email(word.clone()),
        Search::Phone("+12065550199".to_owned()),
        Search::PreferredUsername(email),
        Search::Username(username(&word)),
    ] {
        assert_eq!(subs(&stand, &nobody).await?, []);
    }
    Ok(())
}

async fn a_listing_tells_neither_groups_nor_factors<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, handle) = somebody(&stand).await?;
    let whole = read(&stand, &handle).await?;
    let listed = stand.pool().find(&Search::Email(email)).await?;
    assert_eq!(listed, [Account { groups: None, factors: None, ..whole }]);
    Ok(())
}

async fn a_value_with_quotes_and_backslashes_is_searched_for_as_it_is<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let word = word(&stand);
    for odd in [format!("{word}\"q\""), format!("{word}\\b"), format!("{word}\\\"\\")] {
        let (_, handle) = somebody(&stand).await?;
        write(&stand, &handle, &setting(&[("preferred_username", &odd)])).await?;
        let found = subs(&stand, &Search::PreferredUsername(odd)).await?;
        if stand.manners().differ(Difference::EscapesStay) {
            assert_eq!(found, []);
        } else {
            assert_eq!(found, [handle.sub]);
        }
    }
    Ok(())
}

async fn no_value_widens_its_search<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, _) = somebody(&stand).await?;
    for value in [
        format!("{email}\""),
        format!("{email}\\"),
        format!("\" or email = \"{email}"),
        format!("x\" email ^= \"{}", &email[..4]),
        "*".to_owned(),
        "\"".to_owned(),
        "\\".to_owned(),
        email[..email.len() - 1].to_owned(),
    ] {
        let found = subs(&stand, &Search::Email(value)).await?;
        assert_eq!(found, [], "somebody else was found");
    }
    Ok(())
}
