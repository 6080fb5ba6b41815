//! One account is known: finds the person in the other pool, and joins the two accounts.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Run;
use super::lease::{Ended, Leased};
use super::observe::known;
use super::proof::Remembered;
use super::search::SearchResult;
use crate::account::{Account, Status};
use crate::change::Evidence;
use crate::control::Control;
use crate::error::PortError;
use crate::limits;
use crate::mapping;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::policy::Provision;
use crate::ports::Ports;
use crate::profile::Field;
use crate::record::{Baseline, DecisionKind, FailedLookup, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// Works under the lease on a person whose only known account is in `side`.
    pub(super) async fn alone(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
        control: &Control,
    ) -> Result<Ended, PortError> {
        if record.creation.is_some() && self.keeps(Rule::ResolveCreationFirst) {
            return self.resolve_creation(record, side, observation, control).await;
        }
        if let Some(wait) = self.may_be_deleted(side, &observation) {
            return Ok(self.release(record).await?.later(wait, Reason::Settling));
        }
        let to = side.other();
        let provision = *self.bridge.policy.provision.get(to);
        let now = self.now();
        let key = self.search_key(&record, &observation);
        let unfit = self.unfit(&mut record, side, &observation).await?;
        let unfit = unfit.or_else(|| self.separated(&record, to));
        if let Some(remembered) = self.remembered(&record, to, unfit, key) {
            let reason = match remembered {
                Remembered::NotFound => None,
                Remembered::Held(reason) => Some(reason),
            };
            return self.stay_alone(record, side, &observation, reason).await;
        }
        let shows = self.newest_event(side).map_or(now, |(at, _)| at + self.bound());
        // A listing lags, so a result that came too soon is not remembered.
        let settled = now >= shows || !self.keeps(Rule::SettleBeforeClearing);
        let failed_lookup = settled.then_some(FailedLookup { at: now, key });
        match self.search(&record, side, &observation).await? {
            SearchResult::Account(account, person) => {
                self.link(record, side, observation, *account, person, control).await
            }
            SearchResult::Doubtful(reason) => {
                record.failed_lookup = failed_lookup;
                self.stay_alone(record, side, &observation, Some(reason)).await
            }
            SearchResult::NotFound => {
                // `SettleBeforeClearing`: a listing is older than D and may lack a new
                // sign-up. A creation gets that answer from the pool itself.
                let created = provision == Provision::Eager && !observation.account.federated();
                let listed = self.listing_shows(side);
                if !created && now < listed && self.keeps(Rule::SettleBeforeClearing) {
                    let released = self.release(record).await?;
                    return Ok(released.later(listed.since(now), Reason::Settling));
                }
                let eager = provision == Provision::Eager;
                if let Some(wait) = self.may_be_ours(side, &observation.account).filter(|_| eager) {
                    return Ok(self.release(record).await?.later(wait, Reason::Settling));
                }
                record.failed_lookup = failed_lookup;
                match (provision, unfit) {
                    (Provision::Lazy, _) => self.stay_alone(record, side, &observation, None).await,
                    (Provision::Eager, Some(reason)) => {
                        self.stay_alone(record, side, &observation, Some(reason)).await
                    }
                    (Provision::Eager, None) => self.create(record, side, observation).await,
                }
            }
        }
    }

    /// How long until a read shows the deletion that an event reported (`SettleBeforeClearing`).
    /// Such an account is neither linked nor a reason to create one.
    fn may_be_deleted(&self, side: Side, observation: &Observation) -> Option<Duration> {
        let (at, _) =
            self.newest_event(side).filter(|(_, evidence)| *evidence == Evidence::Deleted)?;
        let shows = at + self.bound();
        (self.keeps(Rule::SettleBeforeClearing) && observation.began < shows)
            .then(|| shows.since(self.now()))
    }

    /// Nothing to do in the other pool for now. Records that, with the reason if a person must act.
    pub(super) async fn stay_alone(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: &Observation,
        reason: Option<Reason>,
    ) -> Result<Ended, PortError> {
        let before = record.clone();
        // A disabled or federated person needs no action: they count as known in one pool only.
        let passive = matches!(reason, None | Some(Reason::Disabled | Reason::Federated));
        record.state = if passive { PersonState::only(side) } else { PersonState::Held };
        record.reason = reason;
        if let Some(known) = record.accounts.get_mut(side) {
            known.gone = None;
        }
        if let Some(at) = self.chosen_password(&record, side, observation) {
            *record.passwords.set.get_mut(side) = Some(at);
        }
        if !passive && before.reason != reason {
            let decision = self.decision(DecisionKind::Held, Some(side.other()), reason);
            self.decide(&mut record, decision);
        }
        let unchanged = *record == before;
        // This observation covers the last modification, so a listing that shows it is no news.
        if let Some(known) = record.accounts.get_mut(side)
            && known.seen <= observation.account.modified + crate::limits::DATE_GRACE
        {
            known.seen = observation.began;
        }
        let released = if unchanged {
            self.release(record).await?
        } else {
            self.record(before.state, record).await?
        };
        let next = self.now() + self.bound();
        if let Some(wait) = self.clear_pending_changes(&[(side, observation)], next).await? {
            return Ok(released.later(wait, Reason::Settling));
        }
        Ok(released.done(match reason.filter(|_| !passive) {
            Some(reason) => Outcome::Held(reason),
            None => Outcome::Unchanged,
        }))
    }

    /// Joins an account of the other pool to this person.
    async fn link(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
        account: Account,
        person: Option<Box<PersonRecord>>,
        control: &Control,
    ) -> Result<Ended, PortError> {
        let to = side.other();
        let creates_here =
            |person: &PersonRecord| person.creation.as_ref().is_some_and(|it| it.side == side);
        let found = person.as_deref().is_some_and(creates_here);
        let here = self.may_be_ours(side, &observation.account).filter(|_| !found);
        if let Some(wait) = here.max(self.may_be_ours(to, &account)) {
            return Ok(self.release(record).await?.later(wait, Reason::Settling));
        }
        self.read_pending_of(to, &account.sub).await?;
        let Some(there) = self.still_proved(side, &observation, &account).await? else {
            // The listing was older than the account, or the account is deleted: linked to it, this
            // person would count as deleted too. Later the listing will be current.
            return Ok(self.release(record).await?.later(self.bound(), Reason::Settling));
        };
        if let Some(other) = person {
            return self.merge_halves(record, *other, side, observation).await;
        }
        *record.accounts.get_mut(to) = Some(known(&there));
        self.linked(&mut record, None, to);
        match self.join(record, to).await? {
            ControlFlow::Continue(record) => {
                self.carry_seen(record, side, observation, there, control).await
            }
            ControlFlow::Break(ended) => Ok(ended),
        }
    }

    /// How long to wait before an account counts as the person's own sign-up, because it may be a
    /// creation of poolbridge whose intent is still open in another record. The worker that stored
    /// the intent must find it first.
    fn may_be_ours(&self, side: Side, account: &Account) -> Option<Duration> {
        let made = *self.bridge.policy.provision.get(side) == Provision::Eager
            && account.status == Status::ForceChangePassword;
        let known_by = account.created + limits::CREATION_OPEN_MAX;
        let now = self.now();
        (made && now < known_by && self.keeps(Rule::TombstoneFirst)).then(|| known_by.since(now))
    }

    /// Records that two accounts now belong to one person, and their baseline.
    pub(super) fn linked(
        &mut self,
        record: &mut PersonRecord,
        baseline: Option<Baseline>,
        side: Side,
    ) {
        record.baseline = baseline;
        record.creation = None;
        record.failed_lookup = None;
        record.reason = None;
        record.linked = Some(self.now());
        let decision = self.decision(DecisionKind::Linked, Some(side), None);
        self.decide(record, decision);
    }
}

/// Why the owner could not use this account if it were created in the other pool.
pub(super) fn no_way_in(observation: &Observation) -> Option<Reason> {
    if observation.account.status == Status::ExternalProvider {
        return Some(Reason::Federated);
    }
    if !observation.account.enabled {
        return Some(Reason::Disabled);
    }
    let verified = [Field::Email, Field::Phone].iter().any(|field| {
        observation.profile.get(field).value().is_some()
            && mapping::verified(&observation.account, field)
    });
    (!verified).then_some(Reason::NoWayIn)
}
