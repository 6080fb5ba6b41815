//! Passwords do not travel. apply can know which pool has the newer one, close the other one if its
//! person can set a new one, and give a random one to an account that poolbridge created.

use std::sync::Arc;

use super::Run;
use super::recovery::can_set_a_new_one;
use crate::account::{PoolSchema, Status};
use crate::breaker::Breaker;
use crate::control::Control;
use crate::error::PortError;
use crate::limits;
use crate::outcome::Reason;
use crate::plan::{Observation, Plan};
use crate::policy::StalePasswords;
use crate::ports::{Clock, Ledger, Ports};
use crate::record::{Decision, DecisionKind, Passwords, PersonRecord};
use crate::side::{BySide, Side};
use crate::step::{Action, Step};
use crate::time::Time;

/// What a pending change, or a message, reports about the password in one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PasswordEvent {
    /// When it was set.
    at: Time,
    /// An administrator set it, or it is not known who did.
    administrator: bool,
    /// A function of the bridge saw the event and wrote it into the table. A message alone is a
    /// claim: a sender of messages could otherwise make any password outdated.
    witnessed: bool,
}

/// The judgement of a password event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// The person's password is the one that was set then.
    Counts,
    /// The account was read too early to judge it.
    Waits(Time),
    /// It makes no password outdated.
    Ignored(Reason),
}

