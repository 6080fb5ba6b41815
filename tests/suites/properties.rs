//! Properties of the deciding half: lenses, merge and plan, over generated people.

#![expect(clippy::unwrap_used, reason = "a test's own names and rules are known to be good")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use poolbridge_core::account::{Account, AttributeSchema, PoolSchema, Status};
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::mapping::{AttributeRule, Mapping, Normal, Ways, verified_flag};
use poolbridge_core::merge::{self, MergeDecision};
use poolbridge_core::names::{AttributeName, GroupName, PersonId, Sub, Username};
use poolbridge_core::normalise::Country;
use poolbridge_core::plan::{self, Observation, Plan};
use poolbridge_core::policy::{
    ConflictRule, Deletes, MatchBy, Phase, Policy, Provision, StalePasswords,
};
use poolbridge_core::profile::{Factor, Field, FieldState, Value};
use poolbridge_core::record::{Baseline, BaselineField, KnownAccount, PersonRecord};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;
use proptest::prelude::*;

fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::try_from(name).unwrap()
}

fn between(old: &str, new: &str) -> AttributeRule {
    AttributeRule::between(Some(attribute(old)), Some(attribute(new)))
}

/// One rule of every kind that a team can configure.
fn rules() -> Vec<AttributeRule> {
    let states = Country::from_code("US").unwrap();
    let words = [("a", "alpha"), ("b", "beta"), ("c", "gamma")];
    let words = words.map(|(old, new)| (old.to_owned(), new.to_owned()));
    let many = [("x", "same"), ("y", "same")].map(|(old, new)| (old.to_owned(), new.to_owned()));
    let constant = AttributeRule::between(None, Some(attribute("custom:origin")));
    vec![
        between("custom:dept", "custom:department"),
        AttributeRule {
            prefix: BySide { old: String::new(), new: "acme-".to_owned() },
            ..between("custom:number", "custom:staff")
        },
        AttributeRule { values: BTreeMap::from(words), ..between("custom:grade", "custom:level") },
        AttributeRule { values: BTreeMap::from(many), ..between("custom:many", "custom:one") },
        AttributeRule {
            normal: vec![Normal::E164(states)],
            ..between("phone_number", "phone_number")
        },
        AttributeRule {
            normal: vec![Normal::Trim, Normal::Lowercase],
            ..between("nickname", "nickname")
        },
        AttributeRule { normal: vec![Normal::Number], ..between("custom:size", "custom:size") },
        AttributeRule { normal: vec![Normal::Date], ..between("birthdate", "birthdate") },
        AttributeRule { default: Some("en".to_owned()), ..between("locale", "locale") },
        AttributeRule { constant: Some("old".to_owned()), ..constant },
    ]
}

fn mapping() -> Mapping {
    Mapping::new(rules(), &BTreeSet::from([attribute("website")]), true, true).unwrap()
}

fn policy(conflicts: ConflictRule) -> Policy {
    Policy {
        match_by: MatchBy::Email,
        provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
        conflicts,
        deletes: Deletes::Disable,
        groups: true,
        stale_passwords: StalePasswords::Close,
        settle: std::time::Duration::from_secs(10),
        clock_allowance: std::time::Duration::ZERO,
        mapping: mapping(),
        rules: ProtocolRules::WHOLE,
    }
}

fn schema() -> PoolSchema {
    let mut attributes = BTreeMap::new();
    for rule in mapping().rules() {
        for name in [&rule.attribute.old, &rule.attribute.new].into_iter().flatten() {
            attributes.insert(name.clone(), AttributeSchema::default());
        }
    }
    for name in ["email_verified", "phone_number_verified"] {
        attributes.insert(attribute(name), AttributeSchema::default());
    }
    PoolSchema {
        attributes,
        groups: ["admins", "staff", "guests"].map(group).into(),
        factors: Factor::TRAVELLING.into(),
        ..PoolSchema::default()
    }
}

fn schemas() -> BySide<Arc<PoolSchema>> {
    BySide::from_fn(|_| Arc::new(schema()))
}

