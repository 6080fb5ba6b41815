//! The contents of a created account: every field that the target can hold, never less than its
//! *core*.
//!
//! An account that its person cannot sign in to is worse than none: it hides the person from the
//! migration trigger and from every later search. The core is the address with which the person
//! signs in, the value by which people are matched, and what the target requires. If one of these
//! cannot be carried, nothing is created, and the field is blocked.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use crate::account::{NewAccount, PoolSchema};
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::mapping::{Ways, verified_flag};
use crate::names::{AttributeName, Username};
use crate::outcome::Reason;
use crate::plan::Observation;
use crate::policy::MatchBy;
use crate::ports::Ports;
use crate::profile::{Field, FieldState, Value};
use crate::record::{BaselineField, BlockedField, PersonRecord};
use crate::side::Side;

/// The attributes of one field, and its baseline after the creation.
struct Carried {
    attributes: BTreeMap<AttributeName, String>,
    base: BaselineField,
}

/// An account to be created.
pub(super) struct CreationPlan {
    /// The `Username` of the call.
    pub(super) username: Username,
    carried: BTreeMap<Field, Carried>,
    /// Attributes without a field: the old account's `sub`, if people are matched by it.
    constants: BTreeMap<AttributeName, String>,
    /// `enabled`, which every account has at its creation.
    enabled: Option<BaselineField>,
    /// Nothing is created without at least one of these sets of fields.
    cores: Vec<BTreeSet<Field>>,
    /// Fields that only a creation can write.
    immutable: BTreeSet<Field>,
    /// Fields that serve as sign-in aliases, which another account may hold.
    aliases: BTreeSet<Field>,
}

/// What a new account can take over from a person.
pub(super) struct Fitness {
    /// The account, or why none is created.
    pub(super) planned: Result<CreationPlan, Reason>,
    /// Fields that the account cannot have, with the reason.
    pub(super) left_out: BTreeMap<Field, BlockedField>,
}

impl CreationPlan {
    /// The fields of each attempt, in order, as long as the pool certainly rejects them: all; the
    /// core with the fields that no update can add later; the same without one of these; the core
    /// alone. Updates carry what an attempt leaves out, field by field.
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
            // The core alone is the last resort, so the limit never cuts it off.
            let last = tries.pop();
            tries.truncate(limits::CREATION_TRIES_MAX - 1);
            tries.extend(last);
        }
        tries
    }

    /// The fingerprints of an account with these fields (`CreationIntentFirst`).
    pub(super) fn bases(&self, fields: &BTreeSet<Field>) -> BTreeMap<Field, BaselineField> {
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
            attributes: attributes.chain(self.constants.clone()).collect(),
        }
    }

    /// Whether these fields include an alias outside the core. Then "already exists" may concern
    /// that alias and not the username.
    pub(super) fn has_spare_alias(&self, fields: &BTreeSet<Field>) -> bool {
        let spare = |field: &&Field| self.cores.iter().all(|core| !core.contains(*field));
        fields.intersection(&self.aliases).any(|field| spare(&field))
    }

    /// Fields that the pool rejected and that no update can add, given those that it accepted.
    pub(super) fn lost(
        &self,
        accepted: &BTreeSet<Field>,
    ) -> impl Iterator<Item = (&Field, Option<Fingerprint>)> {
        let refused = self.immutable.iter().filter(|field| !accepted.contains(*field));
        refused.filter_map(|field| Some((field, self.carried.get(field)?.base.fingerprint)))
    }

    /// The fields without which nothing is created, for a pool that rejects even these.
    pub(super) fn core(&self) -> impl Iterator<Item = (&Field, Option<Fingerprint>)> {
        let core = self.cores.iter().flatten();
        core.filter_map(|field| Some((field, self.carried.get(field)?.base.fingerprint)))
    }
}

