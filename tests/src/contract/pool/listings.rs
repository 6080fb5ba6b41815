//! Listings: each account once, by the first characters of the `sub` or by group, as the sweep
//! asks.

use std::collections::BTreeSet;

use anyhow::Context as _;
use poolbridge_core::account::{Account, Handle};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::Sub;
use poolbridge_core::step::Deed;
use poolbridge_core::sweep::ports::{Chain, Roster};
use poolbridge_core::sweep::shard::Prefix;

use super::{PoolStand, group, read, somebody, write};
use crate::contract::{Case, cases, ground};

/// A listing of a few accounts must end before this many pages.
const PAGES_MAX: usize = 1_000;

pub(super) fn cases<S: PoolStand>() -> Vec<Case<S>> {
    cases![
        a_listing_shows_each_account_once,
        a_listing_by_prefix_shows_only_matching_accounts,
        a_listing_shows_what_a_read_shows_but_for_factors,
        a_listing_of_a_group_shows_only_its_members,
        a_missing_group_cannot_be_listed,
    ]
}

/// All items of a listing, page after page.
async fn all<T>(mut chain: impl Chain<T>) -> Result<Vec<T>, Fault> {
    let mut shown = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(page) = chain.next().await? else { return Ok(shown) };
        assert_eq!(page.unreadable, 0, "an account that cannot be understood");
        shown.extend(page.read);
    }
    panic!("a listing without an end");
}

async fn accounts(stand: &impl PoolStand, letters: &str) -> anyhow::Result<Vec<Account>> {
    Ok(all(stand.roster().accounts(&Prefix::new(letters))).await?)
}

async fn some(stand: &impl PoolStand, count: usize) -> anyhow::Result<Vec<Handle>> {
    let mut handles = Vec::new();
    for _ in 0..count {
        handles.push(somebody(stand).await?.1);
    }
    Ok(handles)
}

async fn a_listing_shows_each_account_once<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let handles = some(&stand, 5).await?;
    let listed = accounts(&stand, "").await?;
    let subs: BTreeSet<&Sub> = listed.iter().map(|account| &account.sub).collect();
    assert_eq!(subs.len(), listed.len(), "an account is shown twice");
    assert!(handles.iter().all(|handle| subs.contains(&handle.sub)), "an account is not shown");
    Ok(())
}

async fn a_listing_by_prefix_shows_only_matching_accounts<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let handles = some(&stand, 3).await?;
    for handle in &handles {
        for length in [1, 2, 3] {
            let letters: String = handle.sub.as_str().chars().take(length).collect();
            let listed = accounts(&stand, &letters).await?;
            let shown = listed.iter().filter(|account| account.sub == handle.sub).count();
            assert_eq!(shown, 1, "by {letters}");
            let prefix = Prefix::new(letters);
            assert!(
                listed.iter().all(|account| prefix.holds(&account.sub)),
                "an account outside the prefix"
            );
        }
    }
    assert_eq!(accounts(&stand, "zz").await?, []);
    Ok(())
}

async fn a_listing_shows_what_a_read_shows_but_for_factors<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, handle) = somebody(&stand).await?;
    write(&stand, &handle, &Deed::Disable).await?;
    let whole = read(&stand, &handle).await?;
    let mut listed = accounts(&stand, handle.sub.as_str()).await?;
    // Generated subs may be the prefix of others.
    listed.retain(|account| account.sub == handle.sub);
    assert_eq!(listed, [Account { groups: None, factors: None, ..whole }]);
    Ok(())
}

async fn a_listing_of_a_group_shows_only_its_members<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let handles = some(&stand, 3).await?;
    let name = group(ground::GROUPS[1]);
    let (_, outsider) = somebody(&stand).await?;
    for handle in &handles {
        write(&stand, handle, &Deed::AddToGroup(name.clone())).await?;
    }
    let listed = all(stand.roster().members(&name)).await?;
    let subs: BTreeSet<&Sub> = listed.iter().collect();
    assert_eq!(subs.len(), listed.len(), "an account is shown twice");
    assert!(handles.iter().all(|handle| subs.contains(&handle.sub)), "a member is not shown");
    assert!(!subs.contains(&outsider.sub), "an outsider is shown");
    let gone = handles.first().context("there are three")?;
    write(&stand, gone, &Deed::RemoveFromGroup(name.clone())).await?;
    let listed = all(stand.roster().members(&name)).await?;
    assert!(!listed.contains(&gone.sub), "a former member is still shown");
    assert!(handles.iter().skip(1).all(|handle| listed.contains(&handle.sub)));
    Ok(())
}

async fn a_missing_group_cannot_be_listed<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let answer = all(stand.roster().members(&group("nobody-made-it"))).await;
    assert_eq!(super::kind(answer), FaultKind::Missing);
    Ok(())
}
