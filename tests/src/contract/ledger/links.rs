//! Links: one more account for a person, and two person records merged into one.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::record::{Lease, PersonRecord};
use poolbridge_core::side::Side;

use super::{NOON, TableStand, account, begun, found, held, kind, known, lease, next, taken};
use crate::contract::{Case, cases};

pub(super) fn cases<S: TableStand>() -> Vec<Case<S>> {
    cases![
        a_joined_account_leads_to_its_person,
        link_in_one_transaction_another_persons_account_is_not_joined,
        an_account_of_the_same_person_is_not_joined_again,
        join_under_lease_no_account_is_joined_without_the_lease,
        a_join_repeated_after_a_lost_answer_is_the_same_join,
        merge_halves_two_halves_become_one_person,
        the_absorbed_half_forwards_to_the_kept_person,
        a_half_that_absorbed_may_be_absorbed,
        no_merge_happens_without_both_leases,
        a_merge_repeated_after_a_lost_answer_is_the_same_merge,
        separated_accounts_lead_to_two_people,
        no_separation_happens_without_the_lease,
        another_persons_account_is_not_separated,
        separation_repeated_after_a_lost_answer_is_the_same_separation,
    ]
}

/// The person record with one more account, in the new pool.
fn joined(stand: &impl TableStand, record: &PersonRecord) -> PersonRecord {
    let mut joined = next(record);
    joined.accounts.new = Some(known(stand));
    joined
}

async fn a_joined_account_leads_to_its_person<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (record, lease) = held(&stand, Side::Old).await?;
    let wanted = joined(&stand, &record);
    stand.ledger().join(&wanted, &lease.owner, Side::New).await?;
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&wanted, side)).await?.as_ref(), Some(&wanted));
    }
    Ok(())
}

async fn link_in_one_transaction_another_persons_account_is_not_joined<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let other = begun(&stand, Side::New).await?;
    let (record, lease) = held(&stand, Side::Old).await?;
    let mut wanted = next(&record);
    wanted.accounts.new.clone_from(&other.accounts.new);
    let answer = stand.ledger().join(&wanted, &lease.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Exists);
    assert_eq!(stand.person(&record.id).await?, Some(record), "a part of it was written");
    let shared = account(&other, Side::New);
    assert_eq!(found(&stand, Side::New, &shared).await?, Some(other));
    Ok(())
}

async fn an_account_of_the_same_person_is_not_joined_again<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, lease) = held(&stand, Side::Old).await?;
    let first = joined(&stand, &record);
    stand.ledger().join(&first, &lease.owner, Side::New).await?;
    let answer = stand.ledger().join(&next(&first), &lease.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Exists);
    assert_eq!(stand.person(&record.id).await?, Some(first));
    Ok(())
}

async fn join_under_lease_no_account_is_joined_without_the_lease<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let theirs = lease(&stand, ours.free_at);
    let claimed = taken(&stand, &record, &theirs, ours.free_at).await?;
    let wanted = joined(&stand, &record);
    let answer = stand.ledger().join(&wanted, &ours.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    assert_eq!(stand.person(&record.id).await?, Some(claimed));
    let other = account(&wanted, Side::New);
    assert_eq!(found(&stand, Side::New, &other).await?, None, "a part of it was written");
    Ok(())
}

async fn a_join_repeated_after_a_lost_answer_is_the_same_join<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let mut wanted = joined(&stand, &record);
    wanted.lease = None;
    for _ in 0..2 {
        stand.ledger().join(&wanted, &ours.owner, Side::New).await?;
    }
    let claimed = taken(&stand, &wanted, &lease(&stand, NOON), NOON).await?;
    stand.ledger().join(&wanted, &ours.owner, Side::New).await?;
    assert_eq!(stand.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

/// Two one-sided people, the second one in the new pool, both under one lease of the case.
async fn halves(stand: &impl TableStand) -> anyhow::Result<(PersonRecord, PersonRecord, Lease)> {
    let (old, lease) = held(stand, Side::Old).await?;
    let new = begun(stand, Side::New).await?;
    let new = taken(stand, &new, &lease, NOON).await?;
    Ok((old, new, lease))
}

/// The record that stays after `absorbed` is merged into `kept`.
fn merged(kept: &PersonRecord, absorbed: &PersonRecord) -> PersonRecord {
    let mut merged = next(kept);
    for side in Side::BOTH {
        let account = merged.accounts.get_mut(side);
        if account.is_none() {
            account.clone_from(absorbed.accounts.get(side));
        }
    }
    merged
}

async fn merge_halves_two_halves_become_one_person<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (old, new, lease) = halves(&stand).await?;
    let kept = merged(&old, &new);
    stand.ledger().merge(&kept, &new, &lease.owner).await?;
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&kept, side)).await?.as_ref(), Some(&kept));
    }
    Ok(())
}

async fn the_absorbed_half_forwards_to_the_kept_person<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (old, new, ours) = halves(&stand).await?;
    let kept = merged(&old, &new);
    stand.ledger().merge(&kept, &new, &ours.owner).await?;
    assert_eq!(stand.person(&new.id).await?.as_ref(), Some(&kept), "forwarding is followed");
    for revision in [new.revision, new.revision + 1] {
        let claim = stand.ledger().claim(&new.id, revision, &ours, NOON).await?;
        assert_eq!(claim, Claim::Moved, "the absorbed half can be claimed");
    }
    let stored = stand.ledger().store(&next(&next(&new)), &ours.owner).await;
    assert_eq!(kind(stored), ErrorKind::Lost);
    let mut again = new.clone();
    again.accounts.new = Some(known(&stand));
    assert_eq!(kind(stand.ledger().begin(&again).await), ErrorKind::Exists);
    assert_eq!(stand.person(&new.id).await?, Some(kept));
    Ok(())
}

