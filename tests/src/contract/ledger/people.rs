//! People and their accounts: a person record begins as a whole or not at all.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;

use super::{
    NOON, TableFixture, account, begun, found, held, kind, known, lease, new_record, next, sub,
    taken,
};
use crate::contract::{Case, cases};

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        an_unknown_account_belongs_to_no_person,
        a_new_person_is_found_by_their_account_and_by_no_other,
        a_new_person_with_two_accounts_is_found_by_both,
        begin_repeated_after_a_lost_answer_changes_nothing,
        link_in_one_transaction_an_owned_account_begins_no_second_person,
        a_used_person_id_begins_no_second_person,
        a_claimed_person_begins_only_once_too,
        a_stored_record_is_found_unchanged,
        a_worker_without_the_lease_stores_nothing,
        no_record_is_stored_without_a_lease,
        unique_lease_owner_no_store_after_another_worker_took_the_lease,
        no_older_record_or_other_one_of_the_same_revision_is_stored,
        a_store_repeated_after_a_lost_answer_is_the_same_store,
        a_store_repeated_too_late_is_lost,
    ]
}

async fn an_unknown_account_belongs_to_no_person<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &sub(&fixture)).await?, None);
    }
    assert_eq!(fixture.person(&PersonId::from_nonce(fixture.nonce())).await?, None);
    Ok(())
}

async fn a_new_person_is_found_by_their_account_and_by_no_other<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    for side in Side::BOTH {
        let record = begun(&fixture, side).await?;
        let sub = account(&record, side);
        assert_eq!(found(&fixture, side, &sub).await?, Some(record.clone()));
        assert_eq!(found(&fixture, side.other(), &sub).await?, None, "the other pool's namesake");
        assert_eq!(fixture.person(&record.id).await?, Some(record));
    }
    Ok(())
}

async fn a_new_person_with_two_accounts_is_found_by_both<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let mut record = new_record(&fixture, Side::Old);
    record.accounts.new = Some(known(&fixture));
    record.lease = Some(lease(&fixture, NOON));
    fixture.ledger().begin(&record).await?;
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&record, side)).await?.as_ref(), Some(&record));
    }
    Ok(())
}

async fn begin_repeated_after_a_lost_answer_changes_nothing<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let record = begun(&fixture, Side::New).await?;
    fixture.ledger().begin(&record).await?;
    // This holds even if another worker claims them at once: the lease is not part of what was
    // begun.
    let claimed = taken(&fixture, &record, &lease(&fixture, NOON), NOON).await?;
    fixture.ledger().begin(&record).await?;
    assert_eq!(fixture.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

async fn link_in_one_transaction_an_owned_account_begins_no_second_person<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let first = begun(&fixture, Side::Old).await?;
    let mut second = new_record(&fixture, Side::Old);
    second.accounts.old.clone_from(&first.accounts.old);
    second.accounts.new = Some(known(&fixture));
    assert_eq!(kind(fixture.ledger().begin(&second).await), ErrorKind::Exists);
    let shared = account(&first, Side::Old);
    assert_eq!(found(&fixture, Side::Old, &shared).await?, Some(first));
    let other = account(&second, Side::New);
    assert_eq!(found(&fixture, Side::New, &other).await?, None, "a part of it was written");
    assert_eq!(fixture.person(&second.id).await?, None, "a part of it was written");
    let claim = fixture.ledger().claim(&second.id, 1, &lease(&fixture, NOON), NOON).await?;
    assert_eq!(claim, Claim::Moved);
    Ok(())
}

async fn a_used_person_id_begins_no_second_person<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let first = begun(&fixture, Side::Old).await?;
    let mut second = new_record(&fixture, Side::New);
    second.id = first.id.clone();
    assert_eq!(kind(fixture.ledger().begin(&second).await), ErrorKind::Exists);
    assert_eq!(found(&fixture, Side::New, &account(&second, Side::New)).await?, None);
    assert_eq!(fixture.person(&first.id).await?, Some(first));
    Ok(())
}

