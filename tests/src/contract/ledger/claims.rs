//! Leases: one holder, for exactly the promised time.

use std::time::Duration;

use poolbridge_core::error::PortError;
use poolbridge_core::names::PersonId;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;
use tokio::task::JoinSet;

use super::{NOON, TableFixture, begun, held, lease, next, taken};
use crate::contract::{Case, cases};

/// How many workers try at the same moment.
const AT_ONCE: usize = 16;

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        a_free_person_is_claimed_unchanged,
        a_claimed_person_is_busy_until_the_lease_is_free,
        a_lease_is_free_exactly_at_its_time,
        lease_outlasts_process_a_lease_that_ended_is_not_yet_free,
        a_claim_repeated_after_a_lost_answer_succeeds,
        a_released_person_is_free_at_once,
        a_claim_on_an_old_revision_fails,
        of_many_claims_at_once_exactly_one_succeeds,
    ]
}

async fn a_free_person_is_claimed_unchanged<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let record = begun(&fixture, Side::Old).await?;
    let ours = lease(&fixture, NOON);
    let claimed = taken(&fixture, &record, &ours, NOON).await?;
    let mut wanted = record;
    wanted.lease = Some(ours);
    assert_eq!(claimed, wanted, "a claim changes the lease and counts no revision");
    assert_eq!(fixture.person(&wanted.id).await?, Some(wanted));
    Ok(())
}

async fn a_claimed_person_is_busy_until_the_lease_is_free<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::New).await?;
    let theirs = lease(&fixture, NOON);
    let claim = fixture.ledger().claim(&record.id, record.revision, &theirs, NOON).await?;
    assert_eq!(claim, Claim::Busy(ours.free_at));
    assert_eq!(fixture.person(&record.id).await?, Some(record));
    Ok(())
}

async fn a_lease_is_free_exactly_at_its_time<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let theirs = lease(&fixture, ours.free_at);
    let early = ours.free_at - Duration::from_millis(1);
    let claim = fixture.ledger().claim(&record.id, record.revision, &theirs, early).await?;
    assert_eq!(claim, Claim::Busy(ours.free_at));
    let claimed = taken(&fixture, &record, &theirs, ours.free_at).await?;
    assert_eq!(claimed.lease, Some(theirs));
    Ok(())
}

async fn lease_outlasts_process_a_lease_that_ended_is_not_yet_free<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let after = ours.until + Duration::from_secs(1);
    assert!(after < ours.free_at);
    let theirs = lease(&fixture, after);
    let claim = fixture.ledger().claim(&record.id, record.revision, &theirs, after).await?;
    assert_eq!(claim, Claim::Busy(ours.free_at));
    Ok(())
}

async fn a_claim_repeated_after_a_lost_answer_succeeds<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    assert_eq!(taken(&fixture, &record, &ours, NOON).await?, record);
    // The same owner may ask for another time too.
    let mut longer = ours;
    longer.free_at = longer.free_at + Duration::from_secs(5);
    let claimed = taken(&fixture, &record, &longer, NOON).await?;
    assert_eq!(claimed.lease, Some(longer));
    Ok(())
}

async fn a_released_person_is_free_at_once<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let mut recorded = next(&record);
    recorded.lease = None;
    fixture.ledger().store(&recorded, &ours.owner).await?;
    taken(&fixture, &recorded, &lease(&fixture, NOON), NOON).await?;
    Ok(())
}

async fn a_claim_on_an_old_revision_fails<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, ours) = held(&fixture, Side::Old).await?;
    let stored = next(&record);
    fixture.ledger().store(&stored, &ours.owner).await?;
    for (revision, now) in [(record.revision, NOON), (stored.revision + 1, ours.free_at)] {
        let theirs = lease(&fixture, now);
        let claim = fixture.ledger().claim(&record.id, revision, &theirs, now).await?;
        assert_eq!(claim, Claim::Moved, "revision {revision}");
    }
    let claim = fixture.ledger().claim(&record.id, record.revision, &ours, NOON).await?;
    assert_eq!(claim, Claim::Moved, "not even by the holder");
    assert_eq!(fixture.person(&record.id).await?, Some(stored));
    let unknown = PersonId::from_nonce(fixture.nonce());
    assert_eq!(fixture.ledger().claim(&unknown, 1, &ours, NOON).await?, Claim::Moved);
    assert_eq!(fixture.person(&unknown).await?, None, "a claim created a person");
    Ok(())
}

async fn of_many_claims_at_once_exactly_one_succeeds<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let record = begun(&fixture, Side::Old).await?;
    let mut claims = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (fixture, id, revision) = (fixture.clone(), record.id.clone(), record.revision);
        let lease = lease(&fixture, NOON);
        claims.spawn(async move {
            let claim = fixture.ledger().claim(&id, revision, &lease, NOON).await?;
            Ok::<_, PortError>((lease, claim))
        });
    }
    let (mut winners, mut losers) = (Vec::new(), 0);
    while let Some(claim) = claims.join_next().await {
        match claim?? {
            (lease, Claim::Taken(record)) => winners.push((lease, *record)),
            (lease, Claim::Busy(until)) => {
                assert_eq!(until, lease.free_at, "all of them asked for the same time");
                losers += 1;
            }
            (_, Claim::Moved) => anyhow::bail!("a claim alone changes no revision"),
        }
    }
    assert_eq!((winners.len(), losers), (1, AT_ONCE - 1));
    let (lease, claimed) = winners.remove(0);
    assert_eq!(claimed.lease, Some(lease));
    assert_eq!(fixture.person(&record.id).await?, Some(claimed));
    Ok(())
}
