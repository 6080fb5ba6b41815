//! What a task has observed so far, and so what its writes are based on.

use std::collections::BTreeMap;

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::profile::Field;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::accounts::{Accounts, Body};
use super::edits::{EditId, Human};

/// The result of one observation.
#[derive(Clone, Copy, Debug, Hash)]
pub struct ObservedVersion {
    /// The version of the account.
    pub version: usize,
    /// The moment that it showed.
    pub moment: Time,
    /// When the observation was made.
    pub at: Time,
}

/// All that a task has observed so far.
#[derive(Clone, Debug, Default, Hash)]
pub struct Observations {
    pub(super) accounts: BTreeMap<(Side, Sub), ObservedVersion>,
    pub(super) groups: BTreeMap<(Side, Sub), ObservedVersion>,
    /// When the task last read pending changes.
    pub(super) pending_changes: BTreeMap<(Side, Sub), Time>,
    pub(super) claimed: Vec<PersonId>,
    /// Whether the last announced plan writes both sides. Then one side is observed before the
    /// other.
    pub(super) writes_both: bool,
}

impl Observations {
    pub(super) fn seen(&self, side: Side, sub: &Sub, field: &Field) -> Option<ObservedVersion> {
        let from = if matches!(field, Field::Group(_)) { &self.groups } else { &self.accounts };
        from.get(&(side, sub.clone())).copied()
    }

    /// What the task saw of that human on that side, as far as it concerns `field`.
    pub(super) fn body<'a>(
        &self,
        pools: &'a BySide<Accounts>,
        side: Side,
        human: Human,
        field: &Field,
    ) -> Option<&'a Body> {
        let mut theirs = pools.get(side).all().iter().filter(|one| one.human == human);
        theirs.find_map(|account| {
            let seen = self.seen(side, &account.sub, field)?;
            Some(&account.versions()[seen.version].body)
        })
    }

    /// Whether `seen`, an observation of that human on that side, is no older than the one of the
    /// other side, as far as it concerns `field`.
    pub(super) fn observed_last(
        &self,
        pools: &BySide<Accounts>,
        side: Side,
        human: Human,
        field: &Field,
        seen: ObservedVersion,
    ) -> bool {
        let there = pools.get(side.other()).all().iter().filter(|one| one.human == human);
        let mut observed = there.filter_map(|one| self.seen(side.other(), &one.sub, field));
        observed.all(|version| version.at <= seen.at)
    }

    /// The edits that an action's values come from: those that the task saw on the other side.
    pub fn origins(
        &self,
        pools: &BySide<Accounts>,
        side: Side,
        sub: &Sub,
        action: &Action,
    ) -> Vec<(Field, Option<EditId>)> {
        let Some(target) = pools.get(side).get(sub) else { return Vec::new() };
        let origin = |field: Field| {
            let source = self.body(pools, side.other(), target.human, &field);
            let origin = source.and_then(|body| body.origins.get(&field).copied());
            (field, origin)
        };
        action.fields().into_iter().map(origin).collect()
    }

    /// The same for an account that is being created; a creation carries no memberships.
    pub fn origins_at_creation(
        &self,
        pools: &BySide<Accounts>,
        side: Side,
        human: Human,
    ) -> BTreeMap<Field, EditId> {
        let source = self.body(pools, side.other(), human, &Field::Enabled);
        let origins = source.map(|body| body.origins.clone()).unwrap_or_default();
        origins.into_iter().filter(|(field, _)| !matches!(field, Field::Group(_))).collect()
    }
}