impl<P: Ports> Run<'_, P> {
    /// The password events of `side` in the pending change and in the message that the record does
    /// not contain yet. A message adds nothing if the pending change already covers the same event.
    fn password_news(
        &self,
        record: &PersonRecord,
        side: Side,
    ) -> impl Iterator<Item = PasswordEvent> {
        let pending = self.pending_changes.get(side).as_ref();
        let change = self.change;
        let witnessed = [
            (pending.and_then(|pending| pending.password_at), false),
            (pending.and_then(|pending| pending.administrator_at), true),
        ];
        let reported = (change.password && change.side == side).then_some(change.at);
        // A claim in a pending change does not say who set the password.
        let claims = [
            (pending.and_then(|pending| pending.claimed_at), true),
            (reported, change.administrator),
        ];
        let seen = move |at: Time| {
            let covers = |it: Time| it >= at || is_same_event(it, at);
            witnessed.iter().filter_map(|(it, _)| *it).any(covers)
        };
        let event = |witnessed| {
            move |(at, administrator): (Option<Time>, bool)| {
                at.map(|at| PasswordEvent { at, administrator, witnessed })
            }
        };
        let claims = claims.into_iter().filter_map(event(false)).filter(move |it| !seen(it.at));
        let passwords = record.passwords;
        let events = witnessed.into_iter().filter_map(event(true)).chain(claims);
        events.filter(move |event| is_news(&passwords, side, event))
    }

    /// Whether there is a password event of that pool that the record does not contain yet.
    pub(super) fn has_password_news(&self, record: &PersonRecord, side: Side) -> bool {
        self.password_news(record, side).next().is_some()
    }

    /// Whether an administrator's reset began or ended since the person was last observed.
    pub(super) fn reset_moved(
        record: &PersonRecord,
        side: Side,
        observation: &Observation,
    ) -> bool {
        let now = observation.account.status == Status::ResetRequired;
        record.passwords.reset.get(side).map_or(now, |before| before != now)
    }

    /// When the person set the password of a single account. Before both accounts are linked, only
    /// `explain` uses it.
    pub(super) fn chosen_password(
        &self,
        record: &PersonRecord,
        side: Side,
        observation: &Observation,
    ) -> Option<Time> {
        let counts = |event: &PasswordEvent| {
            self.find(event, side, observation, side.other()) == Finding::Counts
        };
        self.password_news(record, side).filter(counts).map(|event| event.at).max()
    }

    fn find(
        &self,
        event: &PasswordEvent,
        side: Side,
        observation: &Observation,
        active: Side,
    ) -> Finding {
        let shows = event.at + self.bound();
        let certain = event.witnessed && !event.administrator;
        match observation.account.status {
            // The trigger, or the trail, saw the person choose it, so no read is needed.
            Status::Confirmed | Status::ResetRequired | Status::Other if certain => Finding::Counts,
            _ if observation.began < shows => Finding::Waits(shows),
            Status::ForceChangePassword => Finding::Ignored(Reason::TemporaryPassword),
            Status::Unconfirmed | Status::ExternalProvider => {
                Finding::Ignored(Reason::PasswordUnproven)
            }
            Status::Confirmed | Status::ResetRequired | Status::Other => {
                let supported = event.witnessed || supports(observation, event.at);
                if !supported {
                    Finding::Ignored(Reason::PasswordUnproven)
                } else if event.administrator && side != active {
                    Finding::Ignored(Reason::PassiveAdministrator)
                } else {
                    Finding::Counts
                }
            }
        }
    }

    /// Records when each pool's password was last set, by both pending changes and the message.
    /// With the message's pool alone, apply would replace the newer password of the other pool if
    /// its message is still to come.
    pub(super) fn note_passwords(
        &mut self,
        record: &mut PersonRecord,
        observations: &BySide<Observation>,
        active: Side,
    ) {
        self.password_waits = None;
        for side in Side::BOTH {
            let observation = observations.get(side);
            let news: Vec<PasswordEvent> = self.password_news(record, side).collect();
            for event in news {
                if !is_news(&record.passwords, side, &event) {
                    continue;
                }
                match self.find(&event, side, observation, active) {
                    Finding::Counts => note_newest(record.passwords.set.get_mut(side), event.at),
                    Finding::Waits(shows) => {
                        let waits = self.password_waits.get_or_insert(shows);
                        *waits = (*waits).max(shows);
                    }
                    Finding::Ignored(reason) => {
                        if !event.witnessed && reason == Reason::PasswordUnproven {
                            note_newest(record.passwords.unproven.get_mut(side), event.at);
                        }
                        self.ignore_password(record, side, event.at, reason);
                    }
                }
            }
            self.note_reset(record, side, observation, active);
        }
    }

    /// Judges the password events of a person who is held because their account cannot be read. An
    /// event counts if a trigger saw the person choose the password. For any other event only the
    /// account could show the person's choice, so it does not count, and `explain` says so.
    pub(super) fn note_passwords_unread(&mut self, record: &mut PersonRecord, side: Side) {
        let news: Vec<PasswordEvent> = self.password_news(record, side).collect();
        for event in news {
            if event.witnessed && !event.administrator {
                note_newest(record.passwords.set.get_mut(side), event.at);
            } else {
                self.ignore_password(record, side, event.at, Reason::PasswordUnproven);
            }
        }
    }

    /// An administrator's reset in the active pool means that the person's password may have
    /// leaked. It counts as a newly set password there, so the other pool's password is outdated. A
    /// password that poolbridge closed never looks like a reset: the account stays confirmed.
    fn note_reset(
        &mut self,
        record: &mut PersonRecord,
        side: Side,
        observation: &Observation,
        active: Side,
    ) {
        let now = observation.account.status == Status::ResetRequired;
        let before = record.passwords.reset.get_mut(side).replace(now);
        if before != Some(false) || !now {
            return;
        }
        let at = observation.account.modified.min(observation.began);
        if side != active {
            self.ignore_password(record, side, at, Reason::PassiveAdministrator);
            return;
        }
        note_newest(record.passwords.set.get_mut(side), at);
        let reset = self.decision(DecisionKind::PasswordReset, Some(side), None);
        self.decide(record, reset);
    }

    /// Records once why a password event makes nothing outdated.
    fn ignore_password(&mut self, record: &mut PersonRecord, side: Side, at: Time, reason: Reason) {
        let kind = DecisionKind::PasswordIgnored;
        let said = |it: &Decision| {
            (it.kind, it.side, it.reason) == (kind, Some(side), Some(reason)) && it.at >= at
        };
        if !record.decisions.iter().any(said) {
            let ignored = self.decision(kind, Some(side), Some(reason));
            self.decide(record, ignored);
        }
    }

    /// Adds steps for an owed first password, for owed sign-outs, and for an outdated password.
    pub(super) async fn add_password_steps(
        &mut self,
        record: &mut PersonRecord,
        observations: &BySide<Observation>,
        control: &Control,
        plan: &mut Plan,
    ) -> Result<(), PortError> {
        let status = |side| observations.get(side).account.status;
        let outdated = self.outdated_password(record, observations);
        if plan.steps.iter().any(|step| step.action == Action::Disable) {
            // A disable goes alone. The other password steps are planned after it.
            plan.more |= outdated.is_some() || Side::BOTH.iter().any(|side| owes(record, *side));
            return Ok(());
        }
        if let Some(side) = record.owes_password {
            if status(side) == Status::ForceChangePassword {
                plan.steps.push(Step { side, action: Action::SetRandomPassword });
            } else {
                record.owes_password = None;
            }
        }
        let before = std::mem::take(&mut record.passwords.open);
        if let Some((side, newer)) = outdated {
            if status(side) == Status::ResetRequired {
                // It allows no sign-in until the person sets a new one; old sessions may be open.
                *record.passwords.closed.get_mut(side) = Some(newer);
                *record.passwords.owes_sign_out.get_mut(side) = true;
            } else if let Some(reason) =
                self.stays_open(record, side, newer, observations, control, plan).await?
            {
                *record.passwords.open.get_mut(side) = Some(reason);
                if *before.get(side) != Some(reason) {
                    let held = self.decision(DecisionKind::Held, Some(side), Some(reason));
                    self.decide(record, Decision { fields: vec!["password".to_owned()], ..held });
                }
            } else {
                plan.steps.push(Step { side, action: Action::SetRandomPassword });
                plan.steps.push(Step { side, action: Action::SignOut });
                // Stored before the password is replaced. If this worker dies in between, the next
                // one may find no way to close the password, and must still end the sessions.
                *record.passwords.owes_sign_out.get_mut(side) = true;
            }
        }
        for side in Side::BOTH {
            let sign_out = Step { side, action: Action::SignOut };
            if owes(record, side) && !plan.steps.contains(&sign_out) {
                plan.steps.push(sign_out);
            }
        }
        Ok(())
    }

    /// The pool whose password is outdated and not closed yet, and when the newer one was set.
    fn outdated_password(
        &self,
        record: &mut PersonRecord,
        observations: &BySide<Observation>,
    ) -> Option<(Side, Time)> {
        let side = record.passwords.stale(record.linked).filter(|_| self.closes_passwords())?;
        let newer = (*record.passwords.set.get(side.other()))?;
        if *record.passwords.closed.get(side) >= Some(newer) {
            return None;
        }
        // A federated account has no password to close, and a password would turn it into a local
        // account.
        if observations.get(side).account.federated() {
            *record.passwords.closed.get_mut(side) = Some(newer);
            return None;
        }
        Some((side, newer))
    }

    /// Whether the policy closes outdated passwords.
    pub(super) fn closes_passwords(&self) -> bool {
        self.bridge.policy.stale_passwords == StalePasswords::Close
    }

    /// Why an outdated password cannot be closed, if so. If it can, the breaker has counted it.
    async fn stays_open(
        &self,
        record: &mut PersonRecord,
        side: Side,
        newer: Time,
        observations: &BySide<Observation>,
        control: &Control,
        plan: &Plan,
    ) -> Result<Option<Reason>, PortError> {
        let schemas: BySide<Arc<PoolSchema>> = self.bridge.schemas().await?;
        if !can_set_a_new_one(side, observations, schemas.get(side), plan) {
            return Ok(Some(Reason::NoRecovery));
        }
        if control.breaker.is_some() {
            return Ok(Some(Reason::Breaker));
        }
        // Counted once, even if the pool must be called several times.
        if *record.passwords.counted.get(side) >= Some(newer) {
            return Ok(None);
        }
        let now = self.now();
        if !self.ledger().allow_removal(now).await? {
            self.ledger().trip(&Breaker::closings(now)).await?;
            return Ok(Some(Reason::Breaker));
        }
        *record.passwords.counted.get_mut(side) = Some(newer);
        Ok(None)
    }

    /// Records whether the account shows that its password was set when the message says.
    pub(super) fn note_support(&mut self, observation: &Observation) {
        let change = self.change;
        self.supported |= change.password && supports(observation, change.at);
    }

    /// How long until the message must come back for a password event that could not be judged yet.
    pub(super) fn password_wait(&self) -> Option<std::time::Duration> {
        self.password_waits.map(|shows| shows.since(self.bridge.ports.clock().now()))
    }
}

