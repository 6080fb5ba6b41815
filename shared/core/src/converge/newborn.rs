//! What an account is created with: every field that the target can hold, and never less than makes
//! the account of use to its person.
//!
//! An account that its person cannot get into is worse than none: it hides the person from the
//! migration trigger and from every later search. So a creation always carries the *core*: the
//! address that is the way in, the value that people are matched by, and what the target requires.
//! If one of these cannot be carried, nothing is created, and the field is named.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use crate::account::{NewAccount, Shape};
use crate::entry::{Base, DecisionKind, Entry, Obstacle};
use crate::facts::{Field, Reading, Value};
use crate::fingerprint::Print;
use crate::limits;
use crate::mapping::{Ways, verified_flag};
use crate::names::{AttributeName, Username};
use crate::plan::View;
use crate::policy::MatchBy;
use crate::ports::Ports;
use crate::side::Side;
use crate::verdict::Reason;

/// The attributes that say one field, and what the account then counts as agreed upon.
struct Carried {
    attributes: BTreeMap<AttributeName, String>,
    base: Base,
}

/// An account to be created.
pub(super) struct Newborn {
    /// The `Username` of the call.
    pub(super) username: Username,
    carried: BTreeMap<Field, Carried>,
    /// Attributes of no field: the old account's `sub`, where people are matched by it.
    besides: BTreeMap<AttributeName, String>,
    /// `enabled`, which every account is created with.
    enabled: Option<Base>,
    /// Without one of these sets of fields nothing is created.
    cores: Vec<BTreeSet<Field>>,
    /// Fields that only a creation can bring.
    immutable: BTreeSet<Field>,
    /// Fields that serve as sign-in aliases, which another account may hold.
    aliases: BTreeSet<Field>,
}

/// What of a person can go into a new account.
pub(super) struct Fitness {
    /// The account, or why none is created.
    pub(super) newborn: Result<Newborn, Reason>,
    /// Fields that the account cannot have, with the reason.
    pub(super) left_out: BTreeMap<Field, Obstacle>,
}

impl Newborn {
    /// Which fields each try carries, one after the other while the pool refuses them for certain:
    /// all; the core with what an update cannot bring later; the same without one of these; the core
    /// alone. What a try leaves out travels by an update, field by field.
    pub(super) fn tries(&self) -> Vec<BTreeSet<Field>> {
        let mut tries: Vec<BTreeSet<Field>> = vec![self.carried.keys().cloned().collect()];
        let mut add = |fields: BTreeSet<Field>| {
            if !tries.contains(&fields) {
                tries.push(fields);
            }
        };
        for core in &self.cores {
            let fixed: BTreeSet<Field> = self.immutable.difference(core).cloned().collect();
            add(core.union(&fixed).cloned().collect());
            for one in &fixed {
                add(core.iter().chain(fixed.iter().filter(|it| *it != one)).cloned().collect());
            }
        }
        for core in &self.cores {
            add(core.clone());
        }
        if tries.len() > limits::CREATION_TRIES_MAX {
            // The core alone is what a creation comes down to, so the bound never cuts it off.
            let last = tries.pop();
            tries.truncate(limits::CREATION_TRIES_MAX - 1);
            tries.extend(last);
        }
        tries
    }

    /// The fingerprints of what an account with these fields holds (R19).
    pub(super) fn bases(&self, fields: &BTreeSet<Field>) -> BTreeMap<Field, Base> {
        let enabled = self.enabled.clone().map(|base| (Field::Enabled, base));
        let carried = self.carried.iter().filter(|(field, _)| fields.contains(*field));
        let carried = carried.map(|(field, carried)| (field.clone(), carried.base.clone()));
        enabled.into_iter().chain(carried).collect()
    }

    /// The account with these fields.
    pub(super) fn account(&self, fields: &BTreeSet<Field>) -> NewAccount {
        let carried = self.carried.iter().filter(|(field, _)| fields.contains(*field));
        let attributes = carried.flat_map(|(_, carried)| carried.attributes.clone());
        NewAccount {
            username: self.username.clone(),
            attributes: attributes.chain(self.besides.clone()).collect(),
        }
    }

