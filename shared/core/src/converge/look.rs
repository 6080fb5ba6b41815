//! Observations, echoes, new people, and `explain`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Bridge, Round, Run, known, later};
use crate::account::{Handle, Shape, Status};
use crate::change::{Change, Proof};
use crate::entry::{Entry, Known, Obstacle, Past, State};
use crate::facts::{Field, Reading};
use crate::fault::{Fault, FaultKind};
use crate::law::Rule;
use crate::names::{Owner, PersonId, Sub};
use crate::plan::{self, Plan, View, factors};
use crate::ports::{Clock, Ledger, Pool, Ports};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::verdict::{Reason, Verdict};

/// Everything about one person, as `poolbridge explain` shows it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The person record, if there is one.
    pub entry: Option<Entry>,
    /// Whether the account of each pool existed when it was read.
    pub present: BySide<bool>,
    /// What the next run of apply would do, if both accounts could be read.
    pub plan: Option<Plan>,
}

impl<P: Ports> Bridge<'_, P> {
    pub(super) async fn shapes(&self) -> Result<BySide<Arc<Shape>>, Fault> {
        Ok(BySide {
            old: self.ports.pool(Side::Old).shape().await?,
            new: self.ports.pool(Side::New).shape().await?,
        })
    }

    /// Whether memberships can matter: not if one of the pools has no group at all.
    pub(super) fn groups_matter(&self, shapes: &BySide<Arc<Shape>>) -> bool {
        self.policy.groups && !shapes.old.groups.is_empty() && !shapes.new.groups.is_empty()
    }

    /// Observes one account. `None`: it is gone, or another account has its username (R21,
    /// `SameSub`).
    pub(super) async fn look(&self, side: Side, handle: &Handle) -> Result<Option<View>, Fault> {
        let shapes = self.shapes().await?;
        let began = self.ports.clock().now();
        let pool = self.ports.pool(side);
        let Some(mut account) = pool.read(handle).await? else { return Ok(None) };
        if account.sub != handle.sub && self.policy.law.keeps(Rule::R21) {
            return Ok(None);
        }
        let mut missing = None;
        if self.groups_matter(&shapes) {
            match pool.groups(&account.handle()).await {
                Ok(groups) => account.groups = Some(groups),
                // An incomplete list counts as unread. The rest continues, because a disable must
                // not wait for it, and the port error leads to `later`. This is also true for "no
                // such account" (R22, `AbsenceTwice`): the account was read, so it exists, and only
                // its list is unknown. If it was deleted since, the next read shows that.
                Err(fault) => missing = Some(fault),
            }
        }
        let view = View::new(self.policy, side, account, &shapes, began);
        Ok(Some(View { missing, ..view }))
    }

    /// What the next run of apply would do about the person of this account, without doing it.
    pub async fn explain(&self, side: Side, sub: &Sub) -> Result<Explanation, Fault> {
        let Some(entry) = self.ports.ledger().find(side, sub).await? else {
            return Ok(Explanation { entry: None, present: BySide::default(), plan: None });
        };
        let mut views = BySide { old: None, new: None };
        for side in Side::BOTH {
            if let Some(known) = entry.accounts.get(side) {
                *views.get_mut(side) = self.look(side, &handle(known)).await?;
            }
        }
        let present = BySide::from_fn(|side| views.get(side).is_some());
        let control = self.ports.ledger().control().await?;
        let shapes = self.shapes().await?;
        let plan = match (views.old, views.new) {
            (Some(old), Some(new)) if entry.tombstone.is_none() => {
                Some(plan::plan(&plan::Question {
                    policy: self.policy,
                    keys: self.keys,
                    phase: control.phase,
                    shapes: &shapes,
                    views: &BySide { old, new },
                    entry: &entry,
                    captured: BySide::default(),
                    changed: BySide::default(),
                    taken: &BTreeMap::new(),
                    now: self.ports.clock().now(),
                }))
            }
            (_, _) => None,
        };
        Ok(Explanation { entry: Some(entry), present, plan })
    }

    /// Clears what was rejected and what was not found, so that the next run of apply tries again.
    /// This is the operator's `retry`: it writes the table under its own lease, and no pool.
    /// Returns whether the person was free.
    pub async fn forget_obstacles(&self, entry: &Entry, work: &super::Work) -> Result<bool, Fault> {
        let change = self.by_hand(
            Side::Old,
            Sub::try_from("nobody").map_err(|_| Fault::new(FaultKind::Unreadable, "retry"))?,
        );
        let run = self.run_of(&change, work, Owner::from_nonce(change.id));
        let Ok(mut entry) = run.claim(entry).await? else { return Ok(false) };
        entry.obstacles.clear();
        entry.failure = None;
        entry.miss = None;
        entry.flips.clear();
        run.release(&entry).await?;
        Ok(true)
    }
}

