//! Listings: each account once, by the first characters of the `sub` or by group, as the sweep
//! asks.

use std::collections::BTreeSet;

use anyhow::Context as _;
use poolbridge_core::account::{Account, AccountRef};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::Sub;
use poolbridge_core::step::Action;
use poolbridge_sweep_core::ports::{AccountLister, PageStream};
use poolbridge_sweep_core::shard::Prefix;

use super::{PoolFixture, group, new_user, read, write};
use crate::contract::{Case, cases, resources};

/// A listing of a few accounts must end before this many pages.
const PAGES_MAX: usize = 1_000;

pub(super) fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    cases![
        a_listing_shows_each_account_once,
        a_listing_by_prefix_shows_only_matching_accounts,
        a_listing_shows_what_a_read_shows_but_for_factors,
        a_listing_of_a_group_shows_only_its_members,
        a_missing_group_cannot_be_listed,
    ]
}

/// All items of a listing, page after page.
async fn all<T>(mut pages: impl PageStream<T>) -> Result<Vec<T>, PortError> {
    let mut shown = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await? else { return Ok(shown) };
        assert_eq!(page.unreadable, 0, "an account that cannot be understood");
        shown.extend(page.read);
    }
    panic!("a listing without an end");
}

async fn accounts(fixture: &impl PoolFixture, letters: &str) -> anyhow::Result<Vec<Account>> {
    Ok(all(fixture.lister().accounts(&Prefix::new(letters))).await?)
}

async fn some(fixture: &impl PoolFixture, count: usize) -> anyhow::Result<Vec<AccountRef>> {
    let mut account_refs = Vec::new();
    for _ in 0..count {
        account_refs.push(new_user(fixture).await?.1);
    }
    Ok(account_refs)
}

async fn a_listing_shows_each_account_once<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let account_refs = some(&fixture, 5).await?;
    let listed = accounts(&fixture, "").await?;
    let subs: BTreeSet<&Sub> = listed.iter().map(|account| &account.sub).collect();
    assert_eq!(subs.len(), listed.len(), "an account is shown twice");
    assert!(
        account_refs.iter().all(|account_ref| subs.contains(&account_ref.sub)),
        "an account is not shown"
    );
    Ok(())
}

async fn a_listing_by_prefix_shows_only_matching_accounts<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let account_refs = some(&fixture, 3).await?;
    for account_ref in &account_refs {
        for length in [1, 2, 3] {
            let letters: String = account_ref.sub.as_str().chars().take(length).collect();
            let listed = accounts(&fixture, &letters).await?;
            let shown = listed.iter().filter(|account| account.sub == account_ref.sub).count();
            assert_eq!(shown, 1, "by {letters}");
            let prefix = Prefix::new(letters);
            assert!(
                listed.iter().all(|account| prefix.holds(&account.sub)),
                "an account outside the prefix"
            );
        }
    }
    assert_eq!(accounts(&fixture, "zz").await?, []);
    Ok(())
}

async fn a_listing_shows_what_a_read_shows_but_for_factors<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    write(&fixture, &account_ref, &Action::Disable).await?;
    let whole = read(&fixture, &account_ref).await?;
    let mut listed = accounts(&fixture, account_ref.sub.as_str()).await?;
    // Generated subs may be the prefix of others.
    listed.retain(|account| account.sub == account_ref.sub);
    assert_eq!(listed, [Account { groups: None, factors: None, ..whole }]);
    Ok(())
}

async fn a_listing_of_a_group_shows_only_its_members<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let account_refs = some(&fixture, 3).await?;
    let name = group(resources::GROUPS[1]);
    let (_, non_member) = new_user(&fixture).await?;
    for account_ref in &account_refs {
        write(&fixture, account_ref, &Action::AddToGroup(name.clone())).await?;
    }
    let listed = all(fixture.lister().members(&name)).await?;
    let subs: BTreeSet<&Sub> = listed.iter().collect();
    assert_eq!(subs.len(), listed.len(), "an account is shown twice");
    assert!(
        account_refs.iter().all(|account_ref| subs.contains(&account_ref.sub)),
        "a member is not shown"
    );
    assert!(!subs.contains(&non_member.sub), "a non-member is shown");
    let gone = account_refs.first().context("there are three")?;
    write(&fixture, gone, &Action::RemoveFromGroup(name.clone())).await?;
    let listed = all(fixture.lister().members(&name)).await?;
    assert!(!listed.contains(&gone.sub), "a former member is still shown");
    assert!(account_refs.iter().skip(1).all(|account_ref| listed.contains(&account_ref.sub)));
    Ok(())
}

async fn a_missing_group_cannot_be_listed<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let answer = all(fixture.lister().members(&group("never-created"))).await;
    assert_eq!(super::kind(answer), ErrorKind::Missing);
    Ok(())
}
