//! Single plans from two observations, a baseline, an intent and a blocked field.

use std::time::Duration;

use super::*;
use crate::account::{AttributeSchema, Status};
use crate::limits;
use crate::mapping::Mapping;
use crate::names::{AttributeName, PersonId, Sub, Username};
use crate::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use crate::profile::{FieldState, Value};
use crate::record::{Baseline, BaselineField, DecisionKind, KnownAccount, Past, WriteIntent};
use crate::rules::ProtocolRules;
use crate::step::Action;

/// Long after every other time in these tests.
const NOW: Time = Time(10_000_000);

/// The former last-modified time of the accounts.
const LONG_AGO: Time = Time(1_000);

fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).unwrap()
}

fn name() -> Field {
    Field::from_name("name").unwrap()
}

fn keys() -> Keyring {
    Keyring::new(1, [7; 32])
}

fn policy() -> Policy {
    Policy {
        match_by: MatchBy::Email,
        provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
        conflicts: ConflictRule::ActiveWins,
        deletes: Deletes::Disable,
        groups: true,
        stale_passwords: StalePasswords::Keep,
        settle: Duration::from_secs(10),
        clock_allowance: Duration::ZERO,
        mapping: Mapping::new(Vec::new(), &BTreeSet::new(), false, true).unwrap(),
        rules: ProtocolRules::WHOLE,
    }
}

/// Two accounts, and the rest of the input of a plan.
struct Two {
    accounts: BySide<Account>,
    schemas: BySide<PoolSchema>,
    record: PersonRecord,
    policy: Policy,
    phase: Phase,
    captured: bool,
    changed: BySide<Option<Time>>,
    began: Time,
    now: Time,
}

impl Two {
    /// Two accounts without attributes, which agree on that.
    fn new() -> Self {
        let account = |side: Side| Account {
            sub: Sub::try_from(side.name()).unwrap(),
            username: Username::try_from("ada").unwrap(),
            attributes: BTreeMap::new(),
            enabled: true,
            status: Status::Confirmed,
            groups: Some(BTreeSet::new()),
            factors: Some(BTreeSet::new()),
            created: LONG_AGO,
            modified: LONG_AGO,
        };
        let known = |side: Side| KnownAccount {
            sub: Sub::try_from(side.name()).unwrap(),
            username: Username::try_from("ada").unwrap(),
            seen: LONG_AGO,
            written: None,
            gone: None,
        };
        let policy = policy();
        let mut record =
            PersonRecord::new(PersonId::from_nonce(1), Side::Old, known(Side::Old), LONG_AGO);
        record.accounts.new = Some(known(Side::New));
        record.baseline =
            Some(Baseline { fields: BTreeMap::new(), rules: policy.mapping.revisions() });
        let mut two = Self {
            accounts: BySide::from_fn(account),
            schemas: BySide::default(),
            record,
            policy,
            phase: Phase::Follow,
            captured: false,
            changed: BySide::default(),
            began: NOW,
            now: NOW,
        };
        two.agree(&Field::Enabled, &FieldState::Present(Value::Flag(true)));
        two
    }

    fn fingerprint(
        &self,
        field: &Field,
        reading: &FieldState,
    ) -> Option<crate::fingerprint::Fingerprint> {
        self.record.fingerprint(&keys(), field, reading)
    }

    fn rule(&self, field: &Field) -> u32 {
        self.policy.mapping.revision(field).unwrap()
    }

    fn agree(&mut self, field: &Field, reading: &FieldState) {
        let base =
            BaselineField { fingerprint: self.fingerprint(field, reading), rule: self.rule(field) };
        let baseline = self.record.baseline.as_mut().unwrap();
        baseline.fields.insert(field.clone(), base);
    }

    fn set(&mut self, side: Side, attribute_name: &str, value: &str) {
        let attributes = &mut self.accounts.get_mut(side).attributes;
        attributes.insert(attribute(attribute_name), value.to_owned());
    }

    /// A write of that text to the new pool, which held nothing, is open.
    fn intend(&mut self, text: &str, modified: Option<Time>, answered: bool) {
        let rule = self.rule(&name());
        let wanted = self.fingerprint(&name(), &held(text));
        let intended = IntendedWrite { side: Side::New, wanted, was: None, rule, answered };
        self.record.intent = Some(WriteIntent {
            fields: BTreeMap::from([(name(), intended)]),
            modified: BySide { old: Some(LONG_AGO), new: modified },
            at: LONG_AGO,
            until: LONG_AGO,
        });
    }

