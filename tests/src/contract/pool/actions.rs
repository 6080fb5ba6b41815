//! Actions: each is idempotent, and the pool refuses it as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::{Account, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::ports::Pool;
use poolbridge_core::profile::Factor;
use poolbridge_core::step::Action;
use tokio::task::JoinSet;

use super::{
    DATE_RESOLUTION, PoolFixture, create, group, kind, new_user, read, request, setting, value,
    write, write_twice,
};
use crate::contract::difference::StackDifference;
use crate::contract::{Case, cases, resources};

pub(super) fn cases<S: PoolFixture>() -> Vec<Case<S>> {
    cases![
        attributes_are_set_and_others_stay,
        a_blank_value_deletes,
        an_address_travels_with_its_flag,
        an_address_without_its_flag_is_unproved,
        a_flag_without_its_address_is_taken,
        both_halves_of_an_address_are_deleted_together,
        an_update_with_one_bad_attribute_writes_none,
        a_value_that_is_too_long_is_refused,
        invariant_13_the_sign_in_address_of_another_account_is_not_taken,
        updates_of_different_attributes_at_once_all_survive,
        a_disabled_account_is_seen_to_be_disabled,
        a_member_is_added_and_removed,
        a_missing_group_accepts_no_member,
        a_random_password_confirms,
        factors_that_the_pool_does_not_offer_are_refused,
        an_account_is_signed_out_twice,
        writes_move_the_modified_date_and_memberships_do_not,
        lease_outlasts_write_an_action_after_its_deadline_is_not_sent,
    ]
}

async fn attributes_are_set_and_others_stay<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, account_ref) = new_user(&fixture).await?;
    let action = setting(&[("given_name", "Anna \"é\\"), (resources::MUTABLE, "x=1, y='2'")]);
    let found = write_twice(&fixture, &account_ref, &action).await?;
    assert_eq!(value(&found, "given_name"), Some("Anna \"é\\"));
    assert_eq!(value(&found, resources::MUTABLE), Some("x=1, y='2'"));
    assert_eq!(value(&found, "email"), Some(email.as_str()));
    assert_eq!(value(&found, "email_verified"), Some("true"));
    Ok(())
}

async fn a_blank_value_deletes<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let action = setting(&[("given_name", ""), ("family_name", "Lee"), ("nickname", "")]);
    let found = write_twice(&fixture, &account_ref, &action).await?;
    assert_eq!(value(&found, "given_name"), None);
    assert_eq!(value(&found, "nickname"), None, "one that was never there");
    assert_eq!(value(&found, "family_name"), Some("Lee"));
    Ok(())
}

async fn an_address_travels_with_its_flag<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, account_ref) = new_user(&fixture).await?;
    let moved = format!("new-{email}");
    let action = setting(&[
        ("email", &moved),
        ("email_verified", "true"),
        ("phone_number", "+12065550100"),
        ("phone_number_verified", "true"),
    ]);
    let found = write_twice(&fixture, &account_ref, &action).await?;
    assert_eq!(value(&found, "email"), Some(moved.as_str()));
    assert_eq!(value(&found, "email_verified"), Some("true"));
    assert_eq!(value(&found, "phone_number"), Some("+12065550100"));
    assert_eq!(value(&found, "phone_number_verified"), Some("true"));
    Ok(())
}

async fn an_address_without_its_flag_is_unproved<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, account_ref) = new_user(&fixture).await?;
    let moved = format!("new-{email}");
    let found = write_twice(&fixture, &account_ref, &setting(&[("email", &moved)])).await?;
    assert_eq!(value(&found, "email"), Some(moved.as_str()));
    assert_ne!(value(&found, "email_verified"), Some("true"), "another address was verified");
    Ok(())
}

async fn a_flag_without_its_address_is_taken<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (email, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    let action = setting(&[("email_verified", "false")]);
    if fixture.pool_behaviour().differ(StackDifference::FlagNeedsAddress) {
        assert_eq!(kind(write(&fixture, &account_ref, &action).await), ErrorKind::Invalid);
        assert_eq!(read(&fixture, &account_ref).await?, before);
        return Ok(());
    }
    let found = write_twice(&fixture, &account_ref, &action).await?;
    assert_eq!(value(&found, "email_verified"), Some("false"));
    assert_eq!(value(&found, "email"), Some(email.as_str()));
    Ok(())
}

