//! Observations, echoes, new people, and `explain`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::lease::{Claimed, Ended, Leased, Worker};
use super::{Bridge, Round, Run, Work, later};
use crate::account::{AccountRef, PoolSchema, Status};
use crate::change::Evidence;
use crate::error::{ErrorKind, PortError};
use crate::names::{Owner, PersonId, Sub};
use crate::outcome::{Outcome, Reason};
use crate::plan::{self, Observation, Plan, factors};
use crate::ports::{Clock, Ledger, Pool, Ports};
use crate::profile::{Field, FieldState};
use crate::record::{BlockedField, KnownAccount, Past, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::time::Time;

/// Everything about one person, as `poolbridge explain` shows it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The person record, if there is one.
    pub record: Option<PersonRecord>,
    /// Whether the account of each pool existed when it was read.
    pub present: BySide<bool>,
    /// What the next run of apply would do, if both accounts could be read.
    pub plan: Option<Plan>,
}

impl<P: Ports> Bridge<'_, P> {
    pub(super) async fn schemas(&self) -> Result<BySide<Arc<PoolSchema>>, PortError> {
        Ok(BySide {
            old: self.ports.pool(Side::Old).schema().await?,
            new: self.ports.pool(Side::New).schema().await?,
        })
    }

    /// Whether memberships can matter: not if one of the pools has no group at all.
    pub(super) fn groups_matter(&self, schemas: &BySide<Arc<PoolSchema>>) -> bool {
        self.policy.groups && !schemas.old.groups.is_empty() && !schemas.new.groups.is_empty()
    }

    /// Observes one account. `None`: it is gone, or another account has its username (`SameSub`).
    pub(super) async fn observe(
        &self,
        side: Side,
        account_ref: &AccountRef,
    ) -> Result<Option<Observation>, PortError> {
        let schemas = self.schemas().await?;
        let began = self.ports.clock().now();
        let pool = self.ports.pool(side);
        let Some(mut account) = pool.read(account_ref).await? else { return Ok(None) };
        if account.sub != account_ref.sub && self.policy.rules.keeps(Rule::SameSub) {
            return Ok(None);
        }
        let mut missing = None;
        if self.groups_matter(&schemas) {
            match pool.groups(&account.account_ref()).await {
                Ok(groups) => account.groups = Some(groups),
                // An incomplete list counts as unread. The rest continues, because a disable must
                // not wait for it, and the port error leads to `retry`. This is also true for "no
                // such account" (`AbsenceTwice`): the account was read, so it exists, and only
                // its list is unknown. If it was deleted since, the next read shows that.
                Err(error) => missing = Some(error),
            }
        }
        let observation = Observation::new(self.policy, side, account, &schemas, began);
        Ok(Some(Observation { missing, ..observation }))
    }

    /// What the next run of apply would do about the person of this account, without doing it.
    pub async fn explain(&self, side: Side, sub: &Sub) -> Result<Explanation, PortError> {
        let Some(record) = self.ports.ledger().find(side, sub).await? else {
            return Ok(Explanation { record: None, present: BySide::default(), plan: None });
        };
        let mut observations = BySide { old: None, new: None };
        for side in Side::BOTH {
            if let Some(known) = record.accounts.get(side) {
                *observations.get_mut(side) = self.observe(side, &account_ref(known)).await?;
            }
        }
        let present = BySide::from_fn(|side| observations.get(side).is_some());
        let control = self.ports.ledger().control().await?;
        let schemas = self.schemas().await?;
        let plan = match (observations.old, observations.new) {
            (Some(old), Some(new)) if record.tombstone.is_none() => {
                Some(plan::plan(&plan::PlanInput {
                    policy: self.policy,
                    keys: self.keys,
                    phase: control.phase,
                    schemas: &schemas,
                    observations: &BySide { old, new },
                    record: &record,
                    captured: BySide::default(),
                    changed: BySide::default(),
                    taken: &BTreeMap::new(),
                    now: self.ports.clock().now(),
                }))
            }
            (_, _) => None,
        };
        Ok(Explanation { record: Some(record), present, plan })
    }

    /// Clears what was rejected and what was not found, so that the next run of apply tries again.
    /// This is the operator's `retry`: it writes the table under its own lease, and no pool.
    /// Returns whether the person was free.
    pub async fn forget_blocked(
        &self,
        record: &PersonRecord,
        work: &Work,
    ) -> Result<bool, PortError> {
        let worker = self.operator(work);
        Ok(match worker.claim(record).await? {
            Claimed::Leased(record) => Self::clear_blocked(&worker, record).await?.result(),
            Claimed::Refused(_) => false,
        })
    }

    async fn clear_blocked(
        worker: &Worker<'_, P>,
        mut record: Leased,
    ) -> Result<Ended<bool>, PortError> {
        record.blocked_fields.clear();
        record.failure = None;
        record.failed_lookup = None;
        record.direction_changes.clear();
        Ok(worker.release(record).await?.with(true))
    }

    /// The worker of an operator's command. It claims people without a change event.
    pub(super) fn operator<'a>(&'a self, work: &'a Work) -> Worker<'a, P> {
        Worker::new(*self, work, Owner::from_nonce(self.ports.clock().nonce()))
    }
}