    /// Whether these fields include an alias beyond the core, so that "exists already" may be about
    /// that alias and not about the name.
    pub(super) fn has_spare_alias(&self, fields: &BTreeSet<Field>) -> bool {
        let spare = |field: &&Field| self.cores.iter().all(|core| !core.contains(*field));
        fields.intersection(&self.aliases).any(|field| spare(&field))
    }

    /// Fields that the pool refused and that no update can bring, given those it accepted.
    pub(super) fn lost(&self, accepted: &BTreeSet<Field>) -> impl Iterator<Item = (&Field, Print)> {
        let refused = self.immutable.iter().filter(|field| !accepted.contains(*field));
        refused.filter_map(|field| Some((field, self.carried.get(field)?.base.print)))
    }

    /// The fields without which nothing is created, for a pool that refuses even these.
    pub(super) fn core(&self) -> impl Iterator<Item = (&Field, Print)> {
        let core = self.cores.iter().flatten();
        core.filter_map(|field| Some((field, self.carried.get(field)?.base.print)))
    }
}

impl<P: Ports> Run<'_, P> {
    /// What an account on `to` is created with, or why it is not. Only proved addresses: one that
    /// its owner did not prove is no way in, proves nothing later, and may send a code.
    pub(super) fn fitness(&self, entry: &Entry, to: Side, view: &View, shape: &Shape) -> Fitness {
        let mut left_out = BTreeMap::new();
        let newborn = self.newborn(entry, to, view, shape, &mut left_out);
        Fitness { newborn, left_out }
    }

    fn newborn(
        &self,
        entry: &Entry,
        to: Side,
        view: &View,
        shape: &Shape,
        left_out: &mut BTreeMap<Field, Obstacle>,
    ) -> Result<Newborn, Reason> {
        let mapping = &self.bridge.policy.mapping;
        let Some((username, forced)) = username(shape, view) else {
            return Err(Reason::NoWayIn);
        };
        let mut carried = BTreeMap::new();
        for (field, value) in view.facts.held() {
            let one_way = matches!(mapping.ways(field), Ways::Only(only) if only != to);
            let unproved = matches!(value, Value::Flag(_) | Value::Address { verified: false, .. });
            let (Some(rule), Some(_)) = (mapping.revision(field), mapping.attribute(to, field))
            else {
                continue;
            };
            if one_way || unproved {
                continue;
            }
            let reading = Reading::Held(value.clone());
            let print = entry.print(self.bridge.keys, field, &reading);
            let said = self.sayable(entry, to, field, &reading, shape, &username);
            match said {
                Ok(attributes) => {
                    let base = Base { print, rule };
                    carried.insert(field.clone(), Carried { attributes, base });
                }
                Err(reason) => self.leave_out(entry, left_out, to, field, reason, print),
            }
        }
        let mut newborn = Newborn {
            username,
            immutable: fixed(&carried, shape),
            aliases: aliases(&carried, shape),
            carried,
            besides: BTreeMap::new(),
            enabled: None,
            cores: Vec::new(),
        };
        if let Some(rule) = mapping.revision(&Field::Enabled) {
            let yes = Reading::Held(Value::Flag(true));
            let print = entry.print(self.bridge.keys, &Field::Enabled, &yes);
            newborn.enabled = Some(Base { print, rule });
        }
        self.complete(entry, to, view, shape, newborn, forced, left_out)
    }

    /// The attributes that say a field there, or why the pool cannot hold them.
    fn sayable(
        &self,
        entry: &Entry,
        to: Side,
        field: &Field,
        reading: &Reading,
        shape: &Shape,
        username: &Username,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let attributes = self.bridge.policy.mapping.attributes(to, field, reading)?;
        let print = entry.print(self.bridge.keys, field, reading);
        let refused = entry.obstacles.get(field).filter(|obstacle| {
            let by_pool = matches!(obstacle.reason, Reason::RefusedByPool | Reason::Outside(_));
            by_pool && obstacle.side == to && obstacle.value == print
        });
        if let Some(obstacle) = refused {
            // Not tried again, until the value changes or an operator says so.
            return Err(obstacle.reason);
        }
        let flag = verified_flag(field);
        for (name, text) in attributes.iter().filter(|(name, _)| Some(*name) != flag.as_ref()) {
            // A pool that shows no schema at all is asked and answers by itself.
            if shape.attributes.is_empty() {
                continue;
            }
            let bounds = shape.attributes.get(name).ok_or(Reason::NotInSchema)?;
            if let Some(reason) = bounds.refusal(text) {
                return Err(reason);
            }
            // The username is taken as soon as the account has it: AdminCreateUser answers
            // UserNotFoundException to an alias that repeats it.
            let alias = name.as_str() == "preferred_username" && shape.signs_in_by(name);
            if alias && same(text, username.reveal(), shape.case_sensitive) {
                return Err(Reason::RefusedByPool);
            }
        }
        Ok(attributes)
    }

    /// Adds the core, or says why it cannot be carried.
    #[expect(clippy::too_many_arguments, reason = "one question, whose parts have no other use")]
    fn complete(
        &self,
        entry: &Entry,
        to: Side,
        view: &View,
        shape: &Shape,
        mut newborn: Newborn,
        mut core: BTreeSet<Field>,
        left_out: &mut BTreeMap<Field, Obstacle>,
    ) -> Result<Newborn, Reason> {
        let policy = self.bridge.policy;
        match &policy.match_by {
            MatchBy::Email => drop(core.insert(Field::Email)),
            MatchBy::Phone => drop(core.insert(Field::Phone)),
            // No search of the new pool finds an old account: the new one has to name it.
            MatchBy::OldSub(name) if to == Side::New => {
                let free =
                    policy.mapping.rules().all(|rule| rule.attribute.new.as_ref() != Some(name));
                let sub = view.account.sub.as_str();
                let bounds = shape.attributes.get(name);
                if free && bounds.is_some_and(|bounds| bounds.refusal(sub).is_none()) {
                    newborn.besides.insert(name.clone(), sub.to_owned());
                }
            }
            MatchBy::OldSub(_) | MatchBy::Username => {}
        }
        let addressed = core.iter().any(Field::is_address);
        let given = |name: &AttributeName| {
            newborn.besides.contains_key(name)
                || newborn.carried.values().any(|it| it.attributes.contains_key(name))
        };
        let required = shape.attributes.iter().filter(|(_, bounds)| bounds.required);
        for name in required.map(|(name, _)| name) {
            if let Some(field) = self.field_of(to, name) {
                core.insert(field);
            } else if !given(name) {
                // No rule serves it, so no person of the other pool ever has it.
                let field = Field::Attribute(name.clone());
                self.leave_out(entry, left_out, to, &field, Reason::RequiredMissing, None);
                return Err(Reason::RequiredMissing);
            }
        }
        let demands = |field: &Field| {
            let name = policy.mapping.attribute(to, field);
            name.and_then(|name| shape.attributes.get(name)).is_some_and(|bounds| bounds.required)
        };
        let mut lacking = None;
        for field in core.iter().filter(|field| !newborn.carried.contains_key(*field)) {
            let reading = view.facts.get(field);
            let reason = match (left_out.get(field), &reading) {
                (Some(obstacle), _) => obstacle.reason,
                (None, Reading::Held(Value::Address { .. })) => Reason::AddressUnverified,
                (None, _) if demands(field) => Reason::RequiredMissing,
                (None, _) => Reason::NoWayIn,
            };
            let print = entry.print(self.bridge.keys, field, &reading);
            self.leave_out(entry, left_out, to, field, reason, print);
            lacking = lacking.or(Some(reason));
        }
        if let Some(reason) = lacking {
            return Err(reason);
        }
        let ways_in: Vec<Field> = [Field::Email, Field::Phone]
            .into_iter()
            .filter(|field| newborn.carried.contains_key(field))
            .collect();
        newborn.cores = if addressed {
            vec![core]
        } else {
            let with = |field: &Field| core.iter().chain([field]).cloned().collect();
            ways_in.iter().map(with).collect()
        };
        if newborn.cores.is_empty() {
            // There is a proved address, and the pool cannot hold it: that is the reason.
            let named = [Field::Email, Field::Phone].iter().find_map(|field| left_out.get(field));
            return Err(named.map_or(Reason::NoWayIn, |obstacle| obstacle.reason));
        }
        Ok(newborn)
    }

    /// The field whose rule writes that attribute of `side`.
    fn field_of(&self, side: Side, name: &AttributeName) -> Option<Field> {
        let mut rules = self.bridge.policy.mapping.rules();
        let rule = rules.find(|rule| rule.attribute.get(side).as_ref() == Some(name))?;
        Some(rule.field.clone())
    }

    fn leave_out(
        &self,
        entry: &Entry,
        left_out: &mut BTreeMap<Field, Obstacle>,
        side: Side,
        field: &Field,
        reason: Reason,
        value: Print,
    ) {
        let before = entry.obstacles.get(field).filter(|before| before.reason == reason);
        let since = before.map_or_else(|| self.now(), |before| before.since);
        left_out.insert(field.clone(), Obstacle { reason, value, side, since });
    }

    /// Names the fields that a creation leaves out: on the record, and as a decision if they are new.
    pub(super) fn name_fields(&mut self, entry: &mut Entry, left_out: BTreeMap<Field, Obstacle>) {
        let mut news: BTreeMap<(Reason, Side), Vec<String>> = BTreeMap::new();
        for (field, obstacle) in &left_out {
            if entry.obstacles.get(field).map(|it| it.reason) != Some(obstacle.reason) {
                let names = news.entry((obstacle.reason, obstacle.side)).or_default();
                names.push(field.to_string());
            }
        }
        for ((reason, side), fields) in news {
            let held = self.decision(DecisionKind::Held, Some(side), Some(reason));
            self.decide(entry, crate::entry::Decision { fields, ..held });
        }
        entry.obstacles = left_out;
    }
}

