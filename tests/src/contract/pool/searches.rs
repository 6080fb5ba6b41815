//! Searches: the result holds the accounts that were asked for and no others, whatever the value
//! is.

use anyhow::Context as _;
use poolbridge_core::account::Account;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Search;

use super::{PoolFixture, create, found, new_user, read, request, setting, username, word, write};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases};

pub(super) fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    cases![
        a_search_finds_the_current_holder_of_a_value,
        a_listing_shows_neither_groups_nor_factors,
        a_value_with_quotes_and_backslashes_is_searched_for_as_it_is,
        no_value_widens_its_search,
        value_that_no_filter_holds_is_found_by_its_prefix,
        username_search_is_case_sensitive,
    ]
}

async fn subs(fixture: &impl PoolFixture, search: &Search) -> anyhow::Result<Vec<Sub>> {
    let found = found(fixture, search).await?;
    Ok(found.into_iter().map(|account| account.sub).collect())
}

async fn a_search_finds_the_current_holder_of_a_value<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let word = word(&fixture);
    let phone = format!("+1{:010}", fixture.nonce() % 10_000_000_000);
    let action = setting(&[
        ("phone_number", &phone),
        ("phone_number_verified", "false"),
        ("preferred_username", &word),
    ]);
    write(&fixture, &account_ref, &action).await?;
    let name = read(&fixture, &account_ref).await?.username;
    for search in [
        Search::Email(email.clone()),
        Search::Phone(phone),
        Search::PreferredUsername(word.clone()),
        Search::Username(name),
    ] {
        assert_eq!(subs(&fixture, &search).await?, std::slice::from_ref(&account_ref.sub));
    }
    let moved = format!("new-{email}");
    let action = setting(&[("email", &moved), ("email_verified", "true")]);
    write(&fixture, &account_ref, &action).await?;
    assert_eq!(subs(&fixture, &Search::Email(moved)).await?, [account_ref.sub]);
    for no_match in [
        Search::Email(email.clone()),
        Search::Email(word.clone()),
        Search::Phone("+12065550199".to_owned()),
        Search::PreferredUsername(email),
        Search::Username(username(&word)),
    ] {
        assert_eq!(subs(&fixture, &no_match).await?, []);
    }
    Ok(())
}

async fn a_listing_shows_neither_groups_nor_factors<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (email, account_ref) = new_user(&fixture).await?;
    let whole = read(&fixture, &account_ref).await?;
    let listed = found(&fixture, &Search::Email(email)).await?;
    assert_eq!(listed, [Account { groups: None, factors: None, ..whole }]);
    Ok(())
}

async fn a_value_with_quotes_and_backslashes_is_searched_for_as_it_is<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let word = word(&fixture);
    for unusual in [format!("{word}\"q\""), format!("{word}\\b"), format!("{word}\\\"\\")] {
        let (_, account_ref) = new_user(&fixture).await?;
        write(&fixture, &account_ref, &setting(&[("preferred_username", &unusual)])).await?;
        let found = subs(&fixture, &Search::PreferredUsername(unusual)).await?;
        if fixture.pool_behaviour().differ(StackDifference::EscapesStay) {
            assert_eq!(found, []);
        } else {
            assert_eq!(found, [account_ref.sub]);
        }
    }
    Ok(())
}

async fn no_value_widens_its_search<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, _) = new_user(&fixture).await?;
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
        let found = subs(&fixture, &Search::Email(value)).await?;
        assert_eq!(found, [], "another account was found");
    }
    Ok(())
}

async fn value_that_no_filter_holds_is_found_by_its_prefix<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    // `preferred_username = "..."` has 23 characters around its value. An escaped character counts
    // twice.
    let longest = 256 - r#"preferred_username = """#.len();
    let name = word(&fixture);
    let filled = |letter: &str, units: usize| {
        let count = (longest - name.len()) / units + 40;
        format!("{name}{}", letter.repeat(count))
    };
    for value in [filled("x", 1), filled("\"", 2)] {
        let (_, account_ref) = new_user(&fixture).await?;
        write(&fixture, &account_ref, &setting(&[("preferred_username", &value)])).await?;
        let (_, other) = new_user(&fixture).await?;
        let longer = format!("{value}y");
        write(&fixture, &other, &setting(&[("preferred_username", &longer)])).await?;
        let escaped = value.contains('"');
        for (value, sub) in [(value.clone(), account_ref.sub), (longer, other.sub)] {
            let found = subs(&fixture, &Search::PreferredUsername(value)).await?;
            if escaped && fixture.pool_behaviour().differ(StackDifference::EscapesStay) {
                assert_eq!(found, []);
            } else {
                assert_eq!(found, [sub]);
            }
        }
        let no_match = Search::PreferredUsername(format!("{value}z"));
        assert_eq!(subs(&fixture, &no_match).await?, []);
    }
    Ok(())
}

async fn username_search_is_case_sensitive<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    if fixture.by_email() {
        return Ok(());
    }
    let (_, account_ref) = new_user(&fixture).await?;
    let name = account_ref.username.context("no name was answered")?;
    assert_eq!(subs(&fixture, &Search::Username(name.clone())).await?, [account_ref.sub]);
    let raised = username(&name.reveal().to_uppercase());
    assert_eq!(subs(&fixture, &Search::Username(raised)).await?, []);
    Ok(())
}