impl<P: Ports> Run<'_, P> {
    /// The contents of an account in `to`, or why none is created. Verified addresses only: an
    /// unverified one is no way to sign in, proves nothing later, and may cause a code to be sent.
    pub(super) fn fitness(
        &self,
        record: &PersonRecord,
        to: Side,
        observation: &Observation,
        schema: &PoolSchema,
    ) -> Fitness {
        let mut left_out = BTreeMap::new();
        let planned = self.planned(record, to, observation, schema, &mut left_out);
        Fitness { planned, left_out }
    }

    fn planned(
        &self,
        record: &PersonRecord,
        to: Side,
        observation: &Observation,
        schema: &PoolSchema,
        left_out: &mut BTreeMap<Field, BlockedField>,
    ) -> Result<CreationPlan, Reason> {
        let mapping = &self.bridge.policy.mapping;
        let Some((username, forced)) = username(schema, observation) else {
            return Err(Reason::NoWayIn);
        };
        let mut carried = BTreeMap::new();
        for (field, value) in observation.profile.present() {
            let one_way = matches!(mapping.ways(field), Ways::Only(only) if only != to);
            let unproved = matches!(value, Value::Flag(_) | Value::Address { verified: false, .. });
            let (Some(rule), Some(_)) = (mapping.revision(field), mapping.attribute(to, field))
            else {
                continue;
            };
            if one_way || unproved {
                continue;
            }
            let reading = FieldState::Present(value.clone());
            let fingerprint = record.fingerprint(self.bridge.keys, field, &reading);
            let said = self.sayable(record, to, field, &reading, schema, &username);
            match said {
                Ok(attributes) => {
                    let base = BaselineField { fingerprint, rule };
                    carried.insert(field.clone(), Carried { attributes, base });
                }
                Err(reason) => self.leave_out(record, left_out, to, field, reason, fingerprint),
            }
        }
        let mut planned = CreationPlan {
            username,
            immutable: fixed(&carried, schema),
            aliases: aliases(&carried, schema),
            carried,
            constants: BTreeMap::new(),
            enabled: None,
            cores: Vec::new(),
        };
        if let Some(rule) = mapping.revision(&Field::Enabled) {
            let yes = FieldState::Present(Value::Flag(true));
            let fingerprint = record.fingerprint(self.bridge.keys, &Field::Enabled, &yes);
            planned.enabled = Some(BaselineField { fingerprint, rule });
        }
        self.complete(record, to, observation, schema, planned, forced, left_out)
    }

    /// The attributes of a field in that pool, or why the pool cannot hold them.
    fn sayable(
        &self,
        record: &PersonRecord,
        to: Side,
        field: &Field,
        reading: &FieldState,
        schema: &PoolSchema,
        username: &Username,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let attributes = self.bridge.policy.mapping.attributes(to, field, reading)?;
        let fingerprint = record.fingerprint(self.bridge.keys, field, reading);
        let refused = record.blocked_fields.get(field).filter(|blocked_field| {
            let by_pool =
                matches!(blocked_field.reason, Reason::RefusedByPool | Reason::PortError(_));
            by_pool && blocked_field.side == to && blocked_field.value == fingerprint
        });
        if let Some(blocked_field) = refused {
            // Not tried again until the value changes or an operator runs `retry`.
            return Err(blocked_field.reason);
        }
        let flag = verified_flag(field);
        for (name, text) in attributes.iter().filter(|(name, _)| Some(*name) != flag.as_ref()) {
            // If the pool shows no schema at all, the call itself gives the answer.
            if schema.attributes.is_empty() {
                continue;
            }
            let bounds = schema.attributes.get(name).ok_or(Reason::NotInSchema)?;
            if let Some(reason) = bounds.refusal(text) {
                return Err(reason);
            }
            // The username is taken as soon as the account has it: `AdminCreateUser` returns
            // `UserNotFoundException` for an alias that repeats it.
            let alias = name.as_str() == "preferred_username" && schema.signs_in_by(name);
            if alias && same(text, username.reveal(), schema.case_sensitive) {
                return Err(Reason::RefusedByPool);
            }
        }
        Ok(attributes)
    }

    /// Adds the core, or returns why it cannot be carried.
    #[expect(clippy::too_many_arguments, reason = "one question, whose parts have no other use")]
    fn complete(
        &self,
        record: &PersonRecord,
        to: Side,
        observation: &Observation,
        schema: &PoolSchema,
        mut planned: CreationPlan,
        mut core: BTreeSet<Field>,
        left_out: &mut BTreeMap<Field, BlockedField>,
    ) -> Result<CreationPlan, Reason> {
        let policy = self.bridge.policy;
        match &policy.match_by {
            MatchBy::Email => drop(core.insert(Field::Email)),
            MatchBy::Phone => drop(core.insert(Field::Phone)),
            // The new pool cannot be searched for an old `sub`: the new account must contain it.
            MatchBy::OldSub(name) if to == Side::New => {
                let free =
                    policy.mapping.rules().all(|rule| rule.attribute.new.as_ref() != Some(name));
                let sub = observation.account.sub.as_str();
                let bounds = schema.attributes.get(name);
                if free && bounds.is_some_and(|bounds| bounds.refusal(sub).is_none()) {
                    planned.constants.insert(name.clone(), sub.to_owned());
                }
            }
            MatchBy::OldSub(_) | MatchBy::Username => {}
        }
        let addressed = core.iter().any(Field::is_address);
        let given = |name: &AttributeName| {
            planned.constants.contains_key(name)
                || planned.carried.values().any(|it| it.attributes.contains_key(name))
        };
        let required = schema.attributes.iter().filter(|(_, bounds)| bounds.required);
        for name in required.map(|(name, _)| name) {
            if let Some(field) = self.field_of(to, name) {
                core.insert(field);
            } else if !given(name) {
                // No rule serves it, so no person of the other pool ever has it.
                let field = Field::Attribute(name.clone());
                self.leave_out(record, left_out, to, &field, Reason::RequiredMissing, None);
                return Err(Reason::RequiredMissing);
            }
        }
        let demands = |field: &Field| {
            let name = policy.mapping.attribute(to, field);
            name.and_then(|name| schema.attributes.get(name)).is_some_and(|bounds| bounds.required)
        };
        let mut lacking = None;
        for field in core.iter().filter(|field| !planned.carried.contains_key(*field)) {
            let reading = observation.profile.get(field);
            let reason = match (left_out.get(field), &reading) {
                (Some(blocked_field), _) => blocked_field.reason,
                (None, FieldState::Present(Value::Address { .. })) => Reason::AddressUnverified,
                (None, _) if demands(field) => Reason::RequiredMissing,
                (None, _) => Reason::NoWayIn,
            };
            let fingerprint = record.fingerprint(self.bridge.keys, field, &reading);
            self.leave_out(record, left_out, to, field, reason, fingerprint);
            lacking = lacking.or(Some(reason));
        }
        if let Some(reason) = lacking {
            return Err(reason);
        }
        planned.cores = if addressed { vec![core] } else { with_address(&core, &planned.carried) };
        if planned.cores.is_empty() {
            // There is a verified address, but the pool cannot hold it: that is the reason.
            let named = [Field::Email, Field::Phone].iter().find_map(|field| left_out.get(field));
            return Err(named.map_or(Reason::NoWayIn, |blocked_field| blocked_field.reason));
        }
        Ok(planned)
    }

    /// The field whose rule writes that attribute of `side`.
    fn field_of(&self, side: Side, name: &AttributeName) -> Option<Field> {
        let mut rules = self.bridge.policy.mapping.rules();
        let rule = rules.find(|rule| rule.attribute.get(side).as_ref() == Some(name))?;
        Some(rule.field.clone())
    }

    fn leave_out(
        &self,
        record: &PersonRecord,
        left_out: &mut BTreeMap<Field, BlockedField>,
        side: Side,
        field: &Field,
        reason: Reason,
        value: Option<Fingerprint>,
    ) {
        let before = record.blocked_fields.get(field).filter(|before| before.reason == reason);
        let since = before.map_or_else(|| self.now(), |before| before.since);
        left_out.insert(field.clone(), BlockedField { reason, value, side, since });
    }
}