/// How to read a known account.
pub(super) fn account_ref(known: &KnownAccount) -> AccountRef {
    AccountRef { sub: known.sub.clone(), username: Some(known.username.clone()) }
}

/// The known account of an observation.
pub(super) fn known(observation: &Observation) -> KnownAccount {
    KnownAccount {
        sub: observation.account.sub.clone(),
        username: observation.account.username.clone(),
        seen: observation.began,
        written: None,
        gone: None,
    }
}

impl<P: Ports> Run<'_, P> {
    /// Observes an account of this person.
    pub(super) async fn observe(
        &mut self,
        side: Side,
        known: &KnownAccount,
    ) -> Result<Option<Observation>, PortError> {
        self.report.account_reads += 1;
        self.bridge.observe(side, &account_ref(known)).await
    }

    /// Continues with the observation from before the claim, or with a new one if it is older than
    /// D. A change since then may be settled already and its pending change cleared: another worker
    /// may have found it equal to the baseline before this claim.
    pub(super) async fn with_fresh_observation(
        &mut self,
        record: Leased,
        observation: Observation,
    ) -> Result<Ended, PortError> {
        let (side, began) = (self.change.side, self.now());
        let known = record.accounts.get(side).clone();
        let observation = match known.filter(|_| began >= observation.began + self.bound()) {
            Some(known) => match self.observe(side, &known).await? {
                Some(observation) => observation,
                None => return self.missing_under_lease(record, began).await,
            },
            None => observation,
        };
        self.under_lease(record, observation).await
    }

    /// Whether the changed account equals the baseline and no work is open. Then there is nothing
    /// to do; the other account has pending changes of its own (`ClearOnlyObservedSides`).
    pub(super) fn is_echo(&self, record: &PersonRecord, observation: &Observation) -> bool {
        let quiet = record.state == PersonState::Synced
            && record.intent.is_none()
            && record.creation.is_none()
            && record.owes_password.is_none()
            && !record.passwords.is_work_left(record.linked, self.closes_passwords())
            // An observation that missed an account counts until the account is seen again.
            && Side::BOTH.iter().all(|side| {
                record.accounts.get(*side).as_ref().is_none_or(|known| known.gone.is_none())
            });
        let Some(baseline) = record.baseline.as_ref().filter(|_| quiet) else { return false };
        let side = self.change.side;
        let password =
            self.has_password_news(record, side) || Self::reset_moved(record, side, observation);
        if observation.missing.is_some() || password {
            return false;
        }
        // A field that the mapping cannot express is blocked once.
        if observation.unsayable.keys().any(|field| !record.blocked_fields.contains_key(field)) {
            return false;
        }
        let said = observation.profile.present().map(|(field, _)| field);
        said.chain(baseline.fields.keys()).all(|field| {
            let reading = observation.profile.get(field);
            // An unread field shows no change. But if a group with agreed members was deleted, that
            // must be recorded, in case the group is created again without them.
            if reading == FieldState::Unknown {
                let base = baseline.fields.get(field).and_then(|base| base.fingerprint);
                return !matches!(field, Field::Group(_)) || base.is_none();
            }
            let mapping = &self.bridge.policy.mapping;
            let Some(rule) = mapping.revision(field) else { return true };
            match baseline.past(field, rule) {
                Past::Never => false,
                Past::Was(base) => {
                    let how = (self.bridge.keys, &record.salt);
                    factors::matches_baseline(
                        how,
                        self.change.side,
                        observation,
                        field,
                        base.fingerprint,
                    )
                }
            }
        })
    }

    /// Ends an echo without a claim: clears the pending change if the observation settles it.
    pub(super) async fn end_echo(&mut self, observation: &Observation) -> Result<Round, PortError> {
        let side = self.change.side;
        #[cfg(feature = "planted")]
        self.clear_other_unseen().await?;
        let wait = self.clear_pending_changes(&[(side, observation)], Time::ZERO).await?;
        let outcome =
            wait.map_or(Outcome::Unchanged, |wait| Outcome::Retry(wait, Reason::Settling));
        Ok(Round::Done(outcome))
    }

    /// An account of no known person: observes it, and creates a person record if it travels.
    pub(super) async fn meet(&mut self) -> Result<Round, PortError> {
        let change = self.change;
        let side = change.side;
        self.read_pending(side).await?;
        let began = self.now();
        self.report.account_reads += 1;
        let account_ref = AccountRef { sub: change.sub.clone(), username: None };
        let found = self.bridge.observe(side, &account_ref).await?;
        let missed = found.is_none();
        let travelling =
            found.filter(|observation| observation.account.status != Status::Unconfirmed);
        let Some(observation) = travelling else {
            // Not there, or not confirmed: no person to keep in step, unless the read may be older
            // than the change. A later confirmation causes an event of its own.
            if let Some(wait) = self.too_early_to_drop(side, missed, began) {
                return later(wait, Reason::Settling);
            }
            self.clear(side, &change.sub).await?;
            return Ok(Round::Done(Outcome::Unchanged));
        };
        let id = PersonId::from_nonce(self.bridge.ports.clock().nonce());
        let record = PersonRecord::new(id, side, known(&observation), self.now());
        match self.ledger().begin(&record).await {
            Ok(()) => {
                let _ = self.ledger().count(None, Some(record.state)).await;
                self.carried_observation = Some(observation);
                Ok(Round::Again)
            }
            // Another worker was first, or it was this one and the answer was lost.
            Err(error) if error.kind == ErrorKind::Exists => Ok(Round::Again),
            Err(error) => Err(error),
        }
    }
}

