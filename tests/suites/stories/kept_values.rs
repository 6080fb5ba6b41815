//! Values that a pool does not keep as they were written, and spellings that it keeps.

use std::collections::BTreeSet;

use poolbridge_core::account::{AttributeShape, DataType};
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::facts::Field;
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::{Climate, Weather};

const LEVEL: &str = "custom:level";

/// Both pools have a custom number, which travels.
fn numbered() -> Stage {
    let mut stage = Stage::new(Provision::Lazy);
    let shape =
        AttributeShape { mutable: true, data_type: DataType::Number, ..AttributeShape::default() };
    for side in Side::BOTH {
        let mut world = stage.world.lock();
        let attributes = &mut world.pools.get_mut(side).shape.attributes;
        attributes.insert(attribute(LEVEL), shape.clone());
    }
    let rule = AttributeRule::same(&attribute(LEVEL));
    stage.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    stage
}

/// How often the bridge asked the pool to write the number.
fn written(stage: &Stage) -> usize {
    let world = stage.world.lock();
    let lines = world.trace.lines().iter();
    lines.filter(|line| line.contains("AdminUpdateUserAttributes(") && line.contains(LEVEL)).count()
}

fn level() -> Field {
    Field::from_name(LEVEL).unwrap()
}

#[test]
fn a_number_that_the_pool_does_not_keep_is_held_by_name_and_never_copied_back() {
    let mut stage = numbered();
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, LEVEL, "0");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, LEVEL).as_deref(), Some("0"));
    stage.world.lock().pools.new.keeps.insert(attribute(LEVEL));
    stage.set(Side::Old, &old, LEVEL, "1");
    let verdicts = stage.captured(Side::Old, &old);
    assert!(verdicts.contains(&Verdict::Refused(Reason::NotKept)), "{verdicts:?}");
    // Later another field of the person changes, on either side. apply does not try the number
    // again.
    let before = written(&stage);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        stage.set(side, sub, "name", side.name());
        stage.captured(side, sub);
        assert_eq!(
            stage
                .says(side.other(), if side == Side::Old { &new } else { &old }, "name")
                .as_deref(),
            Some(side.name())
        );
    }
    assert_eq!(written(&stage), before);
    assert_eq!(stage.says(Side::Old, &old, LEVEL).as_deref(), Some("1"), "the edit was undone");
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.obstacles.get(&level()).map(|it| it.reason), Some(Reason::NotKept));
    // apply tries another value, and the pool keeps it.
    stage.world.lock().pools.new.keeps.clear();
    stage.set(Side::Old, &old, LEVEL, "2");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, LEVEL).as_deref(), Some("2"));
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.obstacles.len()), (PersonState::Synced, 0));
}

#[test]
fn a_read_back_that_is_too_old_to_show_the_write_holds_nothing() {
    let mut stage = numbered();
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, LEVEL, "0");
    stage.captured(Side::Old, &old);
    stage.wait(limits::SETTLE * 12);
    stage.set(Side::Old, &old, LEVEL, "1");
    stage.capture(Side::Old, &old);
    let edited = stage.world.lock().now;
    stage.wait(limits::SETTLE * 2);
    stage.world.lock().weather =
        Weather::new(Climate { stale_one_in: 1, stale_max: 1, ..Climate::calm() });
    // The edit itself is old enough to be settled: what is open is the write.
    let change = Change { at: edited, ..stage.change(Side::Old, &old, Proof::Changed) };
    let verdict = stage.look(&change).verdict;
    assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
    assert_eq!(stage.says(Side::New, &new, LEVEL).as_deref(), Some("1"), "it was written");
    let entry = stage.entry(Side::Old, &old);
    let open = entry.intent.and_then(|intent| intent.fields.get(&level()).cloned());
    assert!(open.is_some_and(|intended| intended.answered), "a later observation decides");
    stage.settle();
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.obstacles.len()), (PersonState::Synced, 0));
    assert_eq!(stage.says(Side::Old, &old, LEVEL).as_deref(), Some("1"));
}

#[test]
fn only_an_attribute_that_its_pool_may_coerce_is_read_back() {
    for (name, reads) in [("name", 2), (LEVEL, 3)] {
        let mut stage = numbered();
        let (old, _) = stage.pair();
        stage.wait(limits::SETTLE * 12);
        stage.set(Side::Old, &old, name, "1");
        let change = stage.change(Side::Old, &old, Proof::Changed);
        stage.wait(limits::SETTLE);
        let report = stage.look(&change);
        assert_eq!((report.verdict, report.pool_writes), (Verdict::Applied, 1), "{name}");
        assert_eq!(report.account_reads, reads, "{name}");
    }
}

#[test]
fn a_verified_flag_travels_and_each_pool_keeps_its_own_spelling_of_the_address() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.mapping = Mapping::new(Vec::new(), &BTreeSet::new(), true, true).unwrap();
    stage.world.lock().pools.new.shape.case_sensitive = false;
    let (old, new) = stage.pair();
    stage.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("email"), "Pat@Example.com".to_owned());
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    stage.captured(Side::Old, &old);
    stage.set(Side::New, &new, "email_verified", "true");
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::Old, &old, "email_verified").as_deref(), Some("true"));
    assert_eq!(stage.says(Side::Old, &old, "email").as_deref(), Some("Pat@Example.com"));
}