async fn both_halves_of_an_address_are_deleted_together<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let phone = setting(&[("phone_number", "+12065550100"), ("phone_number_verified", "true")]);
    write(&fixture, &account_ref, &phone).await?;
    let action = setting(&[("phone_number", ""), ("phone_number_verified", "")]);
    let found = write_twice(&fixture, &account_ref, &action).await?;
    assert_eq!(value(&found, "phone_number"), None);
    assert_eq!(value(&found, "phone_number_verified"), None);
    Ok(())
}

async fn an_update_with_one_bad_attribute_writes_none<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    for bad in [resources::IMMUTABLE, "custom:unheard_of", "sub"] {
        let action = setting(&[("given_name", "Eve"), (bad, "x"), ("nickname", "e")]);
        assert_eq!(kind(write(&fixture, &account_ref, &action).await), ErrorKind::Invalid, "{bad}");
        assert_eq!(read(&fixture, &account_ref).await?, before, "{bad}");
    }
    Ok(())
}

async fn a_value_that_is_too_long_is_refused<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let longest = "ü".repeat(2_048);
    let found = write_twice(&fixture, &account_ref, &setting(&[("nickname", &longest)])).await?;
    assert_eq!(value(&found, "nickname"), Some(longest.as_str()));
    let longer = "x".repeat(2_049);
    let written = write(&fixture, &account_ref, &setting(&[("nickname", &longer)])).await;
    if fixture.pool_behaviour().differ(StackDifference::ValuesHaveNoLimit) {
        written?;
        assert_eq!(value(&read(&fixture, &account_ref).await?, "nickname"), Some(longer.as_str()));
    } else {
        assert_eq!(kind(written), ErrorKind::Invalid);
        assert_eq!(read(&fixture, &account_ref).await?, found);
    }
    Ok(())
}

async fn invariant_13_the_sign_in_address_of_another_account_is_not_taken<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (theirs, holder) = new_user(&fixture).await?;
    let (_, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    let action = setting(&[("email", &theirs), ("email_verified", "true"), ("nickname", "e")]);
    let written = write(&fixture, &account_ref, &action).await;
    let unique = fixture.by_email()
        && !fixture.pool_behaviour().differ(StackDifference::AddressesAreNotUnique);
    if unique {
        assert_eq!(kind(written), ErrorKind::Exists);
        assert_eq!(read(&fixture, &account_ref).await?, before);
    } else {
        written?;
        assert_eq!(value(&read(&fixture, &account_ref).await?, "email"), Some(theirs.as_str()));
    }
    assert_eq!(value(&read(&fixture, &holder).await?, "email"), Some(theirs.as_str()));
    Ok(())
}

async fn updates_of_different_attributes_at_once_all_survive<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let names = ["given_name", "family_name", "nickname", "locale", resources::MUTABLE];
    let mut updates = JoinSet::new();
    for name in names {
        let (fixture, account_ref) = (fixture.clone(), account_ref.clone());
        updates.spawn(async move {
            let action = setting(&[(name, &format!("the {name}"))]);
            write(&fixture, &account_ref, &action).await
        });
    }
    while let Some(done) = updates.join_next().await {
        done??;
    }
    let found = read(&fixture, &account_ref).await?;
    for name in names {
        assert_eq!(value(&found, name), Some(&*format!("the {name}")));
    }
    Ok(())
}

async fn a_disabled_account_is_seen_to_be_disabled<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    let disabled = write_twice(&fixture, &account_ref, &Action::Disable).await?;
    assert_eq!(disabled, Account { enabled: false, modified: disabled.modified, ..before.clone() });
    let enabled = write_twice(&fixture, &account_ref, &Action::Enable).await?;
    assert_eq!(enabled, Account { modified: enabled.modified, ..before });
    Ok(())
}

