//! Creation in the other pool, with an intent of its own (`CreationIntentFirst`,
//! `ResolveCreationFirst`). The username and the fingerprints are stored first. So a worker that
//! finds the account later knows that poolbridge created it, and with which baseline.

use std::ops::ControlFlow;

use super::Run;
use super::creation_plan::{CreationPlan, Fitness};
use super::lease::{Ended, Leased};
use super::link::no_way_in;
use super::observe::known;
use crate::account::{Account, AccountRef, Status};
use crate::control::Control;
use crate::error::{ErrorKind, PortError};
use crate::fingerprint::Fingerprint;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::policy::Provision;
use crate::ports::{Ledger, Pool, Ports};
use crate::profile::Field;
use crate::record::{
    Baseline, BlockedField, CreationIntent, DecisionKind, KnownAccount, PersonRecord, PersonState,
};
use crate::rules::Rule;
use crate::side::Side;
use crate::step::Action;

/// The operation, under its AWS name.
const CREATE: &str = "AdminCreateUser";

/// The result of the attempts at one creation.
enum Made {
    /// The account was created: how to read it, and its creation intent.
    Account(AccountRef, CreationIntent),
    /// The pool certainly rejected it, or did nothing.
    Refused(PortError),
    /// The lease would not have outlasted another attempt.
    OutOfTime,
}