/// What a person might type, including blanks, mixed case and other alphabets.
fn free_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[A-Za-z0-9 .äß中-]{1,12}"]
}

fn phone() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\+1206555[0-9]{4}",
        "206-555-[0-9]{4}",
        "\\(206\\) 555 [0-9]{4}",
    ]
}

fn raw_value(name: &str) -> BoxedStrategy<String> {
    match name {
        "phone_number" => phone().boxed(),
        "email" => prop_oneof![Just(String::new()), "[A-Za-z]{1,5}@Example\\.com"].boxed(),
        "custom:grade" => prop_oneof!["[abc]", Just(String::new())].boxed(),
        "custom:level" => {
            prop_oneof![Just("alpha".to_owned()), Just("beta".to_owned()), Just(String::new())]
                .boxed()
        }
        "custom:many" => "[xy]".boxed(),
        "custom:one" => Just("same".to_owned()).boxed(),
        "custom:staff" => "acme-[0-9]{1,4}".boxed(),
        "custom:size" => prop_oneof!["-?0{0,2}[0-9]{1,4}(\\.[0-9]{1,3})?", free_text()].boxed(),
        "birthdate" => {
            prop_oneof!["19[0-9]{2}-0[1-9]-[0-2][0-9]", "[1-9]/1[0-9]/19[0-9]{2}"].boxed()
        }
        _ => free_text().boxed(),
    }
}

/// An account without values.
fn blank(side: Side) -> Account {
    Account {
        sub: Sub::try_from(format!("{side}-sub").as_str()).unwrap(),
        username: Username::try_from("someone").unwrap(),
        attributes: BTreeMap::new(),
        enabled: true,
        status: Status::Confirmed,
        groups: Some(BTreeSet::new()),
        factors: Some(BTreeSet::new()),
        created: Time(0),
        modified: Time(0),
    }
}

fn account(side: Side) -> impl Strategy<Value = Account> {
    let names: Vec<AttributeName> =
        mapping().rules().filter_map(|rule| rule.attribute.get(side).clone()).collect();
    let values: Vec<_> =
        names.iter().map(|name| proptest::option::of(raw_value(name.as_str()))).collect();
    let groups = proptest::sample::subsequence(vec!["admins", "staff", "guests"], 0..=3);
    let factors =
        proptest::sample::subsequence(vec![Factor::Sms, Factor::Email, Factor::Totp], 0..=3);
    (values, any::<[bool; 2]>(), any::<bool>(), groups, factors).prop_map(
        move |(values, flags, enabled, groups, factors)| {
            let mut attributes: BTreeMap<AttributeName, String> = names
                .iter()
                .zip(values)
                .filter_map(|(name, value)| value.map(|value| (name.clone(), value)))
                .collect();
            for (name, flag) in ["email_verified", "phone_number_verified"].iter().zip(flags) {
                attributes.insert(attribute(name), flag.to_string());
            }
            Account {
                attributes,
                enabled,
                groups: Some(groups.into_iter().map(group).collect()),
                factors: Some(factors.into_iter().collect()),
                ..blank(side)
            }
        },
    )
}