impl<P: Ports> Run<'_, P> {
    /// How long the pending change of an unknown account stays if the account is absent (`missed`)
    /// or unconfirmed. Without its username a listing searched for it, and a listing is staler than
    /// D. "Not found" settles the change only if the listing is late enough
    /// (`SettleBeforeClearing`). A deletion needs no listing: no change follows it.
    fn too_early_to_drop(&self, side: Side, missed: bool, began: Time) -> Option<Duration> {
        let (at, evidence) =
            self.newest_event(side).filter(|_| self.keeps(Rule::SettleBeforeClearing))?;
        let by_listing = missed && evidence != Evidence::Deleted;
        let policy = self.bridge.policy;
        let lag = if by_listing { policy.listing_bound() } else { self.bound() };
        let shows = at + lag;
        // A listing may catch up early, so each wait is as long as all waits before it.
        let (now, passed) = (self.now(), self.now().since(at));
        let wait = if by_listing { passed.max(self.bound()) } else { lag };
        (began < shows).then(|| wait.min(shows.since(now)))
    }
}

/// The blocked field that decides the outcome for the person: the first one that waits for a human.
pub(super) fn worst(blocked_fields: &BTreeMap<Field, BlockedField>) -> Option<Reason> {
    let reasons = || blocked_fields.values().map(|blocked_field| blocked_field.reason);
    reasons().find(|reason| !reason.refuses_value()).or_else(|| reasons().next())
}
