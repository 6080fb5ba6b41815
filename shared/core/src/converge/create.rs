//! Creation in the other pool, with an intent of its own (R19 `CreationIntentFirst`, R20
//! `ResolveCreationFirst`). The username and the fingerprints are stored first. So a worker that
//! finds the account later knows that poolbridge created it, and with which baseline.

use super::link::no_way_in;
use super::newborn::{Fitness, Newborn};
use super::{Round, Run, known, later};
use crate::account::{Account, Handle, Status};
use crate::entry::{Agreed, Birth, DecisionKind, Entry, Known, Obstacle, State};
use crate::facts::Field;
use crate::fault::{Fault, FaultKind};
use crate::fingerprint::Print;
use crate::law::Rule;
use crate::plan::View;
use crate::policy::{Control, Provision};
use crate::ports::{Ledger, Pool, Ports};
use crate::side::Side;
use crate::step::Deed;
use crate::verdict::{Reason, Verdict};

/// The operation, under its AWS name.
const CREATE: &str = "AdminCreateUser";

/// The result of the attempts at one creation.
enum Made {
    /// The account was created: how to read it, and its creation intent.
    Account(Handle, Birth),
    /// The pool certainly rejected it, or did nothing.
    Refused(Fault),
    /// The lease would not have outlasted another attempt.
    OutOfTime,
}