/// The core together with each address with which its person can sign in.
fn with_address(
    core: &BTreeSet<Field>,
    carried: &BTreeMap<Field, Carried>,
) -> Vec<BTreeSet<Field>> {
    [Field::Email, Field::Phone]
        .iter()
        .filter(|field| carried.contains_key(*field))
        .map(|field| core.iter().chain([field]).cloned().collect())
        .collect()
}

/// Fields with an attribute that only a creation can write.
fn fixed(carried: &BTreeMap<Field, Carried>, schema: &PoolSchema) -> BTreeSet<Field> {
    with_attribute(carried, |name| schema.attributes.get(name).is_some_and(|it| !it.mutable))
}

/// Fields with an attribute that users sign in with.
fn aliases(carried: &BTreeMap<Field, Carried>, schema: &PoolSchema) -> BTreeSet<Field> {
    with_attribute(carried, |name| schema.signs_in_by(name))
}

fn with_attribute(
    carried: &BTreeMap<Field, Carried>,
    of: impl Fn(&AttributeName) -> bool,
) -> BTreeSet<Field> {
    let has = |(_, carried): &(&Field, &Carried)| carried.attributes.keys().any(&of);
    carried.iter().filter(has).map(|(field, _)| field.clone()).collect()
}

/// Whether two usernames are the same. `exact`: case counts.
fn same(one: &str, other: &str, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase() == other.to_lowercase())
}

/// The username of the creation, fixed before the call, and the address in it. It is the address if
/// usernames are addresses. Otherwise it is the username of the source, or the `sub` of the source
/// if an alias pool would reject a username that looks like an address.
fn username(schema: &PoolSchema, observation: &Observation) -> Option<(Username, BTreeSet<Field>)> {
    let proved = |field: &Field| match observation.profile.get(field) {
        FieldState::Present(Value::Address { address, verified: true }) => Some(address),
        FieldState::Present(_) | FieldState::Absent | FieldState::Unknown => None,
    };
    let goes_by =
        |name: &str| schema.username_attributes.iter().any(|attribute| attribute.as_str() == name);
    if !schema.username_attributes.is_empty() {
        let ways = [(Field::Email, "email"), (Field::Phone, "phone_number")];
        let mut ways = ways.into_iter().filter(|(_, name)| goes_by(name));
        return ways.find_map(|(field, _)| {
            let username = Username::try_from(proved(&field)?.as_str()).ok()?;
            Some((username, BTreeSet::from([field])))
        });
    }
    let name = observation.account.username.reveal();
    let like_address = name.contains('@') || name.starts_with('+');
    if like_address && !schema.alias_attributes.is_empty() {
        let sub = Username::try_from(observation.account.sub.as_str()).ok()?;
        return Some((sub, BTreeSet::new()));
    }
    Some((observation.account.username.clone(), BTreeSet::new()))
}