async fn a_half_that_absorbed_may_be_absorbed<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (mut first, second, lease) = halves(&stand).await?;
    // The old account is deleted. The merge carries only the new one along.
    first.accounts.old = None;
    let both = merged(&first, &second);
    stand.ledger().merge(&both, &second, &lease.owner).await?;
    let third = begun(&stand, Side::Old).await?;
    let third = taken(&stand, &third, &lease, NOON).await?;
    let all = merged(&third, &both);
    stand.ledger().merge(&all, &both, &lease.owner).await?;
    for id in [&first.id, &second.id, &third.id] {
        assert_eq!(stand.person(id).await?.as_ref(), Some(&all));
    }
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&all, side)).await?.as_ref(), Some(&all));
    }
    Ok(())
}

async fn no_merge_happens_without_both_leases<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (old, ours) = held(&stand, Side::Old).await?;
    let (new, theirs) = held(&stand, Side::New).await?;
    let kept = merged(&old, &new);
    for owner in [&ours.owner, &theirs.owner] {
        let answer = stand.ledger().merge(&kept, &new, owner).await;
        assert_eq!(kind(answer), ErrorKind::Lost);
    }
    for (side, half) in [(Side::Old, old), (Side::New, new)] {
        let sub = account(&half, side);
        assert_eq!(found(&stand, side, &sub).await?, Some(half), "a part of it was written");
    }
    Ok(())
}

async fn a_merge_repeated_after_a_lost_answer_is_the_same_merge<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (old, new, ours) = halves(&stand).await?;
    let mut kept = merged(&old, &new);
    kept.lease = None;
    for _ in 0..2 {
        stand.ledger().merge(&kept, &new, &ours.owner).await?;
    }
    let theirs = lease(&stand, NOON);
    let claimed = taken(&stand, &kept, &theirs, NOON).await?;
    stand.ledger().merge(&kept, &new, &ours.owner).await?;
    assert_eq!(stand.person(&new.id).await?.as_ref(), Some(&claimed));
    stand.ledger().store(&next(&claimed), &theirs.owner).await?;
    let answer = stand.ledger().merge(&kept, &new, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost, "another worker has written since");
    Ok(())
}

/// One person with two accounts, under a lease of the case, and the two people after the split.
async fn parting(
    stand: &impl TableStand,
) -> anyhow::Result<(PersonRecord, Lease, PersonRecord, PersonRecord)> {
    let (old, lease) = held(stand, Side::Old).await?;
    let whole = joined(stand, &old);
    stand.ledger().join(&whole, &lease.owner, Side::New).await?;
    let id = PersonId::from_nonce(stand.nonce());
    let halves = whole.separated(&id, NOON, NOON).ok_or_else(|| anyhow::anyhow!("not linked"))?;
    Ok((whole, lease, halves.old, halves.new))
}

async fn separated_accounts_lead_to_two_people<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (whole, ours, kept, parted) = parting(&stand).await?;
    stand.ledger().separate(&kept, &parted, &ours.owner).await?;
    assert_eq!(stand.person(&whole.id).await?.as_ref(), Some(&kept));
    assert_eq!(found(&stand, Side::Old, &account(&kept, Side::Old)).await?.as_ref(), Some(&kept));
    let there = found(&stand, Side::New, &account(&parted, Side::New)).await?;
    assert_eq!(there.as_ref(), Some(&parted));
    assert!(there.is_some_and(|it| it.apart.of(Side::Old).contains(&account(&kept, Side::Old))));
    // The two people can be joined again, and each can be claimed.
    let kept = taken(&stand, &kept, &ours, NOON).await?;
    let parted = taken(&stand, &parted, &ours, NOON).await?;
    let again = merged(&kept, &parted);
    stand.ledger().merge(&again, &parted, &ours.owner).await?;
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&again, side)).await?.as_ref(), Some(&again));
    }
    Ok(())
}

async fn no_separation_happens_without_the_lease<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (whole, _, kept, parted) = parting(&stand).await?;
    let other = lease(&stand, NOON);
    let answer = stand.ledger().separate(&kept, &parted, &other.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    for side in Side::BOTH {
        let there = found(&stand, side, &account(&whole, side)).await?;
        assert_eq!(there.as_ref(), Some(&whole), "a part of it was written");
    }
    assert_eq!(stand.person(&parted.id).await?, None, "a part of it was written");
    Ok(())
}

async fn another_persons_account_is_not_separated<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (whole, ours, kept, mut parted) = parting(&stand).await?;
    let other = begun(&stand, Side::New).await?;
    parted.accounts.new.clone_from(&other.accounts.new);
    let answer = stand.ledger().separate(&kept, &parted, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    assert_eq!(found(&stand, Side::New, &account(&other, Side::New)).await?, Some(other));
    assert_eq!(stand.person(&whole.id).await?, Some(whole), "a part of it was written");
    assert_eq!(stand.person(&parted.id).await?, None, "a part of it was written");
    Ok(())
}

async fn separation_repeated_after_a_lost_answer_is_the_same_separation<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (_, ours, kept, parted) = parting(&stand).await?;
    for _ in 0..2 {
        stand.ledger().separate(&kept, &parted, &ours.owner).await?;
    }
    assert_eq!(stand.person(&kept.id).await?.as_ref(), Some(&kept));
    assert_eq!(stand.person(&parted.id).await?.as_ref(), Some(&parted));
    let theirs = lease(&stand, NOON);
    let claimed = taken(&stand, &kept, &theirs, NOON).await?;
    stand.ledger().store(&next(&claimed), &theirs.owner).await?;
    let answer = stand.ledger().separate(&kept, &parted, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost, "another worker has written since");
    Ok(())
}
