//! Accounts that are deleted, and usernames that another account has now (`SameSub`).

use std::collections::BTreeMap;

use poolbridge_core::account::AccountRef;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::ports::{Pool, Search};
use poolbridge_core::profile::Factor;
use poolbridge_core::step::Action;

use super::{
    PoolFixture, create, found, group, kind, new_user, read, request, setting, value, write,
};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases, resources};

pub(super) fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    cases![
        a_deleted_account_is_not_found,
        no_action_applies_to_a_deleted_account,
        same_sub_a_reused_username_shows_another_sub,
        an_account_is_deleted_once_and_for_all,
        same_sub_a_deletion_by_sub_spares_the_new_holder_of_the_address,
        another_account_reads_while_one_is_deleted,
    ]
}

async fn a_deleted_account_is_not_found<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let [staff, _] = resources::GROUPS.map(group);
    write(&fixture, &account_ref, &Action::AddToGroup(staff)).await?;
    fixture.delete(&account_ref).await?;
    let nameless = AccountRef { username: None, ..account_ref.clone() };
    for account_ref in [&account_ref, &nameless] {
        assert_eq!(fixture.pool().read(account_ref).await?, None);
        let groups = fixture.pool().groups(account_ref).await;
        assert_eq!(kind(groups), ErrorKind::AccountGone, "an empty list would mean: no member");
    }
    assert_eq!(fixture.pool().read_name(&wanted.username).await?, None);
    assert_eq!(found(&fixture, &Search::Email(email)).await?, []);
    Ok(())
}

async fn no_action_applies_to_a_deleted_account<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    fixture.delete(&account_ref).await?;
    let [staff, _] = resources::GROUPS.map(group);
    let update = setting(&[("given_name", "Changed")]);
    for action in [
        Action::Disable,
        Action::Enable,
        Action::AddToGroup(staff.clone()),
        Action::RemoveFromGroup(staff),
        Action::SetRandomPassword,
        update,
    ] {
        let update = matches!(action, Action::SetAttributes { .. });
        let denied =
            update && fixture.pool_behaviour().differ(StackDifference::UpdateOfMissingUserIsDenied);
        let wanted = if denied { ErrorKind::Denied } else { ErrorKind::AccountGone };
        assert_eq!(kind(write(&fixture, &account_ref, &action).await), wanted, "{action:?}");
    }
    // The local stack lacks both operations for every account. The adapter counts a missing
    // sign-out there as done, so that it blocks nothing else.
    let signed_out = write(&fixture, &account_ref, &Action::SignOut).await;
    if fixture.pool_behaviour().differ(StackDifference::NoSignOut) {
        signed_out?;
    } else {
        assert_eq!(kind(signed_out), ErrorKind::AccountGone);
    }
    let sms = Action::SetFactors(BTreeMap::from([(Factor::Sms, false)]));
    let lacking = fixture.pool_behaviour().differ(StackDifference::NoFactors);
    let wanted = if lacking { ErrorKind::Invalid } else { ErrorKind::AccountGone };
    assert_eq!(kind(write(&fixture, &account_ref, &sms).await), wanted);
    assert_eq!(fixture.pool().read(&account_ref).await?, None, "an action created an account");
    Ok(())
}

async fn same_sub_a_reused_username_shows_another_sub<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let first = create(&fixture, &wanted).await?;
    fixture.delete(&first).await?;
    let second = create(&fixture, &wanted).await?;
    assert_ne!(first.sub, second.sub, "a `sub` is never given twice");
    let found = fixture.pool().read(&first).await?.map(|account| account.sub);
    let action = setting(&[("given_name", "Other")]);
    let written = write(&fixture, &first, &action).await;
    if fixture.by_email() {
        assert_eq!(found, None, "the `sub` is the name");
        let kind = kind(written);
        let denied = fixture.pool_behaviour().differ(StackDifference::UpdateOfMissingUserIsDenied);
        assert_eq!(kind, if denied { ErrorKind::Denied } else { ErrorKind::AccountGone });
        assert_eq!(value(&read(&fixture, &second).await?, "given_name"), Some("Ann"));
    } else {
        // The pool knows usernames only: the caller must compare the `sub` before.
        assert_eq!(found, Some(second.sub.clone()));
        written?;
        assert_eq!(value(&read(&fixture, &second).await?, "given_name"), Some("Other"));
    }
    let nameless = AccountRef { username: None, ..first };
    assert_eq!(fixture.pool().read(&nameless).await?, None);
    Ok(())
}

async fn an_account_is_deleted_once_and_for_all<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    write(&fixture, &account_ref, &Action::Disable).await?;
    write(&fixture, &account_ref, &Action::Delete).await?;
    assert_eq!(fixture.pool().read(&account_ref).await?, None);
    assert_eq!(found(&fixture, &Search::Email(email)).await?, []);
    // An answer may be lost. The second call finds no account, which is the wanted state.
    write(&fixture, &account_ref, &Action::Delete).await?;
    let nameless = AccountRef { username: None, ..account_ref };
    write(&fixture, &nameless, &Action::Delete).await?;
    Ok(())
}

async fn same_sub_a_deletion_by_sub_spares_the_new_holder_of_the_address<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let first = create(&fixture, &wanted).await?;
    write(&fixture, &first, &Action::Delete).await?;
    let second = create(&fixture, &wanted).await?;
    // Where the pool knows only the username, the caller compares the `sub` first. Without the
    // username, the adapter does that itself.
    let username = first.username.clone().filter(|_| fixture.by_email());
    write(&fixture, &AccountRef { username, ..first }, &Action::Delete).await?;
    assert_eq!(read(&fixture, &second).await?.sub, second.sub);
    Ok(())
}

async fn another_account_reads_while_one_is_deleted<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, gone) = new_user(&fixture).await?;
    let (_, other) = new_user(&fixture).await?;
    write(&fixture, &gone, &Action::Delete).await?;
    assert!(fixture.pool().canary(&gone.sub).await?, "{} is there", other.sub);
    Ok(())
}
