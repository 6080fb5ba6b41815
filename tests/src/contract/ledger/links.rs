//! Links: one more account for a person, and two person records merged into one.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::record::{Lease, PersonRecord};
use poolbridge_core::side::Side;

use super::{NOON, TableFixture, account, begun, found, held, kind, known, lease, next, taken};
use crate::contract::{Case, cases};

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
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
fn joined(fixture: &impl TableFixture, record: &PersonRecord) -> PersonRecord {
    let mut joined = next(record);
    joined.accounts.new = Some(known(fixture));
    joined
}

async fn a_joined_account_leads_to_its_person<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, lease) = held(&fixture, Side::Old).await?;
    let wanted = joined(&fixture, &record);
    fixture.ledger().join(&wanted, &lease.owner, Side::New).await?;
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&wanted, side)).await?.as_ref(), Some(&wanted));
    }
    Ok(())
}

async fn link_in_one_transaction_another_persons_account_is_not_joined<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let other = begun(&fixture, Side::New).await?;
    let (record, lease) = held(&fixture, Side::Old).await?;
    let mut wanted = next(&record);
    wanted.accounts.new.clone_from(&other.accounts.new);
    let answer = fixture.ledger().join(&wanted, &lease.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Exists);
    assert_eq!(fixture.person(&record.id).await?, Some(record), "a part of it was written");
    let shared = account(&other, Side::New);
    assert_eq!(found(&fixture, Side::New, &shared).await?, Some(other));
    Ok(())
}

async fn an_account_of_the_same_person_is_not_joined_again<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, lease) = held(&fixture, Side::Old).await?;
    let first = joined(&fixture, &record);
    fixture.ledger().join(&first, &lease.owner, Side::New).await?;
    let answer = fixture.ledger().join(&next(&first), &lease.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Exists);
    assert_eq!(fixture.person(&record.id).await?, Some(first));
    Ok(())
}

async fn join_under_lease_no_account_is_joined_without_the_lease<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let theirs = lease(&fixture, ours.free_at);
    let claimed = taken(&fixture, &record, &theirs, ours.free_at).await?;
    let wanted = joined(&fixture, &record);
    let answer = fixture.ledger().join(&wanted, &ours.owner, Side::New).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    assert_eq!(fixture.person(&record.id).await?, Some(claimed));
    let other = account(&wanted, Side::New);
    assert_eq!(found(&fixture, Side::New, &other).await?, None, "a part of it was written");
    Ok(())
}

async fn a_join_repeated_after_a_lost_answer_is_the_same_join<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let mut wanted = joined(&fixture, &record);
    wanted.lease = None;
    for _ in 0..2 {
        fixture.ledger().join(&wanted, &ours.owner, Side::New).await?;
    }
    let claimed = taken(&fixture, &wanted, &lease(&fixture, NOON), NOON).await?;
    fixture.ledger().join(&wanted, &ours.owner, Side::New).await?;
    assert_eq!(fixture.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

/// Two one-sided people, the second one in the new pool, both under one lease of the case.
async fn halves(
    fixture: &impl TableFixture,
) -> anyhow::Result<(PersonRecord, PersonRecord, Lease)> {
    let (old, lease) = held(fixture, Side::Old).await?;
    let new = begun(fixture, Side::New).await?;
    let new = taken(fixture, &new, &lease, NOON).await?;
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

async fn merge_halves_two_halves_become_one_person<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (old, new, lease) = halves(&fixture).await?;
    let kept = merged(&old, &new);
    fixture.ledger().merge(&kept, &new, &lease.owner).await?;
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&kept, side)).await?.as_ref(), Some(&kept));
    }
    Ok(())
}

async fn the_absorbed_half_forwards_to_the_kept_person<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (old, new, ours) = halves(&fixture).await?;
    let kept = merged(&old, &new);
    fixture.ledger().merge(&kept, &new, &ours.owner).await?;
    assert_eq!(fixture.person(&new.id).await?.as_ref(), Some(&kept), "forwarding is followed");
    for revision in [new.revision, new.revision + 1] {
        let claim = fixture.ledger().claim(&new.id, revision, &ours, NOON).await?;
        assert_eq!(claim, Claim::Moved, "the absorbed half can be claimed");
    }
    let stored = fixture.ledger().store(&next(&next(&new)), &ours.owner).await;
    assert_eq!(kind(stored), ErrorKind::Lost);
    let mut again = new.clone();
    again.accounts.new = Some(known(&fixture));
    assert_eq!(kind(fixture.ledger().begin(&again).await), ErrorKind::Exists);
    assert_eq!(fixture.person(&new.id).await?, Some(kept));
    Ok(())
}

async fn a_half_that_absorbed_may_be_absorbed<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (mut first, second, lease) = halves(&fixture).await?;
    // The old account is deleted. The merge carries only the new one along.
    first.accounts.old = None;
    let both = merged(&first, &second);
    fixture.ledger().merge(&both, &second, &lease.owner).await?;
    let third = begun(&fixture, Side::Old).await?;
    let third = taken(&fixture, &third, &lease, NOON).await?;
    let all = merged(&third, &both);
    fixture.ledger().merge(&all, &both, &lease.owner).await?;
    for id in [&first.id, &second.id, &third.id] {
        assert_eq!(fixture.person(id).await?.as_ref(), Some(&all));
    }
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&all, side)).await?.as_ref(), Some(&all));
    }
    Ok(())
}

