//! One account is known: finds the person in the other pool, and joins the two accounts.

use std::time::Duration;

use super::proof::Remembered;
use super::search::SearchResult;
use super::{Round, Run, known, later};
use crate::account::{Account, Status};
use crate::change::Evidence;
use crate::control::Control;
use crate::error::{ErrorKind, PortError};
use crate::limits;
use crate::mapping;
use crate::names::PersonId;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::policy::Provision;
use crate::ports::{Ledger, Pool, Ports};
use crate::profile::Field;
use crate::record::{Baseline, DecisionKind, FailedLookup, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// Works under the lease on a person whose only known account is in `side`.
    pub(super) async fn alone(
        &mut self,
        mut record: PersonRecord,
        side: Side,
        observation: Observation,
        control: &Control,
    ) -> Result<Round, PortError> {
        if record.creation.is_some() && self.keeps(Rule::ResolveCreationFirst) {
            return self.resolve_creation(record, side, observation, control).await;
        }
        if let Some(wait) = self.may_be_deleted(side, &observation) {
            self.release(&record).await?;
            return later(wait, Reason::Settling);
        }
        let to = side.other();
        let provision = *self.bridge.policy.provision.get(to);
        let now = self.now();
        let key = self.search_key(&record, &observation);
        let unfit = self.unfit(&mut record, side, &observation).await?;
        let unfit = unfit.or_else(|| self.separated(&record, to));
        if let Some(remembered) = self.remembered(&record, to, unfit, key) {
            let reason = match remembered {
                Remembered::Nobody => None,
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
                let record = PersonRecord { failed_lookup, ..record };
                self.stay_alone(record, side, &observation, Some(reason)).await
            }
            SearchResult::Nobody => {
                // `SettleBeforeClearing`: a listing is older than D and may lack a new
                // sign-up. A creation gets that answer from the pool itself.
                let created = provision == Provision::Eager && !observation.account.federated();
                let listed = self.listing_shows(side);
                if !created && now < listed && self.keeps(Rule::SettleBeforeClearing) {
                    self.release(&record).await?;
                    return later(listed.since(now), Reason::Settling);
                }
                let eager = provision == Provision::Eager;
                if let Some(wait) = self.may_be_ours(side, &observation.account).filter(|_| eager) {
                    self.release(&record).await?;
                    return later(wait, Reason::Settling);
                }
                let record = PersonRecord { failed_lookup, ..record };
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
        mut record: PersonRecord,
        side: Side,
        observation: &Observation,
        reason: Option<Reason>,
    ) -> Result<Round, PortError> {
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
        let unchanged = record == before;
        // This observation covers the last modification, so a listing that shows it is no news.
        if let Some(known) = record.accounts.get_mut(side)
            && known.seen <= observation.account.modified + crate::limits::DATE_GRACE
        {
            known.seen = observation.began;
        }
        if unchanged {
            self.release(&record).await?;
        } else {
            self.record(before.state, record).await?;
        }
        let next = self.now() + self.bound();
        if let Some(wait) = self.clear_pending_changes(&[(side, observation)], next).await? {
            return later(wait, Reason::Settling);
        }
        Ok(Round::Done(match reason.filter(|_| !passive) {
            Some(reason) => Outcome::Held(reason),
            None => Outcome::Unchanged,
        }))
    }

    /// Joins an account of the other pool to this person.
    async fn link(
        &mut self,
        mut record: PersonRecord,
        side: Side,
        observation: Observation,
        account: Account,
        person: Option<Box<PersonRecord>>,
        control: &Control,
    ) -> Result<Round, PortError> {
        let to = side.other();
        let of_note =
            |person: &PersonRecord| person.creation.as_ref().is_some_and(|it| it.side == side);
        let noted = person.as_deref().is_some_and(of_note);
        let here = self.may_be_ours(side, &observation.account).filter(|_| !noted);
        if let Some(wait) = here.max(self.may_be_ours(to, &account)) {
            self.release(&record).await?;
            return later(wait, Reason::Settling);
        }
        self.read_pending_of(to, &account.sub).await?;
        let Some(there) = self.still_proved(side, &observation, &account).await? else {
            // The listing was older than the account, or the account is deleted: linked to it, this
            // person would count as deleted too. Later the listing will be current.
            self.release(&record).await?;
            return later(self.bound(), Reason::Settling);
        };
        if let Some(other) = person {
            return self.merge_halves(record, *other, side, observation).await;
        }
        *record.accounts.get_mut(to) = Some(known(&there));
        self.linked(&mut record, None, to);
        record.revision += 1;
        self.touched = true;
        // `LinkInOneTransaction`: one transaction, the pointer only if absent.
        match self.ledger().join(&record, &self.owner, to).await {
            Ok(()) => self.carry_seen(record, side, observation, there, control).await,
            Err(error) if error.kind == ErrorKind::Exists => Ok(Round::Again),
            Err(error) => Err(error),
        }
    }

    /// How long to wait before an account counts as the person's own sign-up, because it may be a
    /// creation of poolbridge whose intent is still open in another record. The worker that stored
    /// the intent must find it first.
    fn may_be_ours(&self, side: Side, account: &Account) -> Option<std::time::Duration> {
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

    /// Merges two records of one human, each with one account: under both leases, in one
    /// transaction (`MergeHalves`, `JoinUnderLease`).
    pub(super) async fn merge_halves(
        &mut self,
        ours: PersonRecord,
        theirs: PersonRecord,
        side: Side,
        observation: Observation,
    ) -> Result<Round, PortError> {
        let mut theirs = theirs;
        if !self.keeps(Rule::DeletedNeverMatch) {
            forget_the_deleted(&mut theirs, side);
        }
        let one_sided = theirs.only_side() == Some(side.other()) && theirs.tombstone.is_none();
        if !one_sided || theirs.id == ours.id {
            // That account belongs to a person who has, or had, another account here
            // (`DeletedNeverMatch`).
            let key = self.search_key(&ours, &observation);
            let ours =
                PersonRecord { failed_lookup: Some(FailedLookup { at: self.now(), key }), ..ours };
            return self.stay_alone(ours, side, &observation, Some(Reason::Ambiguous)).await;
        }
        if !self.keeps(Rule::MergeHalves) {
            return self.stay_alone(ours, side, &observation, None).await;
        }
        let wait = match self.too_early(&theirs, self.now()) {
            Some(Outcome::Retry(wait, _)) => wait.max(limits::RETRY_SOON),
            Some(_) | None => limits::RETRY_SOON,
        };
        let Some((ours, theirs)) = self.claim_both(ours, theirs).await? else {
            return later(wait, Reason::Busy);
        };
        // `IntentChecksPhase`: read with each claim, and one was made just now.
        let control = &self.control().await?;
        if let Some(reason) = self.barred(control) {
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        // A listing shows deleted accounts. Linked to one, this person would count as deleted too.
        let there = self.observe_half(&theirs, side.other()).await?;
        let Some(there) = there else {
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(self.bound(), Reason::Settling);
        };
        let Some((baseline, salt, link_created)) =
            self.shared_creation(&ours, &theirs, side, &observation, &there).await?
        else {
            // A creation of the other record is not resolved yet.
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(self.bound(), Reason::Settling);
        };
        let older = |record: &PersonRecord| (record.created, record.id.clone());
        let (mut kept, absorbed) =
            if older(&ours) <= older(&theirs) { (ours, theirs) } else { (theirs, ours) };
        join_halves(&mut kept, &absorbed);
        self.linked(&mut kept, baseline, side.other());
        kept.salt = salt;
        kept.owes_password = kept.owes_password.or(link_created);
        kept.revision = kept.revision.max(absorbed.revision) + 1;
        self.touched = true;
        self.ledger().merge(&kept, &absorbed, &self.owner).await?;
        let _ = self.ledger().count(Some(absorbed.state), None).await;
        self.report.person = Some(kept.id.clone());
        let now = self.now();
        if kept.not_before > now {
            // One of the records was written just now: no observation before D has passed
            // (`NotBefore`).
            let wait = kept.not_before.since(now);
            let before = kept.state;
            kept.state = PersonState::Waiting;
            kept.reason = Some(Reason::Settling);
            self.record(before, kept).await?;
            return later(wait, Reason::Settling);
        }
        self.carry_seen(kept, side, observation, there, control).await
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

    /// Takes both leases, in the order of the ids and without waiting. If theirs comes first, ours
    /// is released and claimed again after it. `None`: not now, and neither is held.
    pub(super) async fn claim_both(
        &mut self,
        ours: PersonRecord,
        theirs: PersonRecord,
    ) -> Result<Option<(PersonRecord, PersonRecord)>, PortError> {
        if !self.keeps(Rule::JoinUnderLease) {
            return Ok(Some((ours, theirs)));
        }
        self.touched = true;
        if self.too_early(&theirs, self.now()).is_some() {
            self.release(&ours).await?;
            return Ok(None);
        }
        if theirs.id > ours.id {
            if let Ok(theirs) = self.claim(&theirs).await? {
                return Ok(Some((ours, theirs)));
            }
            self.release(&ours).await?;
            return Ok(None);
        }
        self.release(&ours).await?;
        let Ok(theirs) = self.claim(&theirs).await? else { return Ok(None) };
        let ours = PersonRecord { revision: ours.revision + 1, ..ours };
        if let Ok(ours) = self.claim(&ours).await? {
            return Ok(Some((ours, theirs)));
        }
        self.release(&theirs).await?;
        Ok(None)
    }

    /// The baseline of two records: what the creation intent of one states, if it caused the
    /// other's account (`CreationIntentFirst`); otherwise none. Also the salt of its
    /// fingerprints, and the pool of the created account. `None`: not known yet.
    async fn shared_creation(
        &mut self,
        ours: &PersonRecord,
        theirs: &PersonRecord,
        side: Side,
        observation: &Observation,
        there: &Observation,
    ) -> Result<Option<(Option<Baseline>, PersonId, Option<Side>)>, PortError> {
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
        creation: &crate::record::CreationIntent,
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

/// The planted bug against `DeletedNeverMatch`: a newcomer replaces the lost account.
fn forget_the_deleted(person: &mut PersonRecord, side: Side) {
    let gone = person.accounts.get(side).as_ref().is_some_and(|known| known.gone.is_some());
    if gone || person.tombstone.is_some() {
        *person.accounts.get_mut(side) = None;
        person.tombstone = None;
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