    fn plan(&self) -> Plan {
        let schemas = BySide::from_fn(|side| Arc::new(self.schemas.get(side).clone()));
        plan(&PlanInput {
            policy: &self.policy,
            keys: &keys(),
            phase: self.phase,
            schemas: &schemas,
            observations: &BySide::from_fn(|side| {
                let account = self.accounts.get(side).clone();
                Observation::new(&self.policy, side, account, &schemas, self.began)
            }),
            record: &self.record,
            captured: BySide { old: self.captured, new: self.captured },
            changed: self.changed,
            taken: &BTreeMap::new(),
            now: self.now,
        })
    }

    fn blocked_field(&self, field: &Field) -> Option<Reason> {
        self.plan().blocked_fields.get(field).map(|blocked_field| blocked_field.reason)
    }
}

fn held(text: &str) -> FieldState {
    FieldState::Present(Value::Text(text.to_owned()))
}

fn kinds(plan: &Plan) -> Vec<(DecisionKind, Option<Side>)> {
    plan.decisions.iter().map(|decision| (decision.kind, decision.side)).collect()
}

#[test]
fn ambiguous_revert_a_text_that_was_never_written_is_written_without_a_conflict() {
    let mut two = Two::new();
    two.set(Side::Old, "name", "x");
    two.intend("x", Some(LONG_AGO), false);
    let plan = two.plan();
    assert_eq!(plan.written(), BTreeSet::from([Side::New]));
    assert_eq!(kinds(&plan), [], "the account was not modified since");
}

#[test]
fn ambiguous_revert_a_text_that_came_back_on_a_modified_account_is_a_conflict() {
    let mut two = Two::new();
    two.set(Side::Old, "name", "x");
    two.intend("x", Some(LONG_AGO), false);
    two.accounts.new.modified = Time(LONG_AGO.0 + 1);
    let plan = two.plan();
    assert_eq!(kinds(&plan), [(DecisionKind::CameBack, Some(Side::New))]);
    assert_eq!(plan.written(), BTreeSet::from([Side::New]), "the old pool is active");
    two.phase = Phase::Switched;
    let plan = two.plan();
    assert_eq!(kinds(&plan), [(DecisionKind::CameBack, Some(Side::Old))]);
    assert_eq!(plan.written(), BTreeSet::from([Side::Old]));
    two.policy.conflicts = ConflictRule::Hold;
    assert_eq!(two.plan().steps, []);
    assert_eq!(two.blocked_field(&name()), Some(Reason::Conflict));
}

#[test]
fn ambiguous_revert_a_date_too_recent_to_show_a_later_change_is_no_proof() {
    let mut two = Two::new();
    two.set(Side::Old, "name", "x");
    two.intend("x", None, false);
    assert_eq!(kinds(&two.plan()), [(DecisionKind::CameBack, Some(Side::New))]);
    let bound = two.policy.bound();
    assert_eq!(date_tells_from(Time(5_000), bound), Time(5_000) + bound + limits::DATE_RESOLUTION);
}

#[test]
fn a_field_whose_value_the_pool_did_not_keep_is_blocked_until_the_source_changes() {
    let mut two = Two::new();
    two.set(Side::Old, "name", "x");
    two.intend("x", Some(LONG_AGO), true);
    two.accounts.new.modified = Time(LONG_AGO.0 + 1);
    let held_back = two.plan();
    assert_eq!(held_back.steps, []);
    assert_eq!(two.blocked_field(&name()), Some(Reason::NotKept));
    // apply does not try the same value again, although the intent is closed.
    two.record.intent = None;
    two.record.blocked_fields = held_back.blocked_fields;
    assert_eq!(two.plan().steps, []);
    assert_eq!(two.blocked_field(&name()), Some(Reason::NotKept));
    two.set(Side::Old, "name", "y");
    assert_eq!(two.plan().written(), BTreeSet::from([Side::New]), "another value is tried");
}

#[test]
fn rule_quiet_agreement_a_new_value_is_agreed_once_both_accounts_are_quiet() {
    let mut two = Two::new();
    two.agree(&name(), &held("v"));
    two.set(Side::Old, "name", "x");
    two.set(Side::New, "name", "x");
    let past = |plan: &Plan| {
        let baseline = Baseline { fields: plan.bases.clone(), rules: plan.rules.clone() };
        baseline.past(&name(), two.rule(&name()))
    };
    let base = |text: &str| {
        Past::Was(BaselineField {
            fingerprint: two.fingerprint(&name(), &held(text)),
            rule: two.rule(&name()),
        })
    };
    let bound = two.policy.bound();
    let quiet = two.plan();
    assert_eq!((past(&quiet), quiet.quiet_from), (base("x"), None));
    // One account was modified a moment ago.
    let young = NOW - Duration::from_secs(1);
    let mut hasty = BySide { old: two.accounts.old.clone(), new: two.accounts.new.clone() };
    hasty.new.modified = young;
    let hasty = Two { accounts: hasty, ..Two::new() };
    let plan = Two { record: two.record.clone(), ..hasty }.plan();
    assert_eq!((past(&plan), plan.quiet_from), (base("v"), Some(date_tells_from(young, bound))));
    // A change was captured a moment ago.
    let changed = BySide { old: Some(young), new: None };
    let accounts = BySide { old: two.accounts.old.clone(), new: two.accounts.new.clone() };
    let plan = Two { record: two.record.clone(), accounts, changed, ..Two::new() }.plan();
    assert_eq!((past(&plan), plan.quiet_from), (base("v"), Some(young + bound)));
}

