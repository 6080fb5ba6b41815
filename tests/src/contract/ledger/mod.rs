//! What the protocol expects of the state table.

mod claims;
mod links;
mod marks;
mod people;
mod removals;
mod sweeping;
mod whole;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use anyhow::bail;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{Entry, Known, Lease, State};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::{Owner, PersonId, Sub, Username};
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;
use poolbridge_core::sweep::pass::Cursor;
use poolbridge_core::sweep::ports::Register;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;

use super::Case;

/// A stand with a state table, and with what only the table's operator asks of it.
pub trait TableStand: Clone + Send + Sync + 'static {
    /// The table's type.
    type Ledger: Ledger;

    /// The table's type, as the sweep reads it.
    type Register: Register;

    /// The table.
    fn ledger(&self) -> &Self::Ledger;

    /// The table, as the sweep reads it.
    fn register(&self) -> &Self::Register;

    /// The progress of the sweep.
    fn cursor(&self) -> impl Future<Output = Result<Cursor, Fault>> + Send;

    /// Stores the progress of the sweep.
    fn put_cursor(&self, cursor: &Cursor) -> impl Future<Output = Result<(), Fault>> + Send;

    /// A number that was never returned before.
    fn nonce(&self) -> u128;

    /// The person with that id. Follows forwarding items.
    fn person(&self, id: &PersonId) -> impl Future<Output = Result<Option<Entry>, Fault>> + Send;

    /// Delays a pending change if its token is still `token`. Returns whether it did.
    fn back_off(
        &self,
        of: &Change,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Closes the breaker.
    fn close_breaker(&self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Restarts the count of removals and allows that many more, as closing the breaker does.
    fn allow_removals(
        &self,
        now: Time,
        more: u64,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The counters of people per state.
    fn counted(&self) -> impl Future<Output = Result<BTreeMap<State, i64>, Fault>> + Send;
}

/// Every case.
pub fn cases<S: TableStand>() -> Vec<Case<S>> {
    let parts = [
        people::cases(),
        claims::cases(),
        links::cases(),
        marks::cases(),
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

fn sub(stand: &impl TableStand) -> Sub {
    let text = format!("{:032x}", stand.nonce());
    Sub::try_from(text.as_str()).expect("32 digits")
}

fn known(stand: &impl TableStand) -> Known {
    let name = format!("{:x}@example.com", stand.nonce());
    Known {
        sub: sub(stand),
        username: Username::try_from(name.as_str()).expect("it is short"),
        seen: NOON,
        written: None,
        gone: None,
    }
}

/// A person on `side` that the table does not know yet.
fn somebody(stand: &impl TableStand, side: Side) -> Entry {
    Entry::new(PersonId::from_nonce(stand.nonce()), side, known(stand), NOON)
}

/// A person on `side` that the table knows.
async fn begun(stand: &impl TableStand, side: Side) -> anyhow::Result<Entry> {
    let entry = somebody(stand, side);
    stand.ledger().begin(&entry).await?;
    Ok(entry)
}

/// A lease that begins at `now`. Another worker may take it over ten seconds after its end.
fn lease(stand: &impl TableStand, now: Time) -> Lease {
    let owner = Owner::from_nonce(stand.nonce());
    Lease { owner, until: now + LEASE, free_at: now + LEASE + Duration::from_secs(10) }
}

/// Claims a person whose lease must be free.
async fn taken(
    stand: &impl TableStand,
    entry: &Entry,
    lease: &Lease,
    now: Time,
) -> anyhow::Result<Entry> {
    match stand.ledger().claim(&entry.id, entry.revision, lease, now).await? {
        Claim::Taken(entry) => Ok(*entry),
        Claim::Busy(until) => bail!("busy until {until}"),
        Claim::Moved => bail!("moved on from revision {}", entry.revision),
    }
}

/// A person on `side`, under a lease of the case.
async fn held(stand: &impl TableStand, side: Side) -> anyhow::Result<(Entry, Lease)> {
    let entry = begun(stand, side).await?;
    let lease = lease(stand, NOON);
    Ok((taken(stand, &entry, &lease, NOON).await?, lease))
}

/// The next revision of a person record, with a change in it.
fn next(entry: &Entry) -> Entry {
    let mut next = entry.clone();
    next.revision += 1;
    next.not_before = next.not_before + Duration::from_millis(7);
    next.updated = next.updated + Duration::from_millis(7);
    next
}

/// The first account in the person record.
fn account(entry: &Entry, side: Side) -> Sub {
    entry.accounts.get(side).as_ref().expect("known there").sub.clone()
}

async fn found(stand: &impl TableStand, side: Side, sub: &Sub) -> Result<Option<Entry>, Fault> {
    stand.ledger().find(side, sub).await
}

/// A change of the account `sub`, made `after` milliseconds after noon.
fn change(stand: &impl TableStand, sub: &Sub, after: i64, proof: Proof, password: bool) -> Change {
    let at = Time(NOON.0 + after);
    let (side, sub, id) = (Side::Old, sub.clone(), stand.nonce());
    Change { side, sub, at, proof, password, administrator: false, claimed: false, id }
}

/// The kind of port error that a call must end with.
fn kind<T: std::fmt::Debug>(answer: Result<T, Fault>) -> FaultKind {
    answer.expect_err("it went through").kind
}