async fn no_merge_happens_without_both_leases<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (old, ours) = held(&fixture, Side::Old).await?;
    let (new, theirs) = held(&fixture, Side::New).await?;
    let kept = merged(&old, &new);
    for owner in [&ours.owner, &theirs.owner] {
        let answer = fixture.ledger().merge(&kept, &new, owner).await;
        assert_eq!(kind(answer), ErrorKind::Lost);
    }
    for (side, half) in [(Side::Old, old), (Side::New, new)] {
        let sub = account(&half, side);
        assert_eq!(found(&fixture, side, &sub).await?, Some(half), "a part of it was written");
    }
    Ok(())
}

async fn a_merge_repeated_after_a_lost_answer_is_the_same_merge<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (old, new, ours) = halves(&fixture).await?;
    let mut kept = merged(&old, &new);
    kept.lease = None;
    for _ in 0..2 {
        fixture.ledger().merge(&kept, &new, &ours.owner).await?;
    }
    let theirs = lease(&fixture, NOON);
    let claimed = taken(&fixture, &kept, &theirs, NOON).await?;
    fixture.ledger().merge(&kept, &new, &ours.owner).await?;
    assert_eq!(fixture.person(&new.id).await?.as_ref(), Some(&claimed));
    fixture.ledger().store(&next(&claimed), &theirs.owner).await?;
    let answer = fixture.ledger().merge(&kept, &new, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost, "another worker has written since");
    Ok(())
}

/// One person with two accounts, under a lease of the case, and the two people after the split.
async fn separation(
    fixture: &impl TableFixture,
) -> anyhow::Result<(PersonRecord, Lease, PersonRecord, PersonRecord)> {
    let (old, lease) = held(fixture, Side::Old).await?;
    let whole = joined(fixture, &old);
    fixture.ledger().join(&whole, &lease.owner, Side::New).await?;
    let id = PersonId::from_nonce(fixture.nonce());
    let halves = whole.separated(&id, NOON, NOON).ok_or_else(|| anyhow::anyhow!("not linked"))?;
    Ok((whole, lease, halves.old, halves.new))
}

async fn separated_accounts_lead_to_two_people<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (whole, ours, kept, parted) = separation(&fixture).await?;
    fixture.ledger().separate(&kept, &parted, &ours.owner).await?;
    assert_eq!(fixture.person(&whole.id).await?.as_ref(), Some(&kept));
    assert_eq!(found(&fixture, Side::Old, &account(&kept, Side::Old)).await?.as_ref(), Some(&kept));
    let there = found(&fixture, Side::New, &account(&parted, Side::New)).await?;
    assert_eq!(there.as_ref(), Some(&parted));
    assert!(there.is_some_and(|it| it.apart.of(Side::Old).contains(&account(&kept, Side::Old))));
    // The two people can be joined again, and each can be claimed.
    let kept = taken(&fixture, &kept, &ours, NOON).await?;
    let parted = taken(&fixture, &parted, &ours, NOON).await?;
    let again = merged(&kept, &parted);
    fixture.ledger().merge(&again, &parted, &ours.owner).await?;
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&again, side)).await?.as_ref(), Some(&again));
    }
    Ok(())
}

async fn no_separation_happens_without_the_lease<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (whole, _, kept, parted) = separation(&fixture).await?;
    let other = lease(&fixture, NOON);
    let answer = fixture.ledger().separate(&kept, &parted, &other.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    for side in Side::BOTH {
        let there = found(&fixture, side, &account(&whole, side)).await?;
        assert_eq!(there.as_ref(), Some(&whole), "a part of it was written");
    }
    assert_eq!(fixture.person(&parted.id).await?, None, "a part of it was written");
    Ok(())
}

async fn another_persons_account_is_not_separated<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (whole, ours, kept, mut parted) = separation(&fixture).await?;
    let other = begun(&fixture, Side::New).await?;
    parted.accounts.new.clone_from(&other.accounts.new);
    let answer = fixture.ledger().separate(&kept, &parted, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost);
    assert_eq!(found(&fixture, Side::New, &account(&other, Side::New)).await?, Some(other));
    assert_eq!(fixture.person(&whole.id).await?, Some(whole), "a part of it was written");
    assert_eq!(fixture.person(&parted.id).await?, None, "a part of it was written");
    Ok(())
}

async fn separation_repeated_after_a_lost_answer_is_the_same_separation<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (_, ours, kept, parted) = separation(&fixture).await?;
    for _ in 0..2 {
        fixture.ledger().separate(&kept, &parted, &ours.owner).await?;
    }
    assert_eq!(fixture.person(&kept.id).await?.as_ref(), Some(&kept));
    assert_eq!(fixture.person(&parted.id).await?.as_ref(), Some(&parted));
    let theirs = lease(&fixture, NOON);
    let claimed = taken(&fixture, &kept, &theirs, NOON).await?;
    fixture.ledger().store(&next(&claimed), &theirs.owner).await?;
    let answer = fixture.ledger().separate(&kept, &parted, &ours.owner).await;
    assert_eq!(kind(answer), ErrorKind::Lost, "another worker has written since");
    Ok(())
}
