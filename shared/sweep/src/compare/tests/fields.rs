//! Which value of one field is a difference.

use super::*;

#[test]
fn a_change_in_the_target_of_a_one_way_rule_is_no_difference() {
    let mut bench = CompareBench::new();
    let words = [("Ada", "A"), ("Eve", "A"), ("Bob", "B")];
    let values = words.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
    let rule = AttributeRule { values, ..AttributeRule::same(&attribute("name")) };
    bench.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    assert_eq!(
        bench.policy.mapping.ways(&name()),
        Ways::Only(Side::New),
        "two old words for one new word"
    );
    bench.record.baseline =
        Some(Baseline { rules: bench.policy.mapping.revisions(), ..Baseline::default() });
    bench.agree(&Field::Enabled, &Value::Flag(true));
    bench.agree(&name(), &Value::Text("A".to_owned()));
    let hints = |side, named| differs(&bench.input(side), &bench.listed(side, named, AFTER));
    assert!(hints(Side::Old, "Bob"), "the source changed");
    assert!(!hints(Side::Old, "Ada") && !hints(Side::New, "A"));
    assert!(!hints(Side::Old, "Eve"), "another old word for the same new word");
    assert!(!hints(Side::New, "B"), "a change in the target stays there");
}

#[test]
fn a_rule_newer_than_the_baseline_is_a_reason_only_if_there_is_a_value() {
    let mut bench = CompareBench::new();
    let baseline = bench.record.baseline.as_mut().unwrap();
    let rule = bench.policy.mapping.revision(&name()).unwrap();
    baseline.fields.remove(&name());
    baseline.rules.remove(&rule);
    assert!(bench.hints("Ada", BEFORE));
    assert!(!differs(&bench.input(Side::Old), &bench.blank()));
}

#[test]
fn a_blocked_field_is_a_reason_again_only_for_another_value() {
    let mut bench = CompareBench::new();
    let blocked_field = BlockedField {
        reason: Reason::TooLong,
        value: Some(bench.fingerprint_of("Eve")),
        side: Side::New,
        since: SEEN,
    };
    bench.record.blocked_fields.insert(name(), blocked_field);
    // The new pool could not be written. The record holds the value of the old pool.
    assert!(!bench.hints("Eve", AFTER), "this value is recorded already");
    assert!(bench.hints("Eva", BEFORE));
    assert!(!bench.hints("Ada", BEFORE), "the agreed value is no difference");
    // Of the pool that could not be written, only the time of the observation is recorded.
    let hints = |named, at| differs(&bench.input(Side::New), &bench.listed(Side::New, named, at));
    assert!(hints("Eve", AFTER));
    assert!(!hints("Eve", BEFORE));
    assert!(!hints("Ada", AFTER));
}

#[test]
fn a_value_that_the_mapping_cannot_express_is_a_reason_only_once() {
    let mut bench = CompareBench::new();
    let observation = |bench: &CompareBench, at| {
        let mut observation = bench.listed(Side::Old, "Ada", at);
        observation.profile.set_unknown(name());
        observation.unsayable.insert(name(), Reason::Unsayable);
        differs(&bench.input(Side::Old), &observation)
    };
    assert!(observation(&bench, AFTER));
    assert!(!observation(&bench, BEFORE), "apply has seen it");
    let value = Some(bench.fingerprint_of("Eve"));
    let blocked_field =
        BlockedField { reason: Reason::Unsayable, value, side: Side::New, since: SEEN };
    bench.record.blocked_fields.insert(name(), blocked_field);
    assert!(!observation(&bench, AFTER), "the field is blocked already");
}