#[test]
fn an_enable_goes_in_a_plan_of_its_own_before_the_attributes() {
    let mut two = Two::new();
    two.agree(&Field::Enabled, &FieldState::Present(Value::Flag(false)));
    two.accounts.new.enabled = false;
    two.set(Side::Old, "name", "x");
    let plan = two.plan();
    assert_eq!(plan.steps, [Step { side: Side::New, action: Action::Enable }]);
    assert!(plan.more && !plan.writes.contains_key(&name()));
}

#[test]
fn a_value_is_too_long_by_its_characters_and_not_by_its_bytes() {
    let mut two = Two::new();
    let schema = AttributeSchema { mutable: true, longest: Some(5), ..AttributeSchema::default() };
    two.schemas.new.attributes.insert(attribute("name"), schema);
    two.set(Side::Old, "name", "äöüßé");
    assert_eq!(two.blocked_field(&name()), None);
    assert_eq!(two.plan().written(), BTreeSet::from([Side::New]));
    two.set(Side::Old, "name", "äöüßéa");
    assert_eq!(two.blocked_field(&name()), Some(Reason::TooLong));
}

/// The result for an unverified and a verified address that would go to a pool with that schema.
fn address_goes(schema: PoolSchema) -> [Option<Reason>; 2] {
    let mut two = Two::new();
    two.schemas.new = schema;
    two.set(Side::Old, "email", "a@example.com");
    ["false", "true"].map(|verified| {
        two.set(Side::Old, "email_verified", verified);
        two.blocked_field(&Field::Email)
    })
}

#[test]
fn an_unverified_address_waits_if_the_pool_would_send_a_code() {
    let by_code = BTreeSet::from([attribute("email")]);
    let schema = PoolSchema { verified_by_code: by_code, ..PoolSchema::default() };
    assert_eq!(address_goes(schema), [Some(Reason::AddressUnverified), None]);
}

#[test]
fn an_unverified_address_waits_if_users_sign_in_with_it() {
    let email = BTreeSet::from([attribute("email")]);
    let name = PoolSchema { username_attributes: email.clone(), ..PoolSchema::default() };
    let alias = PoolSchema { alias_attributes: email, ..PoolSchema::default() };
    for schema in [name, alias] {
        assert_eq!(address_goes(schema), [Some(Reason::AddressUnverified), None]);
    }
    assert_eq!(address_goes(PoolSchema::default()), [None, None], "the pool does nothing with it");
}

#[test]
fn a_blocked_field_keeps_the_time_since_when_it_is_blocked() {
    let mut two = Two::new();
    let schema = AttributeSchema { mutable: false, ..AttributeSchema::default() };
    two.schemas.new.attributes.insert(attribute("name"), schema);
    two.set(Side::Old, "name", "x");
    let since = |two: &Two| two.plan().blocked_fields.get(&name()).map(|it| (it.reason, it.since));
    assert_eq!(since(&two), Some((Reason::Immutable, NOW)));
    two.record.blocked_fields = two.plan().blocked_fields;
    two.now = NOW + Duration::from_hours(1);
    assert_eq!(since(&two), Some((Reason::Immutable, NOW)));
    // For another reason the time starts again.
    let schema = AttributeSchema { mutable: true, longest: Some(0), ..AttributeSchema::default() };
    two.schemas.new.attributes.insert(attribute("name"), schema);
    assert_eq!(since(&two), Some((Reason::TooLong, two.now)));
}

/// Changes the direction of the field until the limit is reached. Returns why it is held then.
fn flipped(captured: bool) -> Option<Reason> {
    let mut two = Two::new();
    two.captured = captured;
    for turn in 0..=u32::from(limits::DIRECTION_CHANGES_MAX) {
        let side = if turn % 2 == 0 { Side::Old } else { Side::New };
        two.set(side, "name", &turn.to_string());
        let plan = two.plan();
        two.record.direction_changes.extend(plan.direction_changes);
        let reason = two.blocked_field(&name());
        if reason.is_some() {
            return reason;
        }
        two.set(side.other(), "name", &turn.to_string());
        two.agree(&name(), &held(&turn.to_string()));
    }
    None
}

#[test]
fn captured_edits_that_change_direction_often_are_never_held() {
    assert_eq!(flipped(true), None);
    assert_eq!(flipped(false), Some(Reason::Oscillating), "no captured event reports an edit");
}
