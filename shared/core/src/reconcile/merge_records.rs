//! Two records of one human, each with one account, become one record (`MergeHalves`).

use std::ops::ControlFlow;

use super::Run;
use super::lease::{Ended, Leased, LeasedPair};
use crate::control::Control;
use crate::error::PortError;
use crate::limits;
use crate::names::PersonId;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::ports::{Pool, Ports};
use crate::record::{Baseline, CreationIntent, FailedLookup, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// Merges two records of one human, each with one account: under both leases, in one
    /// transaction (`MergeHalves`, `JoinUnderLease`).
    pub(super) async fn merge_halves(
        &mut self,
        mut ours: Leased,
        theirs: PersonRecord,
        side: Side,
        observation: Observation,
    ) -> Result<Ended, PortError> {
        #[cfg(feature = "planted")]
        let theirs = self.forget_the_deleted(theirs, side);
        let one_sided = theirs.only_side() == Some(side.other()) && theirs.tombstone.is_none();
        if !one_sided || theirs.id == ours.id {
            // That account belongs to a person who has, or had, another account here
            // (`DeletedNeverMatch`).
            let key = self.search_key(&ours, &observation);
            ours.failed_lookup = Some(FailedLookup { at: self.now(), key });
            return self.stay_alone(ours, side, &observation, Some(Reason::Ambiguous)).await;
        }
        if !self.keeps(Rule::MergeHalves) {
            return self.stay_alone(ours, side, &observation, None).await;
        }
        let wait = match self.worker.too_early(&theirs, self.now()) {
            Some(Outcome::Retry(wait, _)) => wait.max(limits::RETRY_SOON),
            Some(_) | None => limits::RETRY_SOON,
        };
        let pair = match self.claim_both(ours, theirs).await? {
            ControlFlow::Continue(pair) => pair,
            ControlFlow::Break(released) => return Ok(released.later(wait, Reason::Busy)),
        };
        // `IntentChecksPhase`: read with each claim, and one was made just now.
        let control = &self.control().await?;
        if let Some(reason) = self.barred(control) {
            let released = self.worker.release_both(pair).await?;
            return Ok(released.later(limits::RETRY_SLOWLY, reason));
        }
        // A listing shows deleted accounts. Linked to one, this person would count as deleted too.
        let there = self.observe_half(pair.theirs(), side.other()).await?;
        let Some(there) = there else {
            let released = self.worker.release_both(pair).await?;
            return Ok(released.later(self.bound(), Reason::Settling));
        };
        let Some((baseline, salt, link_created)) =
            self.shared_creation(&pair, side, &observation, &there).await?
        else {
            // A creation of the other record is not resolved yet.
            let released = self.worker.release_both(pair).await?;
            return Ok(released.later(self.bound(), Reason::Settling));
        };
        let mut pair = pair.older_first();
        let (kept, absorbed) = pair.kept_and_absorbed();
        join_halves(kept, absorbed);
        self.linked(kept, baseline, side.other());
        kept.salt = salt;
        kept.owes_password = kept.owes_password.or(link_created);
        let kept = self.merge(pair).await?;
        self.report.person = Some(kept.id.clone());
        self.carry_merged(kept, side, observation, there, control).await
    }

    /// Carries over what differs between the merged halves, if that is possible now.
    async fn carry_merged(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
        there: Observation,
        control: &Control,
    ) -> Result<Ended, PortError> {
        let now = self.now();
        if record.not_before > now {
            // One of the records was written just now: no observation before D has passed
            // (`NotBefore`).
            let wait = record.not_before.since(now);
            let before = record.state;
            record.state = PersonState::Waiting;
            record.reason = Some(Reason::Settling);
            return Ok(self.record(before, record).await?.later(wait, Reason::Settling));
        }
        self.carry_seen(record, side, observation, there, control).await
    }

    /// Observes the only account of a record, after its pending change was read.
    async fn observe_half(
        &mut self,
        half: &PersonRecord,
        side: Side,
    ) -> Result<Option<Observation>, PortError> {
        let Some(account) = half.accounts.get(side).clone() else { return Ok(None) };
        self.read_pending_of(side, &account.sub).await?;
        self.observe(side, &account).await
    }

    /// The baseline of two records: what the creation intent of one states, if it caused the
    /// other's account (`CreationIntentFirst`); otherwise none. Also the salt of its
    /// fingerprints, and the pool of the created account. `None`: not known yet.
    async fn shared_creation(
        &mut self,
        pair: &LeasedPair,
        side: Side,
        observation: &Observation,
        there: &Observation,
    ) -> Result<Option<(Option<Baseline>, PersonId, Option<Side>)>, PortError> {
        let (ours, theirs) = (pair.ours(), pair.theirs());
        let to = side.other();
        let keys = self.bridge.keys;
        let mut link_created = None;
        if let Some(creation) = ours.creation.as_ref().filter(|creation| creation.side == to)
            && creation.announced(&there.profile, there.account.created, keys, &ours.salt)
        {
            link_created = Some((Some(creation.baseline()), ours.salt.clone(), Some(to)));
        }
        if let Some(creation) = &theirs.creation {
            let announced = creation.announced(
                &observation.profile,
                observation.account.created,
                keys,
                &theirs.salt,
            );
            if link_created.is_none() && announced {
                link_created = Some((Some(creation.baseline()), theirs.salt.clone(), Some(side)));
            } else if !announced && self.made_another(side, observation, theirs, creation).await? {
                return Ok(None);
            }
        }
        if let Some(link_created) = link_created {
            return Ok(Some(link_created));
        }
        let salt = if (ours.created, &ours.id) <= (theirs.created, &theirs.id) {
            ours.salt.clone()
        } else {
            theirs.salt.clone()
        };
        Ok(Some((None, salt, None)))
    }

    /// Whether the other record's open creation, which can no longer land, made an account here
    /// other than the observed one. Then there are two, and a person must choose.
    async fn made_another(
        &mut self,
        side: Side,
        observation: &Observation,
        theirs: &PersonRecord,
        creation: &CreationIntent,
    ) -> Result<bool, PortError> {
        let schemas = self.bridge.schemas().await?;
        let began = self.now();
        self.report.account_reads += 1;
        let found = self.bridge.ports.pool(side).read_name(&creation.username).await?;
        Ok(found.filter(|it| it.sub != observation.account.sub).is_some_and(|account| {
            let found = Observation::new(self.bridge.policy, side, account, &schemas, began);
            let created = found.account.created;
            creation.announced(&found.profile, created, self.bridge.keys, &theirs.salt)
        }))
    }
}

/// Takes over the contents of the other record.
pub(super) fn join_halves(kept: &mut PersonRecord, absorbed: &PersonRecord) {
    for side in Side::BOTH {
        let account = kept.accounts.get_mut(side);
        if account.is_none() {
            account.clone_from(absorbed.accounts.get(side));
        }
        let set = kept.passwords.set.get_mut(side);
        *set = (*set).max(*absorbed.passwords.set.get(side));
        let owed = *absorbed.passwords.owes_sign_out.get(side);
        *kept.passwords.owes_sign_out.get_mut(side) |= owed;
        let closed = kept.passwords.closed.get_mut(side);
        *closed = (*closed).max(*absorbed.passwords.closed.get(side));
        let unproven = kept.passwords.unproven.get_mut(side);
        *unproven = (*unproven).max(*absorbed.passwords.unproven.get(side));
    }
    kept.created = kept.created.min(absorbed.created);
    kept.not_before = kept.not_before.max(absorbed.not_before);
    kept.owes_password = kept.owes_password.or(absorbed.owes_password);
    kept.apart.extend(&absorbed.apart);
    kept.blocked_fields.clear();
    for decision in &absorbed.decisions {
        kept.decide(decision.clone());
    }
}