async fn a_claimed_person_begins_only_once_too<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, lease) = held(&fixture, Side::Old).await?;
    let stored = next(&record);
    fixture.ledger().store(&stored, &lease.owner).await?;
    assert_eq!(kind(fixture.ledger().begin(&record).await), ErrorKind::Exists);
    assert_eq!(fixture.person(&record.id).await?, Some(stored));
    Ok(())
}

async fn a_stored_record_is_found_unchanged<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let sub = account(&record, Side::Old);
    let intended = next(&record);
    fixture.ledger().store(&intended, &ours.owner).await?;
    assert_eq!(found(&fixture, Side::Old, &sub).await?.as_ref(), Some(&intended));
    let mut recorded = next(&intended);
    recorded.lease = None;
    fixture.ledger().store(&recorded, &ours.owner).await?;
    assert_eq!(found(&fixture, Side::Old, &sub).await?.as_ref(), Some(&recorded));
    taken(&fixture, &recorded, &lease(&fixture, NOON), NOON).await?;
    Ok(())
}

async fn a_worker_without_the_lease_stores_nothing<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, _) = held(&fixture, Side::Old).await?;
    let other_lease = lease(&fixture, NOON);
    let stored = fixture.ledger().store(&next(&record), &other_lease.owner).await;
    assert_eq!(kind(stored), ErrorKind::Lost);
    assert_eq!(fixture.person(&record.id).await?, Some(record));
    Ok(())
}

async fn no_record_is_stored_without_a_lease<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let record = begun(&fixture, Side::New).await?;
    let ours = lease(&fixture, NOON);
    let mut wanted = next(&record);
    wanted.lease = Some(ours.clone());
    assert_eq!(kind(fixture.ledger().store(&wanted, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(fixture.person(&record.id).await?, Some(record));
    let unknown = new_record(&fixture, Side::New);
    assert_eq!(kind(fixture.ledger().store(&unknown, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(fixture.person(&unknown.id).await?, None);
    Ok(())
}

async fn unique_lease_owner_no_store_after_another_worker_took_the_lease<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let theirs = lease(&fixture, ours.free_at);
    let claimed = taken(&fixture, &record, &theirs, ours.free_at).await?;
    assert_eq!(kind(fixture.ledger().store(&next(&record), &ours.owner).await), ErrorKind::Lost);
    assert_eq!(fixture.person(&record.id).await?, Some(claimed));
    Ok(())
}

async fn no_older_record_or_other_one_of_the_same_revision_is_stored<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, lease) = held(&fixture, Side::Old).await?;
    let second = next(&record);
    let third = next(&second);
    fixture.ledger().store(&third, &lease.owner).await?;
    let mut same = third.clone();
    same.not_before = NOON;
    for late in [second, same] {
        let stored = fixture.ledger().store(&late, &lease.owner).await;
        assert_eq!(kind(stored), ErrorKind::Lost, "revision {}", late.revision);
    }
    assert_eq!(fixture.person(&record.id).await?, Some(third));
    Ok(())
}

async fn a_store_repeated_after_a_lost_answer_is_the_same_store<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let intended = next(&record);
    for _ in 0..2 {
        fixture.ledger().store(&intended, &ours.owner).await?;
    }
    let mut recorded = next(&intended);
    recorded.lease = None;
    for _ in 0..2 {
        fixture.ledger().store(&recorded, &ours.owner).await?;
    }
    // Another worker claims at once. The first write still counts as done.
    let claimed = taken(&fixture, &recorded, &lease(&fixture, NOON), NOON).await?;
    fixture.ledger().store(&recorded, &ours.owner).await?;
    assert_eq!(fixture.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

async fn a_store_repeated_too_late_is_lost<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let mut recorded = next(&record);
    recorded.lease = None;
    fixture.ledger().store(&recorded, &ours.owner).await?;
    let theirs = lease(&fixture, NOON);
    let claimed = taken(&fixture, &recorded, &theirs, NOON).await?;
    let stored = next(&claimed);
    fixture.ledger().store(&stored, &theirs.owner).await?;
    assert_eq!(kind(fixture.ledger().store(&recorded, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(fixture.person(&record.id).await?, Some(stored));
    Ok(())
}
