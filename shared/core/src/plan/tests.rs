//! Single plans from two observations, a baseline, an intent and a blocked field.

use std::time::Duration;

use super::*;
use crate::account::{AttributeShape, Status};
use crate::entry::{Agreed, Base, DecisionKind, Intent, Known, Past};
use crate::law::Law;
use crate::mapping::Mapping;
use crate::names::{AttributeName, PersonId, Sub, Username};
use crate::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use crate::step::Deed;

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
        law: Law::WHOLE,
    }
}

/// Two accounts, and the rest of the input of a plan.
struct Two {
    accounts: BySide<Account>,
    shapes: BySide<Shape>,
    entry: Entry,
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
            username: Username::try_from("somebody").unwrap(),
            attributes: BTreeMap::new(),
            enabled: true,
            status: Status::Confirmed,
            groups: Some(BTreeSet::new()),
            factors: Some(BTreeSet::new()),
            created: LONG_AGO,
            modified: LONG_AGO,
        };
        let known = |side: Side| Known {
            sub: Sub::try_from(side.name()).unwrap(),
            username: Username::try_from("somebody").unwrap(),
            seen: LONG_AGO,
            written: None,
            gone: None,
        };
        let policy = policy();
        let mut entry = Entry::new(PersonId::from_nonce(1), Side::Old, known(Side::Old), LONG_AGO);
        entry.accounts.new = Some(known(Side::New));
        entry.agreed = Some(Agreed { fields: BTreeMap::new(), rules: policy.mapping.revisions() });
        let mut two = Self {
            accounts: BySide::from_fn(account),
            shapes: BySide::default(),
            entry,
            policy,
            phase: Phase::Follow,
            captured: false,
            changed: BySide::default(),
            began: NOW,
            now: NOW,
        };
        two.agree(&Field::Enabled, &Reading::Held(Value::Flag(true)));
        two
    }

    fn print(&self, field: &Field, reading: &Reading) -> crate::fingerprint::Print {
        self.entry.print(&keys(), field, reading)
    }

    fn rule(&self, field: &Field) -> u32 {
        self.policy.mapping.revision(field).unwrap()
    }

    fn agree(&mut self, field: &Field, reading: &Reading) {
        let base = Base { print: self.print(field, reading), rule: self.rule(field) };
        let agreed = self.entry.agreed.as_mut().unwrap();
        agreed.fields.insert(field.clone(), base);
    }

    fn set(&mut self, side: Side, attribute_name: &str, value: &str) {
        let attributes = &mut self.accounts.get_mut(side).attributes;
        attributes.insert(attribute(attribute_name), value.to_owned());
    }

    /// A write of that text to the new pool, which held nothing, is open.
    fn intend(&mut self, text: &str, modified: Option<Time>, answered: bool) {
        let rule = self.rule(&name());
        let wanted = self.print(&name(), &held(text));
        let intended = Intended { side: Side::New, wanted, was: None, rule, answered };
        self.entry.intent = Some(Intent {
            fields: BTreeMap::from([(name(), intended)]),
            modified: BySide { old: Some(LONG_AGO), new: modified },
            at: LONG_AGO,
            until: LONG_AGO,
        });
    }

    fn plan(&self) -> Plan {
        let shapes = BySide::from_fn(|side| Arc::new(self.shapes.get(side).clone()));
        plan(&Question {
            policy: &self.policy,
            keys: &keys(),
            phase: self.phase,
            shapes: &shapes,
            views: &BySide::from_fn(|side| {
                let account = self.accounts.get(side).clone();
                View::new(&self.policy, side, account, &shapes, self.began)
            }),
            entry: &self.entry,
            captured: BySide { old: self.captured, new: self.captured },
            changed: self.changed,
            taken: &BTreeMap::new(),
            now: self.now,
        })
    }

    fn obstacle(&self, field: &Field) -> Option<Reason> {
        self.plan().obstacles.get(field).map(|obstacle| obstacle.reason)
    }
}

fn held(text: &str) -> Reading {
    Reading::Held(Value::Text(text.to_owned()))
}

fn kinds(plan: &Plan) -> Vec<(DecisionKind, Option<Side>)> {
    plan.decisions.iter().map(|decision| (decision.kind, decision.side)).collect()
}

#[test]
fn rule_04_a_text_that_was_never_written_is_written_without_a_conflict() {
    let mut two = Two::new();
    two.set(Side::Old, "name", "x");
    two.intend("x", Some(LONG_AGO), false);
    let plan = two.plan();
    assert_eq!(plan.written(), BTreeSet::from([Side::New]));
    assert_eq!(kinds(&plan), [], "the account was not modified since");
}

#[test]
fn rule_04_a_text_that_came_back_on_a_modified_account_is_a_conflict() {
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
    assert_eq!(two.obstacle(&name()), Some(Reason::Conflict));
}