impl<P: Ports> Run<'_, P> {
    /// Why no account is created for this person, if that is so; `None` with lazy provisioning.
    /// Fields that the account cannot have are blocked in the record.
    pub(super) async fn unfit(
        &mut self,
        entry: &mut Entry,
        side: Side,
        view: &View,
    ) -> Result<Option<Reason>, Fault> {
        let to = side.other();
        if *self.bridge.policy.provision.get(to) != Provision::Eager {
            return Ok(None);
        }
        if let Some(reason) = no_way_in(view) {
            return Ok(Some(reason));
        }
        let shapes = self.bridge.shapes().await?;
        let Fitness { newborn, left_out } = self.fitness(entry, to, view, shapes.get(to));
        self.name_fields(entry, left_out);
        Ok(newborn.err())
    }

    /// Creates an account in the other pool, where no search found the person: with every field
    /// that the pool can hold, and with fewer if the pool rejects them without naming the field.
    pub(super) async fn create(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
    ) -> Result<Round, Fault> {
        let to = side.other();
        let shapes = self.bridge.shapes().await?;
        let Fitness { newborn, left_out } = self.fitness(&entry, to, &view, shapes.get(to));
        self.name_fields(&mut entry, left_out);
        let newborn = match newborn {
            Ok(newborn) => newborn,
            Err(reason) => return self.stay_alone(entry, side, &view, Some(reason)).await,
        };
        let before = entry.state;
        match self.try_to_create(&mut entry, to, &newborn).await? {
            Made::Account(handle, birth) => {
                let accepted = birth.fields.keys().cloned().collect();
                self.name_refused(&mut entry, to, newborn.lost(&accepted));
                self.born(entry, side, view, birth, handle).await
            }
            Made::OutOfTime => {
                // Nothing was sent: the intent is removed, and a later run creates the account.
                entry.birth = None;
                self.record(before, entry).await?;
                later(self.bound(), Reason::OutOfTime)
            }
            Made::Refused(fault) => {
                // This call certainly created nothing, and no earlier one is open (R19,
                // `CreationIntentFirst`).
                entry.birth = None;
                self.not_created(entry, side, &view, &newborn, &fault).await
            }
        }
    }

    /// Creates the account with all fields; if the pool certainly rejects these, with fewer. Before
    /// each attempt the intent states exactly what that account will hold (R19,
    /// `CreationIntentFirst`).
    async fn try_to_create(
        &mut self,
        entry: &mut Entry,
        to: Side,
        newborn: &Newborn,
    ) -> Result<Made, Fault> {
        let mut made = Made::OutOfTime;
        for fields in newborn.tries() {
            let Some(until) = entry.lease.as_ref().map(|lease| lease.until) else { break };
            let birth = Birth {
                side: to,
                username: newborn.username.clone(),
                fields: newborn.bases(&fields),
                rules: self.bridge.policy.mapping.revisions(),
                at: self.now(),
                until,
            };
            if self.keeps(Rule::R19) {
                entry.birth = Some(birth.clone());
            }
            entry.revision += 1;
            entry.not_before = self.now() + self.bound();
            self.touched = true;
            self.ledger().store(entry, &self.owner).await?;
            let Some(deadline) = self.send_until(entry) else { return Ok(Made::OutOfTime) };
            self.report.pool_writes += 1;
            let account = newborn.account(&fields);
            match self.bridge.ports.pool(to).create(&account, deadline).await {
                Ok(handle) => return Ok(Made::Account(handle, birth)),
                Err(fault) if fault.may_have_happened() => return Err(fault),
                Err(fault) => {
                    let fewer = match fault.kind {
                        // The team's own function rejects the person, not a value.
                        FaultKind::Invalid => !is_refused_by_function(&fault),
                        FaultKind::AccountGone => true,
                        FaultKind::Exists => newborn.has_spare_alias(&fields),
                        FaultKind::Throttled
                        | FaultKind::WritesPaused
                        | FaultKind::NoAnswer
                        | FaultKind::NotSent
                        | FaultKind::Broken
                        | FaultKind::Denied
                        | FaultKind::Missing
                        | FaultKind::Lost
                        | FaultKind::Newer
                        | FaultKind::Unreadable => false,
                    };
                    made = Made::Refused(fault);
                    if !fewer {
                        break;
                    }
                }
            }
        }
        Ok(made)
    }

    /// The pool did not create the account: holds the person, or waits if the failure may pass.
    async fn not_created(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: &View,
        newborn: &Newborn,
        fault: &Fault,
    ) -> Result<Round, Fault> {
        let reason = match fault.kind {
            FaultKind::Exists => {
                // The earlier search may have been stale: the next run searches again.
                entry.miss = None;
                Reason::NameTaken
            }
            FaultKind::Invalid | FaultKind::AccountGone => {
                // The same values are not tried again until one changes or `retry` is run.
                self.name_refused(&mut entry, side.other(), newborn.core());
                Reason::RefusedByPool
            }
            FaultKind::Throttled
            | FaultKind::WritesPaused
            | FaultKind::NoAnswer
            | FaultKind::NotSent
            | FaultKind::Broken
            | FaultKind::Denied
            | FaultKind::Missing
            | FaultKind::Lost
            | FaultKind::Newer
            | FaultKind::Unreadable => {
                if !self.is_refused_again(&mut entry, fault) {
                    let before = entry.state;
                    entry.state = State::Waiting;
                    entry.reason = Some(Reason::Outside(fault.kind));
                    self.record(before, entry).await?;
                    return Ok(Round::Done(Verdict::from_fault(fault)));
                }
                self.decide_failure(&mut entry, side.other(), fault);
                Reason::Outside(fault.kind)
            }
        };
        self.stay_alone(entry, side, view, Some(reason)).await
    }

    /// Blocks fields that the pool rejected without a reason.
    fn name_refused<'f>(
        &mut self,
        entry: &mut Entry,
        side: Side,
        fields: impl Iterator<Item = (&'f Field, Print)>,
    ) {
        let (reason, since) = (Reason::RefusedByPool, self.now());
        let refused =
            fields.map(|(field, value)| (field.clone(), Obstacle { reason, value, side, since }));
        let mut all = entry.obstacles.clone();
        all.extend(refused);
        self.name_fields(entry, all);
    }

    /// The account exists and poolbridge created it. Links it, sets a random password (so that
    /// forgot-password works there), and checks whether anything is left to carry.
    async fn born(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
        birth: Birth,
        handle: Handle,
    ) -> Result<Round, Fault> {
        let to = birth.side;
        let now = self.now();
        let before = entry.state;
        let username = handle.username.clone().unwrap_or_else(|| birth.username.clone());
        let account =
            Known { sub: handle.sub.clone(), username, seen: now, written: Some(now), gone: None };
        if let Some(other) = self.ledger().find(to, &account.sub).await? {
            // Another worker found the account first and created a record for it: merges the two
            // (R17 `MergeHalves`, R19 `CreationIntentFirst`).
            return self.merge_halves(entry, other, side, view).await;
        }
        *entry.accounts.get_mut(to) = Some(account);
        self.linked(&mut entry, self.base_of(&birth), to);
        entry.owes_password = Some(to);
        entry.failure = None;
        let created = self.decision(DecisionKind::Created, Some(to), None);
        self.decide(&mut entry, created);
        entry.revision += 1;
        entry.not_before = now + self.bound();
        entry.state = State::Waiting;
        entry.reason = Some(Reason::Settling);
        match self.ledger().join(&entry, &self.owner, to).await {
            Ok(()) => {}
            Err(fault) if fault.kind == FaultKind::Exists => return Ok(Round::Again),
            Err(fault) => return Err(fault),
        }
        if let Some(deadline) = self.send_until(&entry) {
            self.report.pool_writes += 1;
            let pool = self.bridge.ports.pool(to);
            if pool.write(&handle, &Deed::SetRandomPassword, deadline).await.is_ok() {
                entry.owes_password = None;
                *entry.passwords.closed.get_mut(to) = Some(now);
            }
        }
        if let Some(at) = self.chosen_password(&entry, side, &view) {
            *entry.passwords.set.get_mut(side) = Some(at);
        }
        let whole = entry.owes_password.is_none()
            && view.missing.is_none()
            && self.carried_at_birth(&birth, &view);
        if whole {
            entry.state = State::Synced;
            entry.reason = None;
        }
        for field in birth.fields.keys() {
            self.report.carried.push((to, field.to_string()));
        }
        let next = now + self.bound();
        self.record(before, entry).await?;
        if !whole {
            return later(next.since(self.now()), Reason::Settling);
        }
        let wait = self.clear_marks(&[(side, &view)], next).await?;
        Ok(Round::Done(
            wait.map_or(Verdict::Applied, |wait| Verdict::Later(wait, Reason::Settling)),
        ))
    }

    fn base_of(&self, birth: &Birth) -> Option<Agreed> {
        self.keeps(Rule::R19).then(|| birth.agreed())
    }

    /// Whether the creation carried everything that the source holds.
    fn carried_at_birth(&self, birth: &Birth, view: &View) -> bool {
        let mapping = &self.bridge.policy.mapping;
        view.unsayable.is_empty()
            && view.facts.held().all(|(field, _)| {
                birth.fields.contains_key(field) || mapping.revision(field).is_none()
            })
    }

    /// The account that an open creation made, if any: it has that username and fits the intent.
    pub(super) async fn look_up_birth(
        &mut self,
        entry: &Entry,
        birth: &Birth,
    ) -> Result<Option<View>, Fault> {
        let to = birth.side;
        let shapes = self.bridge.shapes().await?;
        let began = self.now();
        self.report.account_reads += 1;
        let found = self.bridge.ports.pool(to).read_name(&birth.username).await?;
        let found = found.map(|account| View::new(self.bridge.policy, to, account, &shapes, began));
        let keys = self.bridge.keys;
        Ok(found.filter(|found| {
            // poolbridge never creates a federated account.
            !found.account.federated()
                && birth.announced(&found.facts, found.account.created, keys, &entry.salt)
        }))
    }

    /// A creation is open: reads that exact username before any other attempt (R20,
    /// `ResolveCreationFirst`).
    pub(super) async fn resolve_birth(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
        control: &Control,
    ) -> Result<Round, Fault> {
        let Some(birth) = entry.birth.clone() else { return Ok(Round::Again) };
        let to = birth.side;
        let ours = self.look_up_birth(&entry, &birth).await?;
        self.touched = true;
        let Some(ours) = ours else {
            // Not created, or the username is another account's: the intent goes, and the search
            // restarts. If a pool repeatedly gives no useful answer and no account, the team's own
            // function may stop it, so the retries end.
            let before = entry.state;
            entry.birth = None;
            let fault = Fault::new(FaultKind::Broken, CREATE);
            if self.fails_again(&mut entry, &fault) {
                self.decide_failure(&mut entry, to, &fault);
                let reason = Some(Reason::Outside(fault.kind));
                return self.stay_alone(entry, side, &view, reason).await;
            }
            self.record(before, entry).await?;
            return later(self.bound(), Reason::Settling);
        };
        if let Some(other) = self.ledger().find(to, &ours.account.sub).await? {
            return self.merge_halves(entry, other, side, view).await;
        }
        *entry.accounts.get_mut(to) = Some(known(&ours));
        self.linked(&mut entry, self.base_of(&birth), to);
        entry.owes_password = owed(&ours.account).then_some(to);
        entry.failure = None;
        entry.revision += 1;
        match self.ledger().join(&entry, &self.owner, to).await {
            Ok(()) => self.carry(entry, side, view, control).await,
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Round::Again),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether an account that poolbridge created still has its first temporary password.
fn owed(account: &Account) -> bool {
    account.status == Status::ForceChangePassword
}

/// Whether the team's own function rejected the call, before the account was created.
fn is_refused_by_function(fault: &Fault) -> bool {
    fault.code.as_deref() == Some("UserLambdaValidationException")
}