/// Fields of which an attribute can be written by a creation only.
fn fixed(carried: &BTreeMap<Field, Carried>, shape: &Shape) -> BTreeSet<Field> {
    with_attribute(carried, |name| shape.attributes.get(name).is_some_and(|it| !it.mutable))
}

/// Fields of which an attribute signs people in.
fn aliases(carried: &BTreeMap<Field, Carried>, shape: &Shape) -> BTreeSet<Field> {
    with_attribute(carried, |name| shape.signs_in_by(name))
}

fn with_attribute(
    carried: &BTreeMap<Field, Carried>,
    of: impl Fn(&AttributeName) -> bool,
) -> BTreeSet<Field> {
    let has = |(_, carried): &(&Field, &Carried)| carried.attributes.keys().any(&of);
    carried.iter().filter(has).map(|(field, _)| field.clone()).collect()
}

/// Whether two names are one in a pool that tells case apart, or does not.
fn same(one: &str, other: &str, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase() == other.to_lowercase())
}

/// The name that the creation uses, fixed before the call, and the address in it: the address where
/// the pool goes by addresses, else the source's name, else the source's `sub` where an alias pool
/// would refuse a name that looks like an address.
fn username(shape: &Shape, view: &View) -> Option<(Username, BTreeSet<Field>)> {
    let proved = |field: &Field| match view.facts.get(field) {
        Reading::Held(Value::Address { address, verified: true }) => Some(address),
        Reading::Held(_) | Reading::Absent | Reading::Unread => None,
    };
    let goes_by =
        |name: &str| shape.username_attributes.iter().any(|attribute| attribute.as_str() == name);
    if !shape.username_attributes.is_empty() {
        let ways = [(Field::Email, "email"), (Field::Phone, "phone_number")];
        let mut ways = ways.into_iter().filter(|(_, name)| goes_by(name));
        return ways.find_map(|(field, _)| {
            let username = Username::try_from(proved(&field)?.as_str()).ok()?;
            Some((username, BTreeSet::from([field])))
        });
    }
    let name = view.account.username.reveal();
    let like_address = name.contains('@') || name.starts_with('+');
    if like_address && !shape.alias_attributes.is_empty() {
        let sub = Username::try_from(view.account.sub.as_str()).ok()?;
        return Some((sub, BTreeSet::new()));
    }
    Some((view.account.username.clone(), BTreeSet::new()))
}