#[test]
fn rule_04_a_date_too_recent_to_show_a_later_change_is_no_proof() {
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
    assert_eq!(two.obstacle(&name()), Some(Reason::NotKept));
    // apply does not try the same value again, although the intent is closed.
    two.entry.intent = None;
    two.entry.obstacles = held_back.obstacles;
    assert_eq!(two.plan().steps, []);
    assert_eq!(two.obstacle(&name()), Some(Reason::NotKept));
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
        let agreed = Agreed { fields: plan.bases.clone(), rules: plan.rules.clone() };
        agreed.past(&name(), two.rule(&name()))
    };
    let base = |text: &str| {
        Past::Was(Base { print: two.print(&name(), &held(text)), rule: two.rule(&name()) })
    };
    let bound = two.policy.bound();
    let quiet = two.plan();
    assert_eq!((past(&quiet), quiet.quiet_from), (base("x"), None));
    // One account was modified a moment ago.
    let young = NOW - Duration::from_secs(1);
    let mut hasty = BySide { old: two.accounts.old.clone(), new: two.accounts.new.clone() };
    hasty.new.modified = young;
    let hasty = Two { accounts: hasty, ..Two::new() };
    let plan = Two { entry: two.entry.clone(), ..hasty }.plan();
    assert_eq!((past(&plan), plan.quiet_from), (base("v"), Some(date_tells_from(young, bound))));
    // A change was captured a moment ago.
    let changed = BySide { old: Some(young), new: None };
    let accounts = BySide { old: two.accounts.old.clone(), new: two.accounts.new.clone() };
    let plan = Two { entry: two.entry.clone(), accounts, changed, ..Two::new() }.plan();
    assert_eq!((past(&plan), plan.quiet_from), (base("v"), Some(young + bound)));
}

#[test]
fn an_enable_goes_in_a_plan_of_its_own_before_the_attributes() {
    let mut two = Two::new();
    two.agree(&Field::Enabled, &Reading::Held(Value::Flag(false)));
    two.accounts.new.enabled = false;
    two.set(Side::Old, "name", "x");
    let plan = two.plan();
    assert_eq!(plan.steps, [Step { side: Side::New, deed: Deed::Enable }]);
    assert!(plan.more && !plan.writes.contains_key(&name()));
}

#[test]
fn a_value_is_too_long_by_its_characters_and_not_by_its_bytes() {
    let mut two = Two::new();
    let shape = AttributeShape { mutable: true, longest: Some(5), ..AttributeShape::default() };
    two.shapes.new.attributes.insert(attribute("name"), shape);
    two.set(Side::Old, "name", "äöüßé");
    assert_eq!(two.obstacle(&name()), None);
    assert_eq!(two.plan().written(), BTreeSet::from([Side::New]));
    two.set(Side::Old, "name", "äöüßéa");
    assert_eq!(two.obstacle(&name()), Some(Reason::TooLong));
}

/// The result for an unverified and a verified address that would go to a pool with that schema.
fn address_goes(shape: Shape) -> [Option<Reason>; 2] {
    let mut two = Two::new();
    two.shapes.new = shape;
    two.set(Side::Old, "email", "a@example.com");
    ["false", "true"].map(|verified| {
        two.set(Side::Old, "email_verified", verified);
        two.obstacle(&Field::Email)
    })
}

#[test]
fn an_unverified_address_waits_if_the_pool_would_send_a_code() {
    let by_code = BTreeSet::from([attribute("email")]);
    let shape = Shape { verified_by_code: by_code, ..Shape::default() };
    assert_eq!(address_goes(shape), [Some(Reason::AddressUnverified), None]);
}

#[test]
fn an_unverified_address_waits_if_users_sign_in_with_it() {
    let email = BTreeSet::from([attribute("email")]);
    let name = Shape { username_attributes: email.clone(), ..Shape::default() };
    let alias = Shape { alias_attributes: email, ..Shape::default() };
    for shape in [name, alias] {
        assert_eq!(address_goes(shape), [Some(Reason::AddressUnverified), None]);
    }
    assert_eq!(address_goes(Shape::default()), [None, None], "the pool does nothing with it");
}

#[test]
fn a_blocked_field_keeps_the_time_since_when_it_is_blocked() {
    let mut two = Two::new();
    let shape = AttributeShape { mutable: false, ..AttributeShape::default() };
    two.shapes.new.attributes.insert(attribute("name"), shape);
    two.set(Side::Old, "name", "x");
    let since = |two: &Two| two.plan().obstacles.get(&name()).map(|it| (it.reason, it.since));
    assert_eq!(since(&two), Some((Reason::Immutable, NOW)));
    two.entry.obstacles = two.plan().obstacles;
    two.now = NOW + Duration::from_hours(1);
    assert_eq!(since(&two), Some((Reason::Immutable, NOW)));
    // For another reason the time starts again.
    let shape = AttributeShape { mutable: true, longest: Some(0), ..AttributeShape::default() };
    two.shapes.new.attributes.insert(attribute("name"), shape);
    assert_eq!(since(&two), Some((Reason::TooLong, two.now)));
}

/// Changes the direction of the field until the limit is reached. Returns why it is held then.
fn flipped(captured: bool) -> Option<Reason> {
    let mut two = Two::new();
    two.captured = captured;
    for turn in 0..=u32::from(limits::FLIPS_MAX) {
        let side = if turn % 2 == 0 { Side::Old } else { Side::New };
        two.set(side, "name", &turn.to_string());
        let plan = two.plan();
        two.entry.flips.extend(plan.flips);
        let reason = two.obstacle(&name());
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
