//! Accounts that are deleted, and usernames that another account has now (`SameSub`).

use std::collections::BTreeMap;

use poolbridge_core::account::AccountRef;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::ports::{Pool, Search};
use poolbridge_core::profile::Factor;
use poolbridge_core::step::Action;

use super::{
    PoolStand, create, found, group, kind, read, request, setting, somebody, value, write,
};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases, resources};

pub(super) fn cases<S: PoolStand>() -> Vec<Case<S>> {
    cases![
        a_deleted_account_is_not_found,
        no_action_applies_to_a_deleted_account,
        same_sub_a_reused_username_shows_another_sub,
        an_account_is_deleted_once_and_for_all,
        same_sub_a_deletion_by_sub_spares_the_new_holder_of_the_address,
        another_account_reads_while_one_is_deleted,
    ]
}

async fn a_deleted_account_is_not_found<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let account_ref = create(&stand, &wanted).await?;
    let [staff, _] = resources::GROUPS.map(group);
    write(&stand, &account_ref, &Action::AddToGroup(staff)).await?;
    stand.delete(&account_ref).await?;
    let nameless = AccountRef { username: None, ..account_ref.clone() };
    for account_ref in [&account_ref, &nameless] {
        assert_eq!(stand.pool().read(account_ref).await?, None);
        let groups = stand.pool().groups(account_ref).await;
        assert_eq!(kind(groups), ErrorKind::AccountGone, "an empty list would mean: no member");
    }
    assert_eq!(stand.pool().read_name(&wanted.username).await?, None);
    assert_eq!(found(&stand, &Search::Email(email)).await?, []);
    Ok(())
}

async fn no_action_applies_to_a_deleted_account<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, account_ref) = somebody(&stand).await?;
    stand.delete(&account_ref).await?;
    let [staff, _] = resources::GROUPS.map(group);
    let update = setting(&[("given_name", "Nobody")]);
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
            update && stand.pool_behaviour().differ(StackDifference::UpdateOfNobodyIsDenied);
        let wanted = if denied { ErrorKind::Denied } else { ErrorKind::AccountGone };
        assert_eq!(kind(write(&stand, &account_ref, &action).await), wanted, "{action:?}");
    }
    // The local stack lacks both operations for every account. The adapter counts a missing
    // sign-out there as done, so that it blocks nothing else.
    let signed_out = write(&stand, &account_ref, &Action::SignOut).await;
    if stand.pool_behaviour().differ(StackDifference::NoSignOut) {
        signed_out?;
    } else {
        assert_eq!(kind(signed_out), ErrorKind::AccountGone);
    }
    let sms = Action::SetFactors(BTreeMap::from([(Factor::Sms, false)]));
    let lacking = stand.pool_behaviour().differ(StackDifference::NoFactors);
    let wanted = if lacking { ErrorKind::Invalid } else { ErrorKind::AccountGone };
    assert_eq!(kind(write(&stand, &account_ref, &sms).await), wanted);
    assert_eq!(stand.pool().read(&account_ref).await?, None, "an action created an account");
    Ok(())
}

async fn same_sub_a_reused_username_shows_another_sub<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&stand);
    let first = create(&stand, &wanted).await?;
    stand.delete(&first).await?;
    let second = create(&stand, &wanted).await?;
    assert_ne!(first.sub, second.sub, "a `sub` is never given twice");
    let found = stand.pool().read(&first).await?.map(|account| account.sub);
    let action = setting(&[("given_name", "Stranger")]);
    let written = write(&stand, &first, &action).await;
    if stand.by_email() {
        assert_eq!(found, None, "the `sub` is the name");
        let kind = kind(written);
        let denied = stand.pool_behaviour().differ(StackDifference::UpdateOfNobodyIsDenied);
        assert_eq!(kind, if denied { ErrorKind::Denied } else { ErrorKind::AccountGone });
        assert_eq!(value(&read(&stand, &second).await?, "given_name"), Some("Ann"));
    } else {
        // The pool knows usernames only: the caller must compare the `sub` before.
        assert_eq!(found, Some(second.sub.clone()));
        written?;
        assert_eq!(value(&read(&stand, &second).await?, "given_name"), Some("Stranger"));
    }
    let nameless = AccountRef { username: None, ..first };
    assert_eq!(stand.pool().read(&nameless).await?, None);
    Ok(())
}

async fn an_account_is_deleted_once_and_for_all<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = request(&stand);
    let account_ref = create(&stand, &wanted).await?;
    write(&stand, &account_ref, &Action::Disable).await?;
    write(&stand, &account_ref, &Action::Delete).await?;
    assert_eq!(stand.pool().read(&account_ref).await?, None);
    assert_eq!(found(&stand, &Search::Email(email)).await?, []);
    // An answer may be lost. The second call finds no account, which is the wanted state.
    write(&stand, &account_ref, &Action::Delete).await?;
    let nameless = AccountRef { username: None, ..account_ref };
    write(&stand, &nameless, &Action::Delete).await?;
    Ok(())
}

async fn same_sub_a_deletion_by_sub_spares_the_new_holder_of_the_address<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&stand);
    let first = create(&stand, &wanted).await?;
    write(&stand, &first, &Action::Delete).await?;
    let second = create(&stand, &wanted).await?;
    // Where the pool knows only the username, the caller compares the `sub` first. Without the
    // username, the adapter does that itself.
    let username = first.username.clone().filter(|_| stand.by_email());
    write(&stand, &AccountRef { username, ..first }, &Action::Delete).await?;
    assert_eq!(read(&stand, &second).await?.sub, second.sub);
    Ok(())
}

async fn another_account_reads_while_one_is_deleted<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, gone) = somebody(&stand).await?;
    let (_, other) = somebody(&stand).await?;
    write(&stand, &gone, &Action::Delete).await?;
    assert!(stand.pool().canary(&gone.sub).await?, "{} is there", other.sub);
    Ok(())
}
