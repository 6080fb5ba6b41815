//! One account is known: finds the person in the other pool, and joins the two accounts.

use std::time::Duration;

use super::proof::Remembered;
use super::search::Found;
use super::{Round, Run, known, later};
use crate::account::{Account, Status};
use crate::change::Proof;
use crate::entry::{Agreed, DecisionKind, Entry, Miss, State};
use crate::facts::Field;
use crate::fault::{Fault, FaultKind};
use crate::law::Rule;
use crate::limits;
use crate::mapping;
use crate::names::PersonId;
use crate::plan::View;
use crate::policy::{Control, Provision};
use crate::ports::{Ledger, Pool, Ports};
use crate::side::Side;
use crate::verdict::{Reason, Verdict};

impl<P: Ports> Run<'_, P> {
    /// Works under the lease on a person whose only known account is in `side`.
    pub(super) async fn alone(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
        control: &Control,
    ) -> Result<Round, Fault> {
        if entry.birth.is_some() && self.keeps(Rule::R20) {
            return self.resolve_birth(entry, side, view, control).await;
        }
        if let Some(wait) = self.may_be_deleted(side, &view) {
            self.release(&entry).await?;
            return later(wait, Reason::Settling);
        }
        let to = side.other();
        let provision = *self.bridge.policy.provision.get(to);
        let now = self.now();
        let key = self.search_key(&entry, &view);
        let unfit = self.unfit(&mut entry, side, &view).await?;
        let unfit = unfit.or_else(|| self.separated(&entry, to));
        if let Some(remembered) = self.remembered(&entry, to, unfit, key) {
            let reason = match remembered {
                Remembered::Nobody => None,
                Remembered::Held(reason) => Some(reason),
            };
            return self.stay_alone(entry, side, &view, reason).await;
        }
        let shows = self.newest_event(side).map_or(now, |(at, _)| at + self.bound());
        // A listing lags, so a result that came too soon is not remembered.
        let settled = now >= shows || !self.keeps(Rule::R8);
        let miss = settled.then_some(Miss { at: now, key });
        match self.search(&entry, side, &view).await? {
            Found::Account(account, person) => {
                self.link(entry, side, view, *account, person, control).await
            }
            Found::Doubtful(reason) => {
                let entry = Entry { miss, ..entry };
                self.stay_alone(entry, side, &view, Some(reason)).await
            }
            Found::Nobody => {
                // R8 (`SettleBeforeClearing`): a listing is older than D and may lack a new
                // sign-up. A creation gets that answer from the pool itself.
                let created = provision == Provision::Eager && !view.account.federated();
                let listed = self.listing_shows(side);
                if !created && now < listed && self.keeps(Rule::R8) {
                    self.release(&entry).await?;
                    return later(listed.since(now), Reason::Settling);
                }
                let eager = provision == Provision::Eager;
                if let Some(wait) = self.may_be_ours(side, &view.account).filter(|_| eager) {
                    self.release(&entry).await?;
                    return later(wait, Reason::Settling);
                }
                let entry = Entry { miss, ..entry };
                match (provision, unfit) {
                    (Provision::Lazy, _) => self.stay_alone(entry, side, &view, None).await,
                    (Provision::Eager, Some(reason)) => {
                        self.stay_alone(entry, side, &view, Some(reason)).await
                    }
                    (Provision::Eager, None) => self.create(entry, side, view).await,
                }
            }
        }
    }

    /// How long until a read shows the deletion that an event reported (R8,
    /// `SettleBeforeClearing`). Such an account is neither linked nor a reason to create one.
    fn may_be_deleted(&self, side: Side, view: &View) -> Option<Duration> {
        let (at, _) = self.newest_event(side).filter(|(_, proof)| *proof == Proof::Deleted)?;
        let shows = at + self.bound();
        (self.keeps(Rule::R8) && view.began < shows).then(|| shows.since(self.now()))
    }

    /// Nothing to do in the other pool for now. Records that, with the reason if a person must act.
    pub(super) async fn stay_alone(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: &View,
        reason: Option<Reason>,
    ) -> Result<Round, Fault> {
        let before = entry.clone();
        // A disabled or federated person needs no action: they count as known in one pool only.
        let passive = matches!(reason, None | Some(Reason::Disabled | Reason::Federated));
        entry.state = if passive { State::only(side) } else { State::Held };
        entry.reason = reason;
        if let Some(known) = entry.accounts.get_mut(side) {
            known.gone = None;
        }
        if let Some(at) = self.chosen_password(&entry, side, view) {
            *entry.passwords.set.get_mut(side) = Some(at);
        }
        if !passive && before.reason != reason {
            let decision = self.decision(DecisionKind::Held, Some(side.other()), reason);
            self.decide(&mut entry, decision);
        }
        let unchanged = entry == before;
        // This observation covers the last modification, so a listing that shows it is no news.
        if let Some(known) = entry.accounts.get_mut(side)
            && known.seen <= view.account.modified + crate::sweep::judge::DATE_GRACE
        {
            known.seen = view.began;
        }
        if unchanged {
            self.release(&entry).await?;
        } else {
            self.record(before.state, entry).await?;
        }
        let next = self.now() + self.bound();
        if let Some(wait) = self.clear_marks(&[(side, view)], next).await? {
            return later(wait, Reason::Settling);
        }
        Ok(Round::Done(match reason.filter(|_| !passive) {
            Some(reason) => Verdict::Held(reason),
            None => Verdict::AlreadyTrue,
        }))
    }

    /// Joins an account of the other pool to this person.
    async fn link(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
        account: Account,
        person: Option<Box<Entry>>,
        control: &Control,
    ) -> Result<Round, Fault> {
        let to = side.other();
        let of_note = |person: &Entry| person.birth.as_ref().is_some_and(|it| it.side == side);
        let noted = person.as_deref().is_some_and(of_note);
        let here = self.may_be_ours(side, &view.account).filter(|_| !noted);
        if let Some(wait) = here.max(self.may_be_ours(to, &account)) {
            self.release(&entry).await?;
            return later(wait, Reason::Settling);
        }
        self.read_mark_of(to, &account.sub).await?;
        let Some(there) = self.still_proved(side, &view, &account).await? else {
            // The listing was older than the account, or the account is deleted: linked to it, this
            // person would count as deleted too. Later the listing will be current.
            self.release(&entry).await?;
            return later(self.bound(), Reason::Settling);
        };
        if let Some(other) = person {
            return self.merge_halves(entry, *other, side, view).await;
        }
        *entry.accounts.get_mut(to) = Some(known(&there));
        self.linked(&mut entry, None, to);
        entry.revision += 1;
        self.touched = true;
        // R16 (`LinkInOneTransaction`): one transaction, the pointer only if absent.
        match self.ledger().join(&entry, &self.owner, to).await {
            Ok(()) => self.carry_seen(entry, side, view, there, control).await,
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Round::Again),
            Err(fault) => Err(fault),
        }
    }

    /// How long to wait before an account counts as the person's own sign-up, because it may be a
    /// creation of poolbridge whose intent is still open in another record. The worker that stored
    /// the intent must find it first.
    fn may_be_ours(&self, side: Side, account: &Account) -> Option<std::time::Duration> {
        let made = *self.bridge.policy.provision.get(side) == Provision::Eager
            && account.status == Status::ForceChangePassword;
        let known_by = account.created + limits::BIRTH_OPEN_MAX;
        let now = self.now();
        (made && now < known_by && self.keeps(Rule::R23)).then(|| known_by.since(now))
    }

    /// Records that two accounts now belong to one person, and their baseline.
    pub(super) fn linked(&mut self, entry: &mut Entry, agreed: Option<Agreed>, side: Side) {
        entry.agreed = agreed;
        entry.birth = None;
        entry.miss = None;
        entry.reason = None;
        entry.linked = Some(self.now());
        let decision = self.decision(DecisionKind::Linked, Some(side), None);
        self.decide(entry, decision);
    }

    /// Merges two records of one human, each with one account: under both leases, in one
    /// transaction (R17 `MergeHalves`, R18 `JoinUnderLease`).
    pub(super) async fn merge_halves(
        &mut self,
        ours: Entry,
        theirs: Entry,
        side: Side,
        view: View,
    ) -> Result<Round, Fault> {
        let mut theirs = theirs;
        if !self.keeps(Rule::R26) {
            forget_the_deleted(&mut theirs, side);
        }
        let one_sided = theirs.only_side() == Some(side.other()) && theirs.tombstone.is_none();
        if !one_sided || theirs.id == ours.id {
            // That account belongs to a person who has, or had, another account here (R26,
            // `DeletedNeverMatch`).
            let key = self.search_key(&ours, &view);
            let ours = Entry { miss: Some(Miss { at: self.now(), key }), ..ours };
            return self.stay_alone(ours, side, &view, Some(Reason::Ambiguous)).await;
        }
        if !self.keeps(Rule::R17) {
            return self.stay_alone(ours, side, &view, None).await;
        }
        let wait = match self.too_early(&theirs, self.now()) {
            Some(Verdict::Later(wait, _)) => wait.max(limits::RETRY_SOON),
            Some(_) | None => limits::RETRY_SOON,
        };
        let Some((ours, theirs)) = self.claim_both(ours, theirs).await? else {
            return later(wait, Reason::Busy);
        };
        // R27 (`IntentChecksPhase`): read with each claim, and one was made just now.
        let control = &self.control().await?;
        if let Some(reason) = self.barred(control) {
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        // A listing shows deleted accounts. Linked to one, this person would count as deleted too.
        let there = self.look_at_half(&theirs, side.other()).await?;
        let Some(there) = there else {
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(self.bound(), Reason::Settling);
        };
        let Some((agreed, salt, born)) =
            self.born_of_one(&ours, &theirs, side, &view, &there).await?
        else {
            // A creation of the other record is not resolved yet.
            self.release(&theirs).await?;
            self.release(&ours).await?;
            return later(self.bound(), Reason::Settling);
        };
        let older = |entry: &Entry| (entry.created, entry.id.clone());
        let (mut kept, absorbed) =
            if older(&ours) <= older(&theirs) { (ours, theirs) } else { (theirs, ours) };
        join_halves(&mut kept, &absorbed);
        self.linked(&mut kept, agreed, side.other());
        kept.salt = salt;
        kept.owes_password = kept.owes_password.or(born);
        kept.revision = kept.revision.max(absorbed.revision) + 1;
        self.touched = true;
        self.ledger().merge(&kept, &absorbed, &self.owner).await?;
        let _ = self.ledger().count(Some(absorbed.state), None).await;
        self.report.person = Some(kept.id.clone());
        let now = self.now();
        if kept.not_before > now {
            // One of the records was written just now: no observation before D has passed (R10,
            // `NotBefore`).
            let wait = kept.not_before.since(now);
            let before = kept.state;
            kept.state = State::Waiting;
            kept.reason = Some(Reason::Settling);
            self.record(before, kept).await?;
            return later(wait, Reason::Settling);
        }
        self.carry_seen(kept, side, view, there, control).await
    }

    /// Observes the only account of a record, after its pending change was read.
    async fn look_at_half(&mut self, half: &Entry, side: Side) -> Result<Option<View>, Fault> {
        let Some(account) = half.accounts.get(side).clone() else { return Ok(None) };
        self.read_mark_of(side, &account.sub).await?;
        self.observe(side, &account).await
    }

    /// Takes both leases, in the order of the ids and without waiting. If theirs comes first, ours
    /// is released and claimed again after it. `None`: not now, and neither is held.
    pub(super) async fn claim_both(
        &mut self,
        ours: Entry,
        theirs: Entry,
    ) -> Result<Option<(Entry, Entry)>, Fault> {
        if !self.keeps(Rule::R18) {
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
        let ours = Entry { revision: ours.revision + 1, ..ours };
        if let Ok(ours) = self.claim(&ours).await? {
            return Ok(Some((ours, theirs)));
        }
        self.release(&theirs).await?;
        Ok(None)
    }

    /// The baseline of two records: what the creation intent of one states, if it caused the
    /// other's account (R19, `CreationIntentFirst`); otherwise none. Also the salt of its
    /// fingerprints, and the pool of the created account. `None`: not known yet.
    async fn born_of_one(
        &mut self,
        ours: &Entry,
        theirs: &Entry,
        side: Side,
        view: &View,
        there: &View,
    ) -> Result<Option<(Option<Agreed>, PersonId, Option<Side>)>, Fault> {
        let to = side.other();
        let keys = self.bridge.keys;
        let mut born = None;
        if let Some(birth) = ours.birth.as_ref().filter(|birth| birth.side == to)
            && birth.announced(&there.facts, there.account.created, keys, &ours.salt)
        {
            born = Some((Some(birth.agreed()), ours.salt.clone(), Some(to)));
        }
        if let Some(birth) = &theirs.birth {
            let announced = birth.announced(&view.facts, view.account.created, keys, &theirs.salt);
            if born.is_none() && announced {
                born = Some((Some(birth.agreed()), theirs.salt.clone(), Some(side)));
            } else if !announced && self.made_another(side, view, theirs, birth).await? {
                return Ok(None);
            }
        }
        if let Some(born) = born {
            return Ok(Some(born));
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
        view: &View,
        theirs: &Entry,
        birth: &crate::entry::Birth,
    ) -> Result<bool, Fault> {
        let shapes = self.bridge.shapes().await?;
        let began = self.now();
        self.report.account_reads += 1;
        let found = self.bridge.ports.pool(side).read_name(&birth.username).await?;
        Ok(found.filter(|it| it.sub != view.account.sub).is_some_and(|account| {
            let found = View::new(self.bridge.policy, side, account, &shapes, began);
            let created = found.account.created;
            birth.announced(&found.facts, created, self.bridge.keys, &theirs.salt)
        }))
    }
}

/// Why the owner could not use this account if it were created in the other pool.
pub(super) fn no_way_in(view: &View) -> Option<Reason> {
    if view.account.status == Status::ExternalProvider {
        return Some(Reason::Federated);
    }
    if !view.account.enabled {
        return Some(Reason::Disabled);
    }
    let verified = [Field::Email, Field::Phone].iter().any(|field| {
        view.facts.get(field).value().is_some() && mapping::verified(&view.account, field)
    });
    (!verified).then_some(Reason::NoWayIn)
}

/// The planted bug against R26 (`DeletedNeverMatch`): a newcomer replaces the lost account.
fn forget_the_deleted(person: &mut Entry, side: Side) {
    let gone = person.accounts.get(side).as_ref().is_some_and(|known| known.gone.is_some());
    if gone || person.tombstone.is_some() {
        *person.accounts.get_mut(side) = None;
        person.tombstone = None;
    }
}

/// Takes over the contents of the other record.
pub(super) fn join_halves(kept: &mut Entry, absorbed: &Entry) {
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
    kept.obstacles.clear();
    for decision in &absorbed.decisions {
        kept.decide(decision.clone());
    }
}
