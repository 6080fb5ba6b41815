//! The lease of a person, from the claim to its end. Only this module changes the lease or the
//! revision of a record.
//!
//! A [`Leased`] record cannot be copied. Work under a lease takes it by value and returns
//! [`Ended`], which only a lease that was given up can produce: released, recorded, merged into
//! another record, or explicitly kept for the next round. So a path that forgets the lease does not
//! compile. A port error is the exception: `?` leaves the lease to [`Run::leave`].

use std::ops::{ControlFlow, Deref, DerefMut};
use std::time::Duration;

use super::{Round, Run};
use crate::error::{ErrorKind, PortError};
use crate::outcome::{Outcome, Reason};
use crate::ports::{Ledger, Ports};
use crate::record::{PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;

pub(super) use worker::Worker;

mod worker;

/// A person record whose lease this worker holds.
#[must_use]
pub(super) struct Leased {
    record: Box<PersonRecord>,
}

impl Leased {
    /// Starts the round again and keeps the lease: the next round of this run claims the record
    /// under the same owner. If there is no next round, the lease expires by itself.
    #[expect(clippy::unused_self, reason = "consumed: it is the proof that the lease is kept")]
    pub(super) fn keep_for_next_round(self) -> Ended {
        Ended(Round::Again)
    }
}

impl Deref for Leased {
    type Target = PersonRecord;

    fn deref(&self) -> &PersonRecord {
        &self.record
    }
}

impl DerefMut for Leased {
    fn deref_mut(&mut self) -> &mut PersonRecord {
        &mut self.record
    }
}

/// Two records of one human under both leases, until they are merged or released.
#[must_use]
pub(super) struct LeasedPair {
    ours: Leased,
    theirs: Leased,
}

impl LeasedPair {
    /// Our record. A merge keeps it.
    pub(super) fn ours(&self) -> &PersonRecord {
        &self.ours
    }

    /// Their record. A merge turns it into a forwarding item.
    pub(super) fn theirs(&self) -> &PersonRecord {
        &self.theirs
    }

    /// The same two records, with the older one as ours.
    pub(super) fn older_first(self) -> Self {
        let age = |record: &Leased| (record.created, record.id.clone());
        if age(&self.ours) <= age(&self.theirs) {
            self
        } else {
            Self { ours: self.theirs, theirs: self.ours }
        }
    }

    /// The record that is kept, to be edited before the merge, and the one that it absorbs.
    pub(super) fn kept_and_absorbed(&mut self) -> (&mut PersonRecord, &PersonRecord) {
        (&mut self.ours, &self.theirs)
    }
}

/// A record as it was written when its lease was given up.
pub(super) struct Released {
    record: Box<PersonRecord>,
}

impl Released {
    /// Ends the work with this result.
    #[expect(clippy::unused_self, reason = "consumed: it is the proof that the lease was given up")]
    pub(super) fn with<T>(self, result: T) -> Ended<T> {
        Ended(result)
    }

    /// Ends the round with this outcome.
    pub(super) fn done(self, outcome: Outcome) -> Ended {
        self.with(Round::Done(outcome))
    }

    /// Ends the round: the change event comes back after this time.
    pub(super) fn later(self, after: Duration, reason: Reason) -> Ended {
        self.done(Outcome::Retry(after, reason))
    }

    /// Starts the round again.
    pub(super) fn again(self) -> Ended {
        self.with(Round::Again)
    }
}

impl Deref for Released {
    type Target = PersonRecord;

    fn deref(&self) -> &PersonRecord {
        &self.record
    }
}

/// The result of work under a lease, and the proof that the lease was given up.
#[must_use]
pub(super) struct Ended<T = Round>(T);

impl<T> Ended<T> {
    /// The result.
    pub(super) fn result(self) -> T {
        self.0
    }
}

/// The result of a claim.
pub(super) enum Claimed {
    /// This worker has the lease.
    Leased(Leased),
    /// Another worker has the lease, or wrote the record since it was read: how the round ends.
    Refused(Round),
}

impl<P: Ports> Run<'_, P> {
    /// Claims the person. `unwritten` is what [`Self::leave`] needs after a port error.
    pub(super) async fn claim(&mut self, record: &PersonRecord) -> Result<Claimed, PortError> {
        let claimed = self.worker.claim(record).await?;
        if let Claimed::Leased(leased) = &claimed {
            self.worker.unwritten = Some(leased.record.clone());
        }
        Ok(claimed)
    }

    /// Ends the work under a lease. Releases the lease if the work failed and the record was not
    /// written since the claim. If that fails too, or the record was, or may have been, written,
    /// the lease expires.
    pub(super) async fn leave(
        &mut self,
        result: Result<Ended, PortError>,
    ) -> Result<Round, PortError> {
        if result.is_err()
            && let Some(record) = self.worker.unwritten.take()
        {
            let _ = self.worker.release(Leased { record }).await;
        }
        Ok(result?.result())
    }

    /// From now on, a port error leaves the lease to expire.
    pub(super) fn expire_on_error(&mut self) {
        self.worker.unwritten = None;
    }

    /// Takes both leases, see [`Worker::claim_both`]. After that, the record that [`Self::claim`]
    /// returned is not what the table holds.
    pub(super) async fn claim_both(
        &mut self,
        ours: Leased,
        theirs: PersonRecord,
    ) -> Result<ControlFlow<Released, LeasedPair>, PortError> {
        if self.keeps(Rule::JoinUnderLease) {
            self.expire_on_error();
        }
        self.worker.claim_both(ours, theirs).await
    }

    /// Releases the lease and changes nothing else, except for edits of the record. If the answer
    /// is lost, [`Self::leave`] tries once more; the ledger rejects a second release.
    pub(super) async fn release(&self, record: Leased) -> Result<Released, PortError> {
        self.worker.release(record).await
    }

    /// Writes the record and keeps the lease: `intend`.
    pub(super) async fn store(&mut self, record: &mut Leased) -> Result<(), PortError> {
        self.expire_on_error();
        self.worker.store(record).await
    }

    /// Writes the record and releases the lease: `record`. `NotBefore`: no observation for D.
    pub(super) async fn record(
        &mut self,
        before: PersonState,
        mut record: Leased,
    ) -> Result<Released, PortError> {
        let now = self.now();
        record.not_before = record.not_before.max(now + self.bound());
        record.updated = now;
        self.expire_on_error();
        let record = self.worker.release(record).await?;
        self.report.person = Some(record.id.clone());
        if before != record.state {
            // Best effort: after a crash at this point, the counters are off by one.
            let _ = self.ledger().count(Some(before), Some(record.state)).await;
        }
        Ok(record)
    }

    /// Writes the record together with the pointer of its new account in `side`, and keeps the
    /// lease. `LinkInOneTransaction`: one transaction, the pointer only if absent. `Break`: another
    /// record has the account, nothing was written, and the round starts again.
    pub(super) async fn join(
        &mut self,
        mut record: Leased,
        side: Side,
    ) -> Result<ControlFlow<Ended, Leased>, PortError> {
        record.revision += 1;
        self.expire_on_error();
        match self.ledger().join(&record, &self.worker.owner, side).await {
            Ok(()) => Ok(ControlFlow::Continue(record)),
            Err(error) if error.kind == ErrorKind::Exists => {
                Ok(ControlFlow::Break(record.keep_for_next_round()))
            }
            Err(error) => Err(error),
        }
    }

    /// Merges their record into ours, in one transaction (`MergeHalves`). The lease of ours stays.
    pub(super) async fn merge(&mut self, pair: LeasedPair) -> Result<Leased, PortError> {
        self.expire_on_error();
        let absorbed = pair.theirs.state;
        let kept = self.worker.merge(pair).await?;
        let _ = self.ledger().count(Some(absorbed), None).await;
        Ok(kept)
    }
}