impl<P: Ports> Bridge<'_, P> {
    /// The change event of an operator command.
    pub(super) fn by_hand(&self, side: Side, sub: Sub) -> Change {
        Change {
            side,
            sub,
            at: self.ports.clock().now(),
            proof: Proof::Hint,
            password: false,
            administrator: false,
            claimed: false,
            id: self.ports.clock().nonce(),
        }
    }
}

/// How to read a known account.
pub(super) fn handle(known: &Known) -> Handle {
    Handle { sub: known.sub.clone(), username: Some(known.username.clone()) }
}

impl<P: Ports> Run<'_, P> {
    /// Observes an account of this person.
    pub(super) async fn observe(
        &mut self,
        side: Side,
        known: &Known,
    ) -> Result<Option<View>, Fault> {
        self.report.account_reads += 1;
        self.bridge.look(side, &handle(known)).await
    }

    /// Continues with the observation from before the claim, or with a new one if it is older than
    /// D. A change since then may be settled already and its pending change cleared: another worker
    /// may have found it equal to the baseline before this claim.
    pub(super) async fn with_fresh_look(
        &mut self,
        entry: Entry,
        view: View,
    ) -> Result<Round, Fault> {
        let (side, began) = (self.change.side, self.now());
        let known = entry.accounts.get(side).clone();
        let view = match known.filter(|_| began >= view.began + self.bound()) {
            Some(known) => match self.observe(side, &known).await? {
                Some(view) => view,
                None => return self.gone_under_lease(entry, began).await,
            },
            None => view,
        };
        self.under_lease(entry, view).await
    }

    /// Whether the changed account equals the baseline and no work is open. Then there is nothing
    /// to do; the other account has pending changes of its own (R15, `ClearOnlyObservedSides`).
    pub(super) fn is_echo(&self, entry: &Entry, view: &View) -> bool {
        let quiet = entry.state == State::Synced
            && entry.intent.is_none()
            && entry.birth.is_none()
            && entry.owes_password.is_none()
            && !entry.passwords.is_work_left(entry.linked, self.closes_passwords())
            // An observation that missed an account counts until the account is seen again.
            && Side::BOTH.iter().all(|side| {
                entry.accounts.get(*side).as_ref().is_none_or(|known| known.gone.is_none())
            });
        let Some(agreed) = entry.agreed.as_ref().filter(|_| quiet) else { return false };
        let side = self.change.side;
        let password = self.has_password_news(entry, side) || Self::reset_moved(entry, side, view);
        if view.missing.is_some() || password {
            return false;
        }
        // A field that the mapping cannot express is blocked once.
        if view.unsayable.keys().any(|field| !entry.obstacles.contains_key(field)) {
            return false;
        }
        let said = view.facts.held().map(|(field, _)| field);
        said.chain(agreed.fields.keys()).all(|field| {
            let reading = view.facts.get(field);
            // An unread field shows no change. But if a group with agreed members was deleted, that
            // must be recorded, in case the group is created again without them.
            if reading == Reading::Unread {
                let base = agreed.fields.get(field).and_then(|base| base.print);
                return !matches!(field, Field::Group(_)) || base.is_none();
            }
            let mapping = &self.bridge.policy.mapping;
            let Some(rule) = mapping.revision(field) else { return true };
            match agreed.past(field, rule) {
                Past::Never => false,
                Past::Was(base) => {
                    let how = (self.bridge.keys, &entry.salt);
                    factors::is_agreed(how, self.change.side, view, field, base.print)
                }
            }
        })
    }

    /// Ends an echo without a claim: clears the pending change if the observation settles it.
    pub(super) async fn end_echo(&mut self, view: &View) -> Result<Round, Fault> {
        let side = self.change.side;
        if !self.keeps(Rule::R15) {
            self.clear_other_unseen().await?;
        }
        let wait = self.clear_marks(&[(side, view)], Time::ZERO).await?;
        let verdict =
            wait.map_or(Verdict::AlreadyTrue, |wait| Verdict::Later(wait, Reason::Settling));
        Ok(Round::Done(verdict))
    }

    /// The planted bug: clears a pending change of an account that was not observed.
    pub(super) async fn clear_other_unseen(&mut self) -> Result<(), Fault> {
        let Change { side, sub, .. } = self.change;
        let Some(entry) = self.ledger().find(*side, sub).await? else { return Ok(()) };
        let side = side.other();
        if let Some(known) = entry.accounts.get(side) {
            self.read_mark_of(side, &known.sub).await?;
            self.clear(side, &known.sub).await?;
        }
        Ok(())
    }

    /// An account of no known person: observes it, and creates a person record if it travels.
    pub(super) async fn meet(&mut self) -> Result<Round, Fault> {
        let change = self.change;
        let side = change.side;
        self.read_mark(side).await?;
        let began = self.now();
        self.report.account_reads += 1;
        let handle = Handle { sub: change.sub.clone(), username: None };
        let found = self.bridge.look(side, &handle).await?;
        let missed = found.is_none();
        let travelling = found.filter(|view| view.account.status != Status::Unconfirmed);
        let Some(view) = travelling else {
            // Not there, or not confirmed: no person to keep in step, unless the read may be older
            // than the change. A later confirmation causes an event of its own.
            if let Some(wait) = self.too_early_to_drop(side, missed, began) {
                return later(wait, Reason::Settling);
            }
            self.clear(side, &change.sub).await?;
            return Ok(Round::Done(Verdict::AlreadyTrue));
        };
        let id = PersonId::from_nonce(self.bridge.ports.clock().nonce());
        let entry = Entry::new(id, side, known(&view), self.now());
        match self.ledger().begin(&entry).await {
            Ok(()) => {
                let _ = self.ledger().count(None, Some(entry.state)).await;
                self.carried_view = Some(view);
                Ok(Round::Again)
            }
            // Another worker was first, or it was this one and the answer was lost.
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Round::Again),
            Err(fault) => Err(fault),
        }
    }
}

impl<P: Ports> Run<'_, P> {
    /// How long the pending change of an unknown account stays if the account is absent (`missed`)
    /// or unconfirmed. Without its username a listing searched for it, and a listing is staler than
    /// D. "Not found" settles the change only if the listing is late enough (R8,
    /// `SettleBeforeClearing`). A deletion needs no listing: no change follows it.
    fn too_early_to_drop(&self, side: Side, missed: bool, began: Time) -> Option<Duration> {
        let (at, proof) = self.newest_event(side).filter(|_| self.keeps(Rule::R8))?;
        let by_listing = missed && proof != Proof::Deleted;
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
pub(super) fn worst(obstacles: &BTreeMap<Field, Obstacle>) -> Option<Reason> {
    let reasons = || obstacles.values().map(|obstacle| obstacle.reason);
    reasons().find(|reason| !reason.refuses_value()).or_else(|| reasons().next())
}
