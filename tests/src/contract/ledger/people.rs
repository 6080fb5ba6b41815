//! People and their accounts: a person record begins as a whole or not at all.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;

use super::{
    NOON, TableStand, account, begun, found, held, kind, known, lease, next, somebody, sub, taken,
};
use crate::contract::{Case, cases};

pub(super) fn cases<S: TableStand>() -> Vec<Case<S>> {
    cases![
        an_unknown_account_belongs_to_no_person,
        a_new_person_is_found_by_their_account_and_by_no_other,
        a_new_person_with_two_accounts_is_found_by_both,
        a_beginning_repeated_after_a_lost_answer_is_the_same_beginning,
        link_in_one_transaction_an_owned_account_begins_no_second_person,
        a_used_person_id_begins_no_second_person,
        a_claimed_person_begins_only_once_too,
        a_stored_record_is_found_unchanged,
        a_stranger_stores_nothing,
        no_record_is_stored_without_a_lease,
        unique_lease_owner_no_store_after_another_worker_took_the_lease,
        no_older_record_or_other_one_of_the_same_revision_is_stored,
        a_store_repeated_after_a_lost_answer_is_the_same_store,
        a_store_repeated_too_late_is_lost,
    ]
}

async fn an_unknown_account_belongs_to_no_person<S: TableStand>(stand: S) -> anyhow::Result<()> {
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &sub(&stand)).await?, None);
    }
    assert_eq!(stand.person(&PersonId::from_nonce(stand.nonce())).await?, None);
    Ok(())
}

async fn a_new_person_is_found_by_their_account_and_by_no_other<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    for side in Side::BOTH {
        let record = begun(&stand, side).await?;
        let sub = account(&record, side);
        assert_eq!(found(&stand, side, &sub).await?, Some(record.clone()));
        assert_eq!(found(&stand, side.other(), &sub).await?, None, "the other pool's namesake");
        assert_eq!(stand.person(&record.id).await?, Some(record));
    }
    Ok(())
}

async fn a_new_person_with_two_accounts_is_found_by_both<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let mut record = somebody(&stand, Side::Old);
    record.accounts.new = Some(known(&stand));
    record.lease = Some(lease(&stand, NOON));
    stand.ledger().begin(&record).await?;
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&record, side)).await?.as_ref(), Some(&record));
    }
    Ok(())
}

async fn a_beginning_repeated_after_a_lost_answer_is_the_same_beginning<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let record = begun(&stand, Side::New).await?;
    stand.ledger().begin(&record).await?;
    // This holds even if another worker claims them at once: the lease is not part of what was
    // begun.
    let claimed = taken(&stand, &record, &lease(&stand, NOON), NOON).await?;
    stand.ledger().begin(&record).await?;
    assert_eq!(stand.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

async fn link_in_one_transaction_an_owned_account_begins_no_second_person<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let first = begun(&stand, Side::Old).await?;
    let mut second = somebody(&stand, Side::Old);
    second.accounts.old.clone_from(&first.accounts.old);
    second.accounts.new = Some(known(&stand));
    assert_eq!(kind(stand.ledger().begin(&second).await), ErrorKind::Exists);
    let shared = account(&first, Side::Old);
    assert_eq!(found(&stand, Side::Old, &shared).await?, Some(first));
    let other = account(&second, Side::New);
    assert_eq!(found(&stand, Side::New, &other).await?, None, "a part of it was written");
    assert_eq!(stand.person(&second.id).await?, None, "a part of it was written");
    let claim = stand.ledger().claim(&second.id, 1, &lease(&stand, NOON), NOON).await?;
    assert_eq!(claim, Claim::Moved);
    Ok(())
}

async fn a_used_person_id_begins_no_second_person<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let first = begun(&stand, Side::Old).await?;
    let mut second = somebody(&stand, Side::New);
    second.id = first.id.clone();
    assert_eq!(kind(stand.ledger().begin(&second).await), ErrorKind::Exists);
    assert_eq!(found(&stand, Side::New, &account(&second, Side::New)).await?, None);
    assert_eq!(stand.person(&first.id).await?, Some(first));
    Ok(())
}