/// The effect of an action on the pool, as far as the account shows it.
fn apply(account: &mut Account, action: &Action) {
    let groups = account.groups.get_or_insert_default();
    match action {
        Action::Disable => account.enabled = false,
        Action::Enable => account.enabled = true,
        Action::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                if value.is_empty() {
                    account.attributes.remove(name);
                } else {
                    account.attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Action::AddToGroup(group) => {
            groups.insert(group.clone());
        }
        Action::RemoveFromGroup(group) => {
            groups.remove(group);
        }
        Action::SetFactors(factors) => {
            let held = account.factors.get_or_insert_default();
            for (factor, on) in factors {
                if *on {
                    held.insert(*factor)
                } else {
                    held.remove(factor)
                };
            }
        }
        Action::SetRandomPassword | Action::SignOut | Action::Delete => {}
    }
}

fn record(baseline: Option<Baseline>) -> PersonRecord {
    let known = |side: Side| KnownAccount {
        sub: Sub::try_from(format!("{side}-sub").as_str()).unwrap(),
        username: Username::try_from("someone").unwrap(),
        seen: Time(0),
        written: None,
        gone: None,
    };
    let mut record =
        PersonRecord::new(PersonId::from_nonce(1), Side::Old, known(Side::Old), Time(0));
    record.accounts.new = Some(known(Side::New));
    record.baseline = baseline;
    record
}

fn keys() -> Keyring {
    Keyring::new(1, [7; 32])
}

fn observations(policy: &Policy, accounts: &BySide<Account>) -> BySide<Observation> {
    // Long after the accounts were last modified.
    let began = Time(1_000_000);
    BySide::from_fn(|side| {
        Observation::new(policy, side, accounts.get(side).clone(), &schemas(), began)
    })
}

fn ask(policy: &Policy, accounts: &BySide<Account>, record: &PersonRecord) -> Plan {
    plan::plan(&plan::PlanInput {
        policy,
        keys: &keys(),
        phase: Phase::Follow,
        schemas: &schemas(),
        observations: &observations(policy, accounts),
        record,
        captured: BySide { old: true, new: true },
        changed: BySide::default(),
        taken: &BTreeMap::new(),
        now: Time(0),
    })
}

/// Plans, applies and records until nothing is left to do, as the flow does.
fn carry_out(policy: &Policy, accounts: &mut BySide<Account>, record: &mut PersonRecord) -> usize {
    for round in 0..6 {
        let plan = ask(policy, accounts, record);
        if plan.steps.is_empty() {
            return round;
        }
        for step in &plan.steps {
            apply(accounts.get_mut(step.side), &step.action);
        }
        let mut fields = plan.bases.clone();
        for (field, intended) in &plan.writes {
            match intended.wanted {
                Some(_) => {
                    let base = BaselineField { fingerprint: intended.wanted, rule: intended.rule };
                    fields.insert(field.clone(), base);
                }
                None => {
                    fields.remove(field);
                }
            }
        }
        record.baseline = Some(Baseline { fields, rules: plan.rules });
        record.blocked_fields = plan.blocked_fields;
    }
    6
}

/// Whether both sides hold the same value of every field that travels both ways and is not blocked.
fn in_step(
    policy: &Policy,
    accounts: &BySide<Account>,
    record: &PersonRecord,
) -> Result<(), String> {
    let observations = observations(policy, accounts);
    let fields: BTreeSet<Field> = [&observations.old, &observations.new]
        .iter()
        .flat_map(|observation| observation.profile.present().map(|(field, _)| field.clone()))
        .collect();
    for field in fields {
        let (old, new) =
            (observations.old.profile.get(&field), observations.new.profile.get(&field));
        let excused = record.blocked_fields.contains_key(&field)
            || policy.mapping.ways(&field) != Ways::Both
            || old == FieldState::Unknown
            || new == FieldState::Unknown;
        if old != new && !excused {
            return Err(format!("{field} differs"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lens law 1 (put, then get): what was written reads back as the same field state, for every
    /// rule and in both directions, and no other attribute of the account changes.
    #[test]
    fn a_written_value_reads_back_the_same(source in account(Side::Old), from_new in any::<bool>(), other in account(Side::New)) {
        let mapping = mapping();
        let (from, to, source, target) = if from_new {
            (Side::New, Side::Old, other, source)
        } else {
            (Side::Old, Side::New, source, other)
        };
        let (profile, _) = mapping.profile(from, &source, &schemas());
        for (field, value) in profile.present() {
            let reading = FieldState::Present(value.clone());
            let Ok(written) = mapping.attributes_over(to, field, &reading, &target) else { continue };
            let mut after = target.clone();
            after.attributes.extend(written.clone());
            let (again, _) = mapping.profile(to, &after, &schemas());
            prop_assert_eq!(again.get(field), reading, "{}", field);
            // Where the two agreed before, no raw value changes.
            let (before, _) = mapping.profile(to, &target, &schemas());
            if before.get(field) == again.get(field) {
                prop_assert_eq!(&after.attributes, &target.attributes, "{}", field);
            }
            let theirs = mapping.attribute(to, field).into_iter().chain(verified_flag(field).as_ref()).cloned().collect::<BTreeSet<_>>();
            for name in written.keys() {
                prop_assert!(theirs.contains(name), "{} writes {}", field, name);
            }
        }
    }

    /// Lens law 2 (get, then put): writing an account's own values back changes none of its raw
    /// values.
    #[test]
    fn writing_a_read_value_back_changes_nothing(old in account(Side::Old), new in account(Side::New)) {
        let mapping = mapping();
        for (side, account) in [(Side::Old, old), (Side::New, new)] {
            let (profile, _) = mapping.profile(side, &account, &schemas());
            for (field, value) in profile.present() {
                let mut rewritten = account.clone();
                let reading = FieldState::Present(value.clone());
                if let Ok(written) = mapping.attributes_over(side, field, &reading, &account) {
                    rewritten.attributes.extend(written);
                }
                prop_assert_eq!(&rewritten.attributes, &account.attributes, "{} on the {} side", field, side);
            }
        }
    }

    /// If only the flag of an address differs, the written account keeps its spelling of the
    /// address.
    #[test]
    fn a_flag_travels_without_the_spelling_of_its_address(local in "[A-Za-z]{1,6}", upper in any::<bool>(), to_new in any::<bool>()) {
        let mapping = mapping();
        let here = format!("{local}@Example.com");
        let there = if upper { here.to_uppercase() } else { here.to_lowercase() };
        let (source, target) = if to_new { (Side::Old, Side::New) } else { (Side::New, Side::Old) };
        let holder = |side, address: &str, verified: &str| {
            let mut holder = blank(side);
            holder.attributes.insert(attribute("email"), address.to_owned());
            holder.attributes.insert(attribute("email_verified"), verified.to_owned());
            holder
        };
        let (proved, claimed) = (holder(source, &here, "true"), holder(target, &there, "false"));
        let reading = mapping.profile(source, &proved, &schemas()).0.get(&Field::Email);
        let written = mapping.attributes_over(target, &Field::Email, &reading, &claimed).unwrap();
        prop_assert_eq!(written.get(&attribute("email")), Some(&there));
        prop_assert_eq!(written.get(&attribute("email_verified")).map(String::as_str), Some("true"));
    }

    /// Merging the result of a merge decides nothing more.
    #[test]
    fn merge_is_idempotent(old in 0_u8..4, new in 0_u8..4, base in proptest::option::of(0_u8..4), hold in any::<bool>()) {
        let field = Field::from_name("given_name").unwrap();
        let reading = |value: u8| match value {
            0 => FieldState::Absent,
            1 => FieldState::Unknown,
            value => FieldState::Present(Value::Text(value.to_string())),
        };
        let ask = |old: &FieldState, new: &FieldState, base: Option<&FieldState>| merge::merge(&merge::MergeInput {
            field: &field,
            says: BySide { old, new },
            unchanged: base.map(|base| BySide { old: old == base, new: new == base }),
            came_back: false,
            edited_meanwhile: false,
            active: Side::Old,
            conflicts: if hold { ConflictRule::Hold } else { ConflictRule::ActiveWins },
            ways: Ways::Both,
            rules: ProtocolRules::WHOLE,
        });
        let (old, new) = (reading(old), reading(new));
        let base = base.map(reading).filter(|base| *base != FieldState::Unknown);
        match ask(&old, &new, base.as_ref()) {
            MergeDecision::Carry { to, .. } => {
                let value = if to == Side::Old { &new } else { &old };
                prop_assert_eq!(ask(value, value, Some(value)), MergeDecision::Agree);
            }
            answer @ (MergeDecision::Agree | MergeDecision::Leave | MergeDecision::Hold(_)) => {
                prop_assert_eq!(ask(&old, &new, base.as_ref()), answer);
            }
        }
    }

    /// A pair that agrees needs no step, whether it was agreed before or not.
    #[test]
    fn plan_of_an_agreed_pair_is_empty(old in account(Side::Old), new in account(Side::New)) {
        let policy = policy(ConflictRule::ActiveWins);
        let mut accounts = BySide { old, new };
        let mut record = record(None);
        carry_out(&policy, &mut accounts, &mut record);
        let plan = ask(&policy, &accounts, &record);
        prop_assert!(plan.steps.is_empty(), "left to do: {:?}", plan.steps);
        prop_assert!(plan.decisions.is_empty());
        record.baseline = None;
        let fresh = ask(&policy, &accounts, &record);
        let two_way = |step: &&poolbridge_core::step::Step| {
            step.action.fields().iter().any(|field| policy.mapping.ways(field) == Ways::Both)
        };
        prop_assert_eq!(fresh.steps.iter().find(two_way), None);
    }

    /// After a plan is applied, a new plan is empty, both sides agree, and a later edit travels.
    #[test]
    fn plan_applied_then_planned_again_is_empty(old in account(Side::Old), new in account(Side::New), edit in account(Side::Old), hold in any::<bool>()) {
        let conflicts = if hold { ConflictRule::Hold } else { ConflictRule::ActiveWins };
        let policy = policy(conflicts);
        let mut accounts = BySide { old, new };
        let mut record = record(None);
        prop_assert!(carry_out(&policy, &mut accounts, &mut record) < 6, "no end of steps");
        prop_assert_eq!(in_step(&policy, &accounts, &record), Ok(()));
        accounts.old = edit;
        prop_assert!(carry_out(&policy, &mut accounts, &mut record) < 6, "no end of steps");
        prop_assert_eq!(in_step(&policy, &accounts, &record), Ok(()));
    }

    /// Invariant 10: a disable is planned first and alone, whatever else is to be done.
    #[test]
    fn invariant_10_a_disable_goes_first_and_alone(old in account(Side::Old), new in account(Side::New)) {
        let policy = policy(ConflictRule::Hold);
        let accounts = BySide { old, new };
        let plan = ask(&policy, &accounts, &record(None));
        if plan.steps.iter().any(|step| step.action == Action::Disable) {
            prop_assert_eq!(plan.steps.len(), 1);
            prop_assert!(plan.writes.keys().all(|field| *field == Field::Enabled));
        }
        prop_assert_eq!(
            accounts.old.enabled != accounts.new.enabled,
            plan.steps.iter().any(|step| step.action == Action::Disable)
        );
    }

    /// Invariant 8: no plan sets a flag for an address that its source did not verify.
    #[test]
    fn invariant_08_no_plan_proves_an_address(old in account(Side::Old), new in account(Side::New)) {
        let policy = policy(ConflictRule::ActiveWins);
        let mut accounts = BySide { old, new };
        let before = observations(&policy, &accounts);
        let mut record = record(None);
        carry_out(&policy, &mut accounts, &mut record);
        let after = observations(&policy, &accounts);
        for side in Side::BOTH {
            for field in [Field::Email, Field::Phone] {
                let FieldState::Present(value @ Value::Address { verified: true, .. }) = after.get(side).profile.get(&field) else {
                    continue;
                };
                let said = |side| before.get(side).profile.get(&field) == FieldState::Present(value.clone());
                prop_assert!(said(Side::Old) || said(Side::New));
            }
        }
    }

    /// Invariant 8: while the source still has a factor, its target keeps one, however many were
    /// switched off at the same time.
    #[test]
    fn invariant_08_no_plan_takes_the_last_factor(first in account(Side::Old), second in account(Side::New), edit in account(Side::Old)) {
        let policy = policy(ConflictRule::ActiveWins);
        let mut accounts = BySide { old: first, new: second };
        let mut record = record(None);
        carry_out(&policy, &mut accounts, &mut record);
        let before = accounts.new.factors.clone().unwrap_or_default();
        accounts.old = edit;
        carry_out(&policy, &mut accounts, &mut record);
        let source = accounts.old.factors.clone().unwrap_or_default();
        let target = accounts.new.factors.clone().unwrap_or_default();
        prop_assert!(before.is_empty() || source.is_empty() || !target.is_empty());
    }
}
