//! Creation on the other side, as an intent of its own (R19, R20): the name and the fingerprints are
//! noted first, so that whoever finds the account later knows that it is ours, and upon what base.

use std::collections::BTreeMap;

use super::{Round, Run, known, later};
use crate::account::{Account, Handle, NewAccount, Shape, Status};
use crate::entry::{Agreed, Base, Birth, DecisionKind, Entry, Known, State};
use crate::facts::{Field, Reading, Value};
use crate::fault::{Fault, FaultKind};
use crate::law::Rule;
use crate::names::{AttributeName, Username};
use crate::plan::View;
use crate::policy::Control;
use crate::ports::{Ledger, Pool, Ports};
use crate::side::Side;
use crate::step::Deed;
use crate::verdict::{Reason, Verdict};

impl<P: Ports> Run<'_, P> {
    /// Creates the person in the other pool, whom a search did not find there.
    pub(super) async fn create(
        &mut self,
        mut entry: Entry,
        side: Side,
        view: View,
    ) -> Result<Round, Fault> {
        let to = side.other();
        let shapes = self.bridge.shapes().await?;
        let Some(username) = username(shapes.get(to), &view) else {
            return self.stay_alone(entry, side, &view, Some(Reason::NoWayIn)).await;
        };
        let (attributes, fields) = self.newborn(&entry, to, &view, shapes.get(to));
        let Some(until) = entry.lease.as_ref().map(|lease| lease.until) else {
            return Ok(Round::Again);
        };
        let birth = Birth {
            side: to,
            username: username.clone(),
            fields,
            rules: self.bridge.policy.mapping.revisions(),
            at: self.now(),
            until,
        };
        let before = entry.state;
        if self.keeps(Rule::R19) {
            entry.birth = Some(birth.clone());
        }
        entry.revision += 1;
        entry.not_before = self.now() + self.bound();
        self.touched = true;
        self.ledger().store(&entry, &self.owner).await?;
        let Some(deadline) = self.send_until(&entry) else {
            // Nothing was sent: the note goes, and somebody with more time does it.
            entry.birth = None;
            self.record(before, entry).await?;
            return later(self.bound(), Reason::OutOfTime);
        };
        self.report.pool_writes += 1;
        let account = NewAccount { username, attributes };
        match self.bridge.ports.pool(to).create(&account, deadline).await {
            Ok(handle) => self.born(entry, side, view, birth, handle).await,
            Err(fault) if fault.may_have_happened() => Err(fault),
            Err(fault) => {
                // Certain: not made by this call, and no earlier one is open (R19).
                entry.birth = None;
                let reason = match fault.kind {
                    FaultKind::Exists => Reason::NameTaken,
                    FaultKind::Invalid => Reason::RefusedByPool,
                    FaultKind::Throttled
                    | FaultKind::NoAnswer
                    | FaultKind::NotSent
                    | FaultKind::Broken
                    | FaultKind::Denied
                    | FaultKind::AccountGone
                    | FaultKind::Missing
                    | FaultKind::Lost
                    | FaultKind::Newer
                    | FaultKind::Unreadable => {
                        entry.state = State::Waiting;
                        entry.reason = Some(Reason::Outside(fault.kind));
                        self.record(before, entry).await?;
                        return Ok(Round::Done(Verdict::from_fault(&fault)));
                    }
                };
                // The search that missed them may have been stale: the next look searches again.
                entry.miss = None;
                self.stay_alone(entry, side, &view, Some(reason)).await
            }
        }
    }

    /// What an account is born with, as attributes and as fingerprints. Only proved addresses: one
    /// that nobody proved is no way in, proves nothing later, and may send a code.
    fn newborn(
        &self,
        entry: &Entry,
        to: Side,
        view: &View,
        shape: &Shape,
    ) -> (BTreeMap<AttributeName, String>, BTreeMap<Field, Base>) {
        let mapping = &self.bridge.policy.mapping;
        let mut attributes = BTreeMap::new();
        let mut fields = BTreeMap::new();
        let yes = Reading::Held(Value::Flag(true));
        if let Some(rule) = mapping.revision(&Field::Enabled) {
            let print = entry.print(self.bridge.keys, &Field::Enabled, &yes);
            fields.insert(Field::Enabled, Base { print, rule });
        }
        for (field, value) in view.facts.held() {
            if matches!(value, Value::Flag(_) | Value::Address { verified: false, .. }) {
                continue;
            }
            let reading = Reading::Held(value.clone());
            let Ok(written) = mapping.attributes(to, field, &reading) else { continue };
            let fits = |(name, text): (&AttributeName, &String)| {
                let longest = shape.attributes.get(name).map(|it| it.longest.unwrap_or(2048));
                let known = shape.attributes.is_empty() || longest.is_some();
                known && text.chars().count() <= longest.unwrap_or(2048)
            };
            if !written.iter().all(fits) {
                continue;
            }
            if let Some(rule) = mapping.revision(field) {
                let print = entry.print(self.bridge.keys, field, &reading);
                fields.insert(field.clone(), Base { print, rule });
                attributes.extend(written);
            }
        }
        (attributes, fields)
    }

    /// The account is there and it is ours: link it, give it a password that nobody knows (so that
    /// forgot-password works there), and see whether anything is left to carry.
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
            // Whoever saw it first made a person of it: the two halves are one (R17, R19).
            return self.merge_halves(entry, other, side, view).await;
        }
        *entry.accounts.get_mut(to) = Some(account);
        self.linked(&mut entry, self.base_of(&birth), to);
        entry.owes_password = Some(to);
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
        if let Some(at) = self.newer_password(&entry, self.change.side) {
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

    /// Whether birth carried all that the source says.
    fn carried_at_birth(&self, birth: &Birth, view: &View) -> bool {
        let mapping = &self.bridge.policy.mapping;
        view.unsayable.is_empty()
            && view.facts.held().all(|(field, _)| {
                birth.fields.contains_key(field) || mapping.revision(field).is_none()
            })
    }

    /// The account that an open creation made, if it did: of that very name, and as the note says.
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
            birth.announced(&found.facts, found.account.created, keys, &entry.salt)
        }))
    }

    /// A creation is open: read that very name, before anything else is tried (R20).
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
            // Not made, or the name is somebody else's: the note goes, and the search begins anew.
            let before = entry.state;
            entry.birth = None;
            self.record(before, entry).await?;
            return later(self.bound(), Reason::Settling);
        };
        if let Some(other) = self.ledger().find(to, &ours.account.sub).await? {
            return self.merge_halves(entry, other, side, view).await;
        }
        *entry.accounts.get_mut(to) = Some(known(&ours));
        self.linked(&mut entry, self.base_of(&birth), to);
        entry.owes_password = owed(&ours.account).then_some(to);
        entry.revision += 1;
        match self.ledger().join(&entry, &self.owner, to).await {
            Ok(()) => self.carry(entry, side, view, control).await,
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Round::Again),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether an account that we made still has the temporary password of its making.
fn owed(account: &Account) -> bool {
    account.status == Status::ForceChangePassword
}

/// The name that the creation uses, fixed before the call: the address where the pool goes by
/// addresses, else the source's name, else the source's `sub` where an alias pool would refuse a name
/// that looks like an address.
fn username(shape: &Shape, view: &View) -> Option<Username> {
    let proved = |field: Field| match view.facts.get(&field) {
        Reading::Held(Value::Address { address, verified: true }) => Some(address),
        Reading::Held(_) | Reading::Absent | Reading::Unread => None,
    };
    let goes_by =
        |name: &str| shape.username_attributes.iter().any(|attribute| attribute.as_str() == name);
    if !shape.username_attributes.is_empty() {
        let email = proved(Field::Email).filter(|_| goes_by("email"));
        let address = email.or_else(|| proved(Field::Phone).filter(|_| goes_by("phone_number")))?;
        return Username::try_from(address.as_str()).ok();
    }
    let name = view.account.username.reveal();
    let like_address = name.contains('@') || name.starts_with('+');
    if like_address && !shape.alias_attributes.is_empty() {
        return Username::try_from(view.account.sub.as_str()).ok();
    }
    Some(view.account.username.clone())
}