async fn a_claimed_person_begins_only_once_too<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (record, lease) = held(&stand, Side::Old).await?;
    let stored = next(&record);
    stand.ledger().store(&stored, &lease.owner).await?;
    assert_eq!(kind(stand.ledger().begin(&record).await), ErrorKind::Exists);
    assert_eq!(stand.person(&record.id).await?, Some(stored));
    Ok(())
}

async fn a_stored_record_is_found_unchanged<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let sub = account(&record, Side::Old);
    let intended = next(&record);
    stand.ledger().store(&intended, &ours.owner).await?;
    assert_eq!(found(&stand, Side::Old, &sub).await?.as_ref(), Some(&intended));
    let mut recorded = next(&intended);
    recorded.lease = None;
    stand.ledger().store(&recorded, &ours.owner).await?;
    assert_eq!(found(&stand, Side::Old, &sub).await?.as_ref(), Some(&recorded));
    taken(&stand, &recorded, &lease(&stand, NOON), NOON).await?;
    Ok(())
}

async fn a_stranger_stores_nothing<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (record, _) = held(&stand, Side::Old).await?;
    let stranger = lease(&stand, NOON);
    let stored = stand.ledger().store(&next(&record), &stranger.owner).await;
    assert_eq!(kind(stored), ErrorKind::Lost);
    assert_eq!(stand.person(&record.id).await?, Some(record));
    Ok(())
}

async fn no_record_is_stored_without_a_lease<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let record = begun(&stand, Side::New).await?;
    let ours = lease(&stand, NOON);
    let mut wanted = next(&record);
    wanted.lease = Some(ours.clone());
    assert_eq!(kind(stand.ledger().store(&wanted, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(stand.person(&record.id).await?, Some(record));
    let nobody = somebody(&stand, Side::New);
    assert_eq!(kind(stand.ledger().store(&nobody, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(stand.person(&nobody.id).await?, None);
    Ok(())
}

async fn unique_lease_owner_no_store_after_another_worker_took_the_lease<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let theirs = lease(&stand, ours.free_at);
    let claimed = taken(&stand, &record, &theirs, ours.free_at).await?;
    assert_eq!(kind(stand.ledger().store(&next(&record), &ours.owner).await), ErrorKind::Lost);
    assert_eq!(stand.person(&record.id).await?, Some(claimed));
    Ok(())
}

async fn no_older_record_or_other_one_of_the_same_revision_is_stored<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, lease) = held(&stand, Side::Old).await?;
    let second = next(&record);
    let third = next(&second);
    stand.ledger().store(&third, &lease.owner).await?;
    let mut same = third.clone();
    same.not_before = NOON;
    for late in [second, same] {
        let stored = stand.ledger().store(&late, &lease.owner).await;
        assert_eq!(kind(stored), ErrorKind::Lost, "revision {}", late.revision);
    }
    assert_eq!(stand.person(&record.id).await?, Some(third));
    Ok(())
}

async fn a_store_repeated_after_a_lost_answer_is_the_same_store<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let intended = next(&record);
    for _ in 0..2 {
        stand.ledger().store(&intended, &ours.owner).await?;
    }
    let mut recorded = next(&intended);
    recorded.lease = None;
    for _ in 0..2 {
        stand.ledger().store(&recorded, &ours.owner).await?;
    }
    // Another worker claims at once. The first write still counts as done.
    let claimed = taken(&stand, &recorded, &lease(&stand, NOON), NOON).await?;
    stand.ledger().store(&recorded, &ours.owner).await?;
    assert_eq!(stand.person(&record.id).await?, Some(claimed), "it was written a second time");
    Ok(())
}

async fn a_store_repeated_too_late_is_lost<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (record, ours) = held(&stand, Side::Old).await?;
    let mut recorded = next(&record);
    recorded.lease = None;
    stand.ledger().store(&recorded, &ours.owner).await?;
    let theirs = lease(&stand, NOON);
    let claimed = taken(&stand, &recorded, &theirs, NOON).await?;
    let stored = next(&claimed);
    stand.ledger().store(&stored, &theirs.owner).await?;
    assert_eq!(kind(stand.ledger().store(&recorded, &ours.owner).await), ErrorKind::Lost);
    assert_eq!(stand.person(&record.id).await?, Some(stored));
    Ok(())
}