/// Whether the record does not contain that event yet. An unconfirmed claim stays recorded as one;
/// an event that a function of the bridge saw is judged in any case.
fn is_news(passwords: &Passwords, side: Side, event: &PasswordEvent) -> bool {
    let news = |known: Option<Time>| {
        known.is_none_or(|known| event.at > known && !is_same_event(known, event.at))
    };
    let claimed = passwords.unproven.get(side).filter(|_| !event.witnessed);
    news(*passwords.set.get(side)) && news(claimed)
}

fn owes(record: &PersonRecord, side: Side) -> bool {
    *record.passwords.owes_sign_out.get(side)
}

fn note_newest(known: &mut Option<Time>, at: Time) {
    *known = (*known).max(Some(at));
}

/// Whether the account's last-modified time shows that its password may have been set at `at`,
/// because setting a password modifies the account. A later change of another kind hides it, and
/// then the claim is not confirmed.
fn supports(observation: &Observation, at: Time) -> bool {
    let modified = observation.account.modified;
    let apart = modified.since(at).max(at.since(modified));
    apart <= limits::PASSWORD_CLAIM_WINDOW
}

/// Whether `reported` is the known time again, as the trail reports it: rounded up to the end of
/// its second. If it counted as a second event, apply would replace a password twice, minutes
/// apart.
fn is_same_event(known: Time, reported: Time) -> bool {
    const SECOND: i64 = 1_000;
    reported.0.rem_euclid(SECOND) == SECOND - 1
        && reported.0.div_euclid(SECOND) == known.0.div_euclid(SECOND)
}
