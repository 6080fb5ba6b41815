//! Claims people and releases their leases. The work on a change event does this, and so do the
//! commands of an operator, which have no change event.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Claimed, Leased, LeasedPair, Released};
use crate::error::PortError;
use crate::limits;
use crate::names::Owner;
use crate::outcome::{Outcome, Reason};
use crate::ports::{Claim, Clock, Ledger, Ports};
use crate::reconcile::{Bridge, Round, Work};
use crate::record::{Lease, PersonRecord};
use crate::rules::Rule;
use crate::side::BySide;
use crate::time::Time;

/// What a claim needs. An operator's command claims people without a change event.
pub(in crate::reconcile) struct Worker<'a, P> {
    bridge: Bridge<'a, P>,
    /// The time limits.
    pub(in crate::reconcile) work: &'a Work,
    /// Unique for this claim (`UniqueLeaseOwner`).
    pub(super) owner: Owner,
    /// The record as a run claimed it, until it was, or may have been, written under this claim.
    pub(super) unwritten: Option<Box<PersonRecord>>,
}

impl<'a, P: Ports> Worker<'a, P> {
    /// A worker that holds no lease.
    pub(in crate::reconcile) const fn new(
        bridge: Bridge<'a, P>,
        work: &'a Work,
        owner: Owner,
    ) -> Self {
        Self { bridge, work, owner, unwritten: None }
    }

    fn ledger(&self) -> &P::Ledger {
        self.bridge.ports.ledger()
    }

    /// The current time.
    pub(in crate::reconcile) fn now(&self) -> Time {
        self.bridge.ports.clock().now()
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.bridge.policy.rules.keeps(rule)
    }

    /// Why no observation of this person may begin yet, if that is so.
    pub(in crate::reconcile) fn too_early(
        &self,
        record: &PersonRecord,
        now: Time,
    ) -> Option<Outcome> {
        if let Some(lease) = record.lease.as_ref().filter(|lease| lease.free_at > now)
            && lease.owner != self.owner
        {
            return Some(Outcome::Retry(lease.free_at.since(now), Reason::Busy));
        }
        let mut earliest = Time::ZERO;
        if self.keeps(Rule::NotBefore) {
            earliest = earliest.max(record.not_before);
        }
        if let Some(intent) = &record.intent
            && self.keeps(Rule::IntentSettlesFirst)
        {
            earliest = earliest.max(intent.until + self.bridge.policy.bound());
        }
        if let Some(creation) = &record.creation
            && self.keeps(Rule::ResolveCreationFirst)
        {
            earliest = earliest.max(creation.until + self.bridge.policy.bound());
        }
        (earliest > now).then(|| Outcome::Retry(earliest.since(now), Reason::Settling))
    }

    /// A lease that outlasts every call that this process can still send (`LeaseOutlastsWrite`),
    /// and its process (`LeaseOutlastsProcess`).
    fn lease(&self) -> Lease {
        let end = self.work.deadline.max(self.work.invocation_end);
        let until = end + limits::LANDING_TIME + self.bridge.policy.clock_allowance;
        let suspended = self.work.suspendable && self.keeps(Rule::LeaseOutlastsProcess);
        let free_at = if suspended { until + limits::SIGNATURE_LIFE } else { until };
        Lease { owner: self.owner.clone(), until, free_at }
    }

    /// Takes the lease.
    pub(in crate::reconcile) async fn claim(
        &self,
        record: &PersonRecord,
    ) -> Result<Claimed, PortError> {
        let now = self.now();
        let lease = self.lease();
        Ok(match self.ledger().claim(&record.id, record.revision, &lease, now).await? {
            Claim::Taken(record) => Claimed::Leased(Leased { record }),
            Claim::Busy(free_at) => {
                let wait = free_at.since(now).max(Duration::from_secs(1));
                Claimed::Refused(Round::Done(Outcome::Retry(wait, Reason::Busy)))
            }
            Claim::Moved => Claimed::Refused(Round::Again),
        })
    }

    /// Takes both leases, in the order of the ids and without waiting. If theirs comes first, ours
    /// is released and claimed again after it. `Break`: not now, and neither is held.
    pub(in crate::reconcile) async fn claim_both(
        &self,
        ours: Leased,
        theirs: PersonRecord,
    ) -> Result<ControlFlow<Released, LeasedPair>, PortError> {
        #[cfg(feature = "planted")]
        if !self.keeps(Rule::JoinUnderLease) {
            // Without the rule, their record counts as leased without a claim.
            let theirs = Leased { record: Box::new(theirs) };
            return Ok(ControlFlow::Continue(LeasedPair { ours, theirs }));
        }
        if self.too_early(&theirs, self.now()).is_some() {
            return Ok(ControlFlow::Break(self.release(ours).await?));
        }
        if theirs.id > ours.id {
            return Ok(match self.claim(&theirs).await? {
                Claimed::Leased(theirs) => ControlFlow::Continue(LeasedPair { ours, theirs }),
                Claimed::Refused(_) => ControlFlow::Break(self.release(ours).await?),
            });
        }
        let ours = self.release(ours).await?;
        let Claimed::Leased(theirs) = self.claim(&theirs).await? else {
            return Ok(ControlFlow::Break(ours));
        };
        Ok(match self.claim(&ours).await? {
            Claimed::Leased(ours) => ControlFlow::Continue(LeasedPair { ours, theirs }),
            Claimed::Refused(_) => ControlFlow::Break(self.release(theirs).await?),
        })
    }

    /// Releases the lease. The record is stored as it is, with its edits.
    pub(in crate::reconcile) async fn release(
        &self,
        mut record: Leased,
    ) -> Result<Released, PortError> {
        record.lease = None;
        self.store(&mut record).await?;
        Ok(Released { record: record.record })
    }

    /// Releases both leases.
    pub(in crate::reconcile) async fn release_both(
        &self,
        pair: LeasedPair,
    ) -> Result<Released, PortError> {
        self.release(pair.theirs).await?;
        self.release(pair.ours).await
    }

    /// Writes the record. Its lease stays, if it has one.
    pub(super) async fn store(&self, record: &mut Leased) -> Result<(), PortError> {
        record.revision += 1;
        self.ledger().store(record, &self.owner).await
    }

    /// Merges their record into ours, in one transaction (`MergeHalves`). The lease of ours stays.
    pub(super) async fn merge(&self, pair: LeasedPair) -> Result<Leased, PortError> {
        let LeasedPair { ours: mut kept, theirs: absorbed } = pair;
        kept.revision = kept.revision.max(absorbed.revision) + 1;
        self.ledger().merge(&kept, &absorbed, &self.owner).await?;
        Ok(kept)
    }

    /// Merges their record into ours, and releases the lease in the same transaction.
    pub(in crate::reconcile) async fn merge_and_release(
        &self,
        mut pair: LeasedPair,
    ) -> Result<Released, PortError> {
        pair.ours.lease = None;
        let kept = self.merge(pair).await?;
        Ok(Released { record: kept.record })
    }

    /// Replaces the record by its two halves, which hold no lease, in one transaction.
    pub(in crate::reconcile) async fn separate(
        &self,
        record: Leased,
        halves: &BySide<PersonRecord>,
    ) -> Result<Released, PortError> {
        self.ledger().separate(&halves.old, &halves.new, &self.owner).await?;
        Ok(Released { record: record.record })
    }
}
