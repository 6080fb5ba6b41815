//! Accounts that are deleted, and usernames that another account has now (`SameSub`, R21).

use std::collections::BTreeMap;

use poolbridge_core::account::Handle;
use poolbridge_core::facts::Factor;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::ports::{Pool, Search};
use poolbridge_core::step::Deed;

use super::{
    PoolStand, create, found, group, kind, newcomer, read, setting, somebody, value, write,
};
use crate::contract::difference::Difference;
use crate::contract::{Case, cases, ground};

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
    let (email, wanted) = newcomer(&stand);
    let handle = create(&stand, &wanted).await?;
    let [staff, _] = ground::GROUPS.map(group);
    write(&stand, &handle, &Deed::AddToGroup(staff)).await?;
    stand.delete(&handle).await?;
    let nameless = Handle { username: None, ..handle.clone() };
    for handle in [&handle, &nameless] {
        assert_eq!(stand.pool().read(handle).await?, None);
        let groups = stand.pool().groups(handle).await;
        assert_eq!(kind(groups), FaultKind::AccountGone, "an empty list would mean: no member");
    }
    assert_eq!(stand.pool().read_name(&wanted.username).await?, None);
    assert_eq!(found(&stand, &Search::Email(email)).await?, []);
    Ok(())
}

async fn no_action_applies_to_a_deleted_account<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, handle) = somebody(&stand).await?;
    stand.delete(&handle).await?;
    let [staff, _] = ground::GROUPS.map(group);
    let update = setting(&[("given_name", "Nobody")]);
    for deed in [
        Deed::Disable,
        Deed::Enable,
        Deed::AddToGroup(staff.clone()),
        Deed::RemoveFromGroup(staff),
        Deed::SetRandomPassword,
        update,
    ] {
        let update = matches!(deed, Deed::SetAttributes { .. });
        let denied = update && stand.manners().differ(Difference::UpdateOfNobodyIsDenied);
        let wanted = if denied { FaultKind::Denied } else { FaultKind::AccountGone };
        assert_eq!(kind(write(&stand, &handle, &deed).await), wanted, "{deed:?}");
    }
    // The local stack lacks both operations for every account. The adapter counts a missing
    // sign-out there as done, so that it blocks nothing else.
    let signed_out = write(&stand, &handle, &Deed::SignOut).await;
    if stand.manners().differ(Difference::NoSignOut) {
        signed_out?;
    } else {
        assert_eq!(kind(signed_out), FaultKind::AccountGone);
    }
    let sms = Deed::SetFactors(BTreeMap::from([(Factor::Sms, false)]));
    let lacking = stand.manners().differ(Difference::NoFactors);
    let wanted = if lacking { FaultKind::Invalid } else { FaultKind::AccountGone };
    assert_eq!(kind(write(&stand, &handle, &sms).await), wanted);
    assert_eq!(stand.pool().read(&handle).await?, None, "an action created an account");
    Ok(())
}

async fn same_sub_a_reused_username_shows_another_sub<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, wanted) = newcomer(&stand);
    let first = create(&stand, &wanted).await?;
    stand.delete(&first).await?;
    let second = create(&stand, &wanted).await?;
    assert_ne!(first.sub, second.sub, "a `sub` is never given twice");
    let found = stand.pool().read(&first).await?.map(|account| account.sub);
    let deed = setting(&[("given_name", "Stranger")]);
    let written = write(&stand, &first, &deed).await;
    if stand.by_email() {
        assert_eq!(found, None, "the `sub` is the name");
        let kind = kind(written);
        let denied = stand.manners().differ(Difference::UpdateOfNobodyIsDenied);
        assert_eq!(kind, if denied { FaultKind::Denied } else { FaultKind::AccountGone });
        assert_eq!(value(&read(&stand, &second).await?, "given_name"), Some("Ann"));
    } else {
        // The pool knows usernames only: the caller must compare the `sub` before.
        assert_eq!(found, Some(second.sub.clone()));
        written?;
        assert_eq!(value(&read(&stand, &second).await?, "given_name"), Some("Stranger"));
    }
    let nameless = Handle { username: None, ..first };
    assert_eq!(stand.pool().read(&nameless).await?, None);
    Ok(())
}

async fn an_account_is_deleted_once_and_for_all<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (email, wanted) = newcomer(&stand);
    let handle = create(&stand, &wanted).await?;
    write(&stand, &handle, &Deed::Disable).await?;
    write(&stand, &handle, &Deed::Delete).await?;
    assert_eq!(stand.pool().read(&handle).await?, None);
    assert_eq!(found(&stand, &Search::Email(email)).await?, []);
    // An answer may be lost. The second call finds no account, which is the wanted state.
    write(&stand, &handle, &Deed::Delete).await?;
    let nameless = Handle { username: None, ..handle };
    write(&stand, &nameless, &Deed::Delete).await?;
    Ok(())
}

async fn same_sub_a_deletion_by_sub_spares_the_new_holder_of_the_address<S: PoolStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, wanted) = newcomer(&stand);
    let first = create(&stand, &wanted).await?;
    write(&stand, &first, &Deed::Delete).await?;
    let second = create(&stand, &wanted).await?;
    // Where the pool knows only the username, the caller compares the `sub` first. Without the
    // username, the adapter does that itself.
    let username = first.username.clone().filter(|_| stand.by_email());
    write(&stand, &Handle { username, ..first }, &Deed::Delete).await?;
    assert_eq!(read(&stand, &second).await?.sub, second.sub);
    Ok(())
}

async fn another_account_reads_while_one_is_deleted<S: PoolStand>(stand: S) -> anyhow::Result<()> {
    let (_, gone) = somebody(&stand).await?;
    let (_, other) = somebody(&stand).await?;
    write(&stand, &gone, &Deed::Delete).await?;
    assert!(stand.pool().canary(&gone.sub).await?, "{} is there", other.sub);
    Ok(())
}