async fn a_member_is_added_and_removed<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let (_, unrelated_account) = new_user(&fixture).await?;
    let [first, second] = resources::GROUPS.map(group);
    let groups = async || fixture.pool().groups(&account_ref).await;
    assert_eq!(groups().await?, BTreeSet::new());
    write_twice(&fixture, &account_ref, &Action::AddToGroup(second.clone())).await?;
    assert_eq!(groups().await?, BTreeSet::from([second.clone()]));
    write_twice(&fixture, &account_ref, &Action::AddToGroup(first.clone())).await?;
    assert_eq!(groups().await?, BTreeSet::from([first.clone(), second.clone()]));
    // Neither a write nor a read needs the username.
    let nameless = poolbridge_core::account::AccountRef { username: None, ..account_ref.clone() };
    write_twice(&fixture, &nameless, &Action::RemoveFromGroup(second)).await?;
    assert_eq!(fixture.pool().groups(&nameless).await?, BTreeSet::from([first.clone()]));
    assert_eq!(groups().await?, BTreeSet::from([first]));
    assert_eq!(fixture.pool().groups(&unrelated_account).await?, BTreeSet::new());
    Ok(())
}

async fn a_missing_group_accepts_no_member<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let missing = group("never-created");
    for action in [Action::AddToGroup(missing.clone()), Action::RemoveFromGroup(missing)] {
        assert_eq!(
            kind(write(&fixture, &account_ref, &action).await),
            ErrorKind::Missing,
            "{action:?}"
        );
    }
    assert_eq!(fixture.pool().groups(&account_ref).await?, BTreeSet::new());
    Ok(())
}

async fn a_random_password_confirms<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    let found = write_twice(&fixture, &account_ref, &Action::SetRandomPassword).await?;
    let wanted = Account { status: Status::Confirmed, modified: found.modified, ..before };
    assert_eq!(found, wanted);
    Ok(())
}

async fn factors_that_the_pool_does_not_offer_are_refused<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let before = read(&fixture, &account_ref).await?;
    let action = Action::SetFactors(BTreeMap::from([(Factor::Sms, true)]));
    let error = write(&fixture, &account_ref, &action).await.expect_err("the pool has no factors");
    assert_eq!(error.kind, ErrorKind::Invalid);
    if fixture.pool_behaviour().differ(StackDifference::NoFactors) {
        assert_eq!(error.code.as_deref(), Some("Unsupported"));
    }
    assert_eq!(read(&fixture, &account_ref).await?, before);
    write(&fixture, &account_ref, &Action::SetFactors(BTreeMap::new())).await?;
    Ok(())
}

async fn an_account_is_signed_out_twice<S: PoolFixture>(fixture: S) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    write_twice(&fixture, &account_ref, &Action::SignOut).await?;
    Ok(())
}

async fn writes_move_the_modified_date_and_memberships_do_not<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, account_ref) = new_user(&fixture).await?;
    let [staff, _] = resources::GROUPS.map(group);
    let mut seen = read(&fixture, &account_ref).await?.modified;
    for (action, moves) in [
        (setting(&[("nickname", "a")]), true),
        (Action::AddToGroup(staff), false),
        (Action::Disable, true),
        (Action::SetRandomPassword, true),
    ] {
        // Cognito may cut dates to seconds.
        fixture.wait(DATE_RESOLUTION + DATE_RESOLUTION / 20).await;
        write(&fixture, &account_ref, &action).await?;
        let modified = read(&fixture, &account_ref).await?.modified;
        assert_eq!(modified > seen, moves, "{action:?}");
        assert!(modified <= fixture.now() + DATE_RESOLUTION);
        seen = modified;
    }
    Ok(())
}

async fn lease_outlasts_write_an_action_after_its_deadline_is_not_sent<S: PoolFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let before = read(&fixture, &account_ref).await?;
    let [staff, _] = resources::GROUPS.map(group);
    for action in [
        setting(&[("given_name", "Late")]),
        Action::Disable,
        Action::AddToGroup(staff),
        Action::SetRandomPassword,
        Action::SetFactors(BTreeMap::from([(Factor::Sms, true)])),
        Action::SignOut,
    ] {
        let late = fixture.now() - DATE_RESOLUTION;
        let written = fixture.pool().write(&account_ref, &action, late).await;
        assert_eq!(kind(written), ErrorKind::NotSent, "{action:?}");
    }
    assert_eq!(read(&fixture, &account_ref).await?, before);
    assert_eq!(fixture.pool().groups(&account_ref).await?, BTreeSet::new());
    Ok(())
}
