//! Properties of the deciding half: lenses, merge and plan, over generated people.

#![expect(clippy::unwrap_used, reason = "a test's own names and rules are known to be good")]

#[path = "properties/flow.rs"]
mod flow;
#[path = "properties/people.rs"]
mod people;

use std::collections::BTreeSet;

use poolbridge_core::mapping::{Ways, verified_flag};
use poolbridge_core::merge::{self, MergeDecision};
use poolbridge_core::policy::ConflictRule;
use poolbridge_core::profile::{Field, FieldState, Value};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use proptest::prelude::*;

use flow::{ask, carry_out, in_step, observations, record};
use people::{account, attribute, blank, mapping, policy, schemas};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Lens law 1 (put, then get): what was written reads back as the same field state, for every
    /// rule and in both directions, and no other attribute of the account changes.
    #[test]
    fn a_written_value_reads_back_the_same(
        source in account(Side::Old),
        from_new in any::<bool>(),
        other in account(Side::New),
    ) {
        let mapping = mapping();
        let (from, to, source, target) = if from_new {
            (Side::New, Side::Old, other, source)
        } else {
            (Side::Old, Side::New, source, other)
        };
        let (profile, _) = mapping.profile(from, &source, &schemas());
        for (field, value) in profile.present() {
            let reading = FieldState::Present(value.clone());
            let Ok(written) = mapping.attributes_over(to, field, &reading, &target) else {
                continue;
            };
            let mut after = target.clone();
            after.attributes.extend(written.clone());
            let (again, _) = mapping.profile(to, &after, &schemas());
            prop_assert_eq!(again.get(field), reading, "{}", field);
            // Where the two agreed before, no raw value changes.
            let (before, _) = mapping.profile(to, &target, &schemas());
            if before.get(field) == again.get(field) {
                prop_assert_eq!(&after.attributes, &target.attributes, "{}", field);
            }
            let flag = verified_flag(field);
            let attributes = mapping.attribute(to, field).into_iter().chain(flag.as_ref());
            let attributes = attributes.cloned().collect::<BTreeSet<_>>();
            for name in written.keys() {
                prop_assert!(attributes.contains(name), "{} writes {}", field, name);
            }
        }
    }

    /// Lens law 2 (get, then put): writing an account's own values back changes none of its raw
    /// values.
    #[test]
    fn writing_a_read_value_back_changes_nothing(
        old in account(Side::Old),
        new in account(Side::New),
    ) {
        let mapping = mapping();
        for (side, account) in [(Side::Old, old), (Side::New, new)] {
            let (profile, _) = mapping.profile(side, &account, &schemas());
            for (field, value) in profile.present() {
                let mut rewritten = account.clone();
                let reading = FieldState::Present(value.clone());
                if let Ok(written) = mapping.attributes_over(side, field, &reading, &account) {
                    rewritten.attributes.extend(written);
                }
                prop_assert_eq!(
                    &rewritten.attributes,
                    &account.attributes,
                    "{} on the {} side",
                    field,
                    side
                );
            }
        }
    }

    /// If only the flag of an address differs, the written account keeps its spelling of the
    /// address.
    #[test]
    fn a_flag_travels_without_the_spelling_of_its_address(
        local in "[A-Za-z]{1,6}",
        upper in any::<bool>(),
        to_new in any::<bool>(),
    ) {
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
        let flag = written.get(&attribute("email_verified")).map(String::as_str);
        prop_assert_eq!(flag, Some("true"));
    }

    /// Merging the result of a merge decides nothing more.
    #[test]
    fn merge_is_idempotent(
        old in 0_u8..4,
        new in 0_u8..4,
        base in proptest::option::of(0_u8..4),
        hold in any::<bool>(),
    ) {
        let field = Field::from_name("given_name").unwrap();
        let reading = |value: u8| match value {
            0 => FieldState::Absent,
            1 => FieldState::Unknown,
            value => FieldState::Present(Value::Text(value.to_string())),
        };
        let ask = |old: &FieldState, new: &FieldState, base: Option<&FieldState>| {
            merge::merge(&merge::MergeInput {
                field: &field,
                says: BySide { old, new },
                unchanged: base.map(|base| BySide { old: old == base, new: new == base }),
                came_back: false,
                edited_meanwhile: false,
                active: Side::Old,
                conflicts: if hold { ConflictRule::Hold } else { ConflictRule::ActiveWins },
                ways: Ways::Both,
                rules: ProtocolRules::WHOLE,
            })
        };
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
    fn plan_applied_then_planned_again_is_empty(
        old in account(Side::Old),
        new in account(Side::New),
        edit in account(Side::Old),
        hold in any::<bool>(),
    ) {
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
    fn invariant_10_a_disable_goes_first_and_alone(
        old in account(Side::Old),
        new in account(Side::New),
    ) {
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
    fn invariant_08_no_plan_proves_an_address(
        old in account(Side::Old),
        new in account(Side::New),
    ) {
        let policy = policy(ConflictRule::ActiveWins);
        let mut accounts = BySide { old, new };
        let before = observations(&policy, &accounts);
        let mut record = record(None);
        carry_out(&policy, &mut accounts, &mut record);
        let after = observations(&policy, &accounts);
        for side in Side::BOTH {
            for field in [Field::Email, Field::Phone] {
                let state = after.get(side).profile.get(&field);
                let FieldState::Present(Value::Address { verified: true, .. }) = state else {
                    continue;
                };
                let held = |side| before.get(side).profile.get(&field) == state;
                prop_assert!(held(Side::Old) || held(Side::New));
            }
        }
    }

    /// Invariant 8: while the source still has a factor, its target keeps one, however many were
    /// switched off at the same time.
    #[test]
    fn invariant_08_no_plan_takes_the_last_factor(
        first in account(Side::Old),
        second in account(Side::New),
        edit in account(Side::Old),
    ) {
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