impl<P: Ports> Run<'_, P> {
    /// Why no account is created for this person, if that is so; `None` with lazy provisioning.
    /// Fields that the account cannot have are blocked in the record.
    pub(super) async fn unfit(
        &mut self,
        record: &mut PersonRecord,
        side: Side,
        observation: &Observation,
    ) -> Result<Option<Reason>, PortError> {
        let to = side.other();
        if *self.bridge.policy.provision.get(to) != Provision::Eager {
            return Ok(None);
        }
        if let Some(reason) = no_way_in(observation) {
            return Ok(Some(reason));
        }
        let schemas = self.bridge.schemas().await?;
        let Fitness { planned, left_out } = self.fitness(record, to, observation, schemas.get(to));
        self.block_fields(record, left_out);
        Ok(planned.err())
    }

    /// Creates an account in the other pool, where no search found the person: with every field
    /// that the pool can hold, and with fewer if the pool rejects them without naming the field.
    pub(super) async fn create(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
    ) -> Result<Ended, PortError> {
        let to = side.other();
        let schemas = self.bridge.schemas().await?;
        let Fitness { planned, left_out } =
            self.fitness(&record, to, &observation, schemas.get(to));
        self.block_fields(&mut record, left_out);
        let planned = match planned {
            Ok(planned) => planned,
            Err(reason) => return self.stay_alone(record, side, &observation, Some(reason)).await,
        };
        let before = record.state;
        match self.try_to_create(&mut record, to, &planned).await? {
            Made::Account(account_ref, creation) => {
                let accepted = creation.fields.keys().cloned().collect();
                self.block_refused(&mut record, to, planned.lost(&accepted));
                self.link_created(record, side, observation, creation, account_ref).await
            }
            Made::OutOfTime => {
                // Nothing was sent: the intent is removed, and a later run creates the account.
                record.creation = None;
                let released = self.record(before, record).await?;
                Ok(released.later(self.bound(), Reason::OutOfTime))
            }
            Made::Refused(error) => {
                // This call certainly created nothing, and no earlier one is open
                // (`CreationIntentFirst`).
                record.creation = None;
                self.not_created(record, side, &observation, &planned, &error).await
            }
        }
    }

    /// Creates the account with all fields; if the pool certainly rejects these, with fewer. Before
    /// each attempt the intent states exactly what that account will hold (`CreationIntentFirst`).
    async fn try_to_create(
        &mut self,
        record: &mut Leased,
        to: Side,
        planned: &CreationPlan,
    ) -> Result<Made, PortError> {
        let mut made = Made::OutOfTime;
        for fields in planned.tries() {
            let Some(until) = record.lease.as_ref().map(|lease| lease.until) else { break };
            let creation = CreationIntent {
                side: to,
                username: planned.username.clone(),
                fields: planned.bases(&fields),
                rules: self.bridge.policy.mapping.revisions(),
                at: self.now(),
                until,
            };
            if self.keeps(Rule::CreationIntentFirst) {
                record.creation = Some(creation.clone());
            }
            record.not_before = self.now() + self.bound();
            self.store(record).await?;
            let Some(deadline) = self.send_until(record) else { return Ok(Made::OutOfTime) };
            self.report.pool_writes += 1;
            let account = planned.account(&fields);
            match self.bridge.ports.pool(to).create(&account, deadline).await {
                Ok(account_ref) => return Ok(Made::Account(account_ref, creation)),
                Err(error) if error.may_have_happened() => return Err(error),
                Err(error) => {
                    let fewer = match error.kind {
                        // The team's own function rejects the person, not a value.
                        ErrorKind::Invalid => !is_refused_by_function(&error),
                        ErrorKind::AccountGone => true,
                        ErrorKind::Exists => planned.has_spare_alias(&fields),
                        ErrorKind::Throttled
                        | ErrorKind::WritesPaused
                        | ErrorKind::NoAnswer
                        | ErrorKind::NotSent
                        | ErrorKind::Broken
                        | ErrorKind::Denied
                        | ErrorKind::Missing
                        | ErrorKind::Lost
                        | ErrorKind::Newer
                        | ErrorKind::Unreadable => false,
                    };
                    made = Made::Refused(error);
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
        mut record: Leased,
        side: Side,
        observation: &Observation,
        planned: &CreationPlan,
        error: &PortError,
    ) -> Result<Ended, PortError> {
        let reason = match error.kind {
            ErrorKind::Exists => {
                // The earlier search may have been stale: the next run searches again.
                record.failed_lookup = None;
                Reason::NameTaken
            }
            ErrorKind::Invalid | ErrorKind::AccountGone => {
                // The same values are not tried again until one changes or `retry` is run.
                self.block_refused(&mut record, side.other(), planned.core());
                Reason::RefusedByPool
            }
            ErrorKind::Throttled
            | ErrorKind::WritesPaused
            | ErrorKind::NoAnswer
            | ErrorKind::NotSent
            | ErrorKind::Broken
            | ErrorKind::Denied
            | ErrorKind::Missing
            | ErrorKind::Lost
            | ErrorKind::Newer
            | ErrorKind::Unreadable => {
                if !self.is_refused_again(&mut record, error) {
                    let before = record.state;
                    record.state = PersonState::Waiting;
                    record.reason = Some(Reason::PortError(error.kind));
                    let released = self.record(before, record).await?;
                    return Ok(released.done(Outcome::from_error(error)));
                }
                self.decide_failure(&mut record, side.other(), error);
                Reason::PortError(error.kind)
            }
        };
        self.stay_alone(record, side, observation, Some(reason)).await
    }

    /// Blocks fields that the pool rejected without a reason.
    fn block_refused<'f>(
        &mut self,
        record: &mut PersonRecord,
        side: Side,
        fields: impl Iterator<Item = (&'f Field, Option<Fingerprint>)>,
    ) {
        let (reason, since) = (Reason::RefusedByPool, self.now());
        let refused = fields
            .map(|(field, value)| (field.clone(), BlockedField { reason, value, side, since }));
        let mut all = record.blocked_fields.clone();
        all.extend(refused);
        self.block_fields(record, all);
    }

    /// The account exists and poolbridge created it. Links it, sets a random password (so that
    /// forgot-password works there), and checks whether anything is left to carry.
    async fn link_created(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
        creation: CreationIntent,
        account_ref: AccountRef,
    ) -> Result<Ended, PortError> {
        let to = creation.side;
        let now = self.now();
        let before = record.state;
        let username = account_ref.username.clone().unwrap_or_else(|| creation.username.clone());
        let account = KnownAccount {
            sub: account_ref.sub.clone(),
            username,
            seen: now,
            written: Some(now),
            gone: None,
        };
        if let Some(other) = self.ledger().find(to, &account.sub).await? {
            // Another worker found the account first and created a record for it: merges the two
            // (`MergeHalves`, `CreationIntentFirst`).
            return self.merge_halves(record, other, side, observation).await;
        }
        *record.accounts.get_mut(to) = Some(account);
        self.linked(&mut record, self.base_of(&creation), to);
        record.owes_password = Some(to);
        record.failure = None;
        let created = self.decision(DecisionKind::Created, Some(to), None);
        self.decide(&mut record, created);
        record.not_before = now + self.bound();
        record.state = PersonState::Waiting;
        record.reason = Some(Reason::Settling);
        let mut record = match self.join(record, to).await? {
            ControlFlow::Continue(record) => record,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        if let Some(deadline) = self.send_until(&record) {
            self.report.pool_writes += 1;
            let pool = self.bridge.ports.pool(to);
            if pool.write(&account_ref, &Action::SetRandomPassword, deadline).await.is_ok() {
                record.owes_password = None;
                *record.passwords.closed.get_mut(to) = Some(now);
            }
        }
        if let Some(at) = self.chosen_password(&record, side, &observation) {
            *record.passwords.set.get_mut(side) = Some(at);
        }
        let whole = record.owes_password.is_none()
            && observation.missing.is_none()
            && self.carried_at_creation(&creation, &observation);
        if whole {
            record.state = PersonState::Synced;
            record.reason = None;
        }
        for field in creation.fields.keys() {
            self.report.carried.push((to, field.to_string()));
        }
        let next = now + self.bound();
        let released = self.record(before, record).await?;
        if !whole {
            return Ok(released.later(next.since(self.now()), Reason::Settling));
        }
        let wait = self.clear_pending_changes(&[(side, &observation)], next).await?;
        let outcome = wait.map_or(Outcome::Applied, |wait| Outcome::Retry(wait, Reason::Settling));
        Ok(released.done(outcome))
    }

    fn base_of(&self, creation: &CreationIntent) -> Option<Baseline> {
        self.keeps(Rule::CreationIntentFirst).then(|| creation.baseline())
    }

    /// Whether the creation carried everything that the source holds.
    fn carried_at_creation(&self, creation: &CreationIntent, observation: &Observation) -> bool {
        let mapping = &self.bridge.policy.mapping;
        observation.unsayable.is_empty()
            && observation.profile.present().all(|(field, _)| {
                creation.fields.contains_key(field) || mapping.revision(field).is_none()
            })
    }

    /// The account that an open creation made, if any: it has that username and fits the intent.
    pub(super) async fn look_up_creation(
        &mut self,
        record: &PersonRecord,
        creation: &CreationIntent,
    ) -> Result<Option<Observation>, PortError> {
        let to = creation.side;
        let schemas = self.bridge.schemas().await?;
        let began = self.now();
        self.report.account_reads += 1;
        let found = self.bridge.ports.pool(to).read_name(&creation.username).await?;
        let found =
            found.map(|account| Observation::new(self.bridge.policy, to, account, &schemas, began));
        let keys = self.bridge.keys;
        Ok(found.filter(|found| {
            // poolbridge never creates a federated account.
            !found.account.federated()
                && creation.announced(&found.profile, found.account.created, keys, &record.salt)
        }))
    }

    /// A creation is open: reads that exact username before any other attempt
    /// (`ResolveCreationFirst`).
    pub(super) async fn resolve_creation(
        &mut self,
        mut record: Leased,
        side: Side,
        observation: Observation,
        control: &Control,
    ) -> Result<Ended, PortError> {
        let Some(creation) = record.creation.clone() else {
            return Ok(record.keep_for_next_round());
        };
        let to = creation.side;
        let ours = self.look_up_creation(&record, &creation).await?;
        // Every path from here writes the record, so a port error leaves the lease to expire.
        self.expire_on_error();
        let Some(ours) = ours else {
            // Not created, or the username is another account's: the intent goes, and the search
            // restarts. If a pool repeatedly gives no useful answer and no account, the team's own
            // function may stop it, so the retries end.
            let before = record.state;
            record.creation = None;
            let error = PortError::new(ErrorKind::Broken, CREATE);
            if self.fails_again(&mut record, &error) {
                self.decide_failure(&mut record, to, &error);
                let reason = Some(Reason::PortError(error.kind));
                return self.stay_alone(record, side, &observation, reason).await;
            }
            let released = self.record(before, record).await?;
            return Ok(released.later(self.bound(), Reason::Settling));
        };
        if let Some(other) = self.ledger().find(to, &ours.account.sub).await? {
            return self.merge_halves(record, other, side, observation).await;
        }
        *record.accounts.get_mut(to) = Some(known(&ours));
        self.linked(&mut record, self.base_of(&creation), to);
        record.owes_password = owed(&ours.account).then_some(to);
        record.failure = None;
        match self.join(record, to).await? {
            ControlFlow::Continue(record) => self.carry(record, side, observation, control).await,
            ControlFlow::Break(ended) => Ok(ended),
        }
    }
}

/// Whether an account that poolbridge created still has its first temporary password.
fn owed(account: &Account) -> bool {
    account.status == Status::ForceChangePassword
}

/// Whether the team's own function rejected the call, before the account was created.
fn is_refused_by_function(error: &PortError) -> bool {
    error.code.as_deref() == Some("UserLambdaValidationException")
}
