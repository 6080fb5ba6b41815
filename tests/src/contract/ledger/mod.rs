//! What the protocol expects of the state table.

mod claims;
mod links;
mod pending_changes;
mod people;
mod removals;
mod sweeping;
mod whole;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use anyhow::bail;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{Owner, PersonId, Sub, Username};
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::record::{KnownAccount, Lease, PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::Cursor;
use poolbridge_sweep_core::ports::RecordReader;

use super::Case;

/// A fixture with a state table, and with what only the table's operator asks of it.
pub trait TableFixture: Clone + Send + Sync + 'static {
    /// The table's type.
    type Ledger: Ledger;

    /// The table's type, as the sweep reads it.
    type RecordReader: RecordReader;

    /// The table.
    fn ledger(&self) -> &Self::Ledger;

    /// The table, as the sweep reads it.
    fn records(&self) -> &Self::RecordReader;

    /// The progress of the sweep.
    fn cursor(&self) -> impl Future<Output = Result<Cursor, PortError>> + Send;

    /// Stores the progress of the sweep.
    fn put_cursor(&self, cursor: &Cursor) -> impl Future<Output = Result<(), PortError>> + Send;

    /// A number that was never returned before.
    fn nonce(&self) -> u128;

    /// The person with that id. Follows forwarding items.
    fn person(
        &self,
        id: &PersonId,
    ) -> impl Future<Output = Result<Option<PersonRecord>, PortError>> + Send;

    /// Delays a pending change if its token is still `token`. Returns whether it did.
    fn back_off(
        &self,
        of: &ChangeEvent,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Closes the breaker.
    fn close_breaker(&self) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Restarts the count of removals and allows that many more, as closing the breaker does.
    fn allow_removals(
        &self,
        now: Time,
        more: u64,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// The counters of people per state.
    fn counted(&self)
    -> impl Future<Output = Result<BTreeMap<PersonState, i64>, PortError>> + Send;
}

/// Every case.
pub fn cases<S: TableFixture>() -> Vec<Case<S>> {
    let parts = [
        people::cases(),
        claims::cases(),
        links::cases(),
        pending_changes::cases(),
        sweeping::cases(),
        whole::cases(),
        // These come last: they write the control item, which the other cases expect at its
        // default.
        removals::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// A base time that is not at the edge of any range.
const NOON: Time = Time(1_800_000_000_000);

/// The length of the leases here.
const LEASE: Duration = Duration::from_secs(30);

fn sub(fixture: &impl TableFixture) -> Sub {
    let text = format!("{:032x}", fixture.nonce());
    Sub::try_from(text.as_str()).expect("32 digits")
}

fn known(fixture: &impl TableFixture) -> KnownAccount {
    let name = format!("{:x}@example.com", fixture.nonce());
    KnownAccount {
        sub: sub(fixture),
        username: Username::try_from(name.as_str()).expect("it is short"),
        seen: NOON,
        written: None,
        gone: None,
    }
}

/// A person on `side` that the table does not know yet.
fn new_record(fixture: &impl TableFixture, side: Side) -> PersonRecord {
    PersonRecord::new(PersonId::from_nonce(fixture.nonce()), side, known(fixture), NOON)
}

/// A person on `side` that the table knows.
async fn begun(fixture: &impl TableFixture, side: Side) -> anyhow::Result<PersonRecord> {
    let record = new_record(fixture, side);
    fixture.ledger().begin(&record).await?;
    Ok(record)
}

/// A lease that begins at `now`. Another worker may take it over ten seconds after its end.
fn lease(fixture: &impl TableFixture, now: Time) -> Lease {
    let owner = Owner::from_nonce(fixture.nonce());
    Lease { owner, until: now + LEASE, free_at: now + LEASE + Duration::from_secs(10) }
}

/// Claims a person whose lease must be free.
async fn taken(
    fixture: &impl TableFixture,
    record: &PersonRecord,
    lease: &Lease,
    now: Time,
) -> anyhow::Result<PersonRecord> {
    match fixture.ledger().claim(&record.id, record.revision, lease, now).await? {
        Claim::Taken(record) => Ok(*record),
        Claim::Busy(until) => bail!("busy until {until}"),
        Claim::Moved => bail!("moved on from revision {}", record.revision),
    }
}

/// A person on `side`, under a lease of the case.
async fn held(fixture: &impl TableFixture, side: Side) -> anyhow::Result<(PersonRecord, Lease)> {
    let record = begun(fixture, side).await?;
    let lease = lease(fixture, NOON);
    Ok((taken(fixture, &record, &lease, NOON).await?, lease))
}

/// The next revision of a person record, with a change in it.
fn next(record: &PersonRecord) -> PersonRecord {
    let mut next = record.clone();
    next.revision += 1;
    next.not_before = next.not_before + Duration::from_millis(7);
    next.updated = next.updated + Duration::from_millis(7);
    next
}

/// The first account in the person record.
fn account(record: &PersonRecord, side: Side) -> Sub {
    record.accounts.get(side).as_ref().expect("known there").sub.clone()
}

async fn found(
    fixture: &impl TableFixture,
    side: Side,
    sub: &Sub,
) -> Result<Option<PersonRecord>, PortError> {
    fixture.ledger().find(side, sub).await
}

/// A change of the account `sub`, made `after` milliseconds after noon.
fn change(
    fixture: &impl TableFixture,
    sub: &Sub,
    after: i64,
    evidence: Evidence,
    password: bool,
) -> ChangeEvent {
    let at = Time(NOON.0 + after);
    let (side, sub, id) = (Side::Old, sub.clone(), fixture.nonce());
    ChangeEvent { side, sub, at, evidence, password, administrator: false, claimed: false, id }
}

/// The kind of port error that a call must end with.
fn kind<T: std::fmt::Debug>(answer: Result<T, PortError>) -> ErrorKind {
    answer.expect_err("it went through").kind
}
