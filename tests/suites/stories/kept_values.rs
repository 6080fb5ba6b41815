//! Values that a pool does not keep as they were written, and spellings that it keeps.

use std::collections::BTreeSet;

use poolbridge_core::account::{AttributeSchema, DataType};
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::profile::Field;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::{FaultInjection, FaultRates};

const LEVEL: &str = "custom:level";

/// Both pools have a custom number, which travels.
fn numbered() -> Setup {
    let mut setup = Setup::new(Provision::Lazy);
    let schema = AttributeSchema {
        mutable: true,
        data_type: DataType::Number,
        ..AttributeSchema::default()
    };
    for side in Side::BOTH {
        let mut world = setup.world.lock();
        let attributes = &mut world.pools.get_mut(side).schema.attributes;
        attributes.insert(attribute(LEVEL), schema.clone());
    }
    let rule = AttributeRule::same(&attribute(LEVEL));
    setup.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    setup
}

/// How often the bridge asked the pool to write the number.
fn written(setup: &Setup) -> usize {
    let world = setup.world.lock();
    let lines = world.trace.lines().iter();
    lines.filter(|line| line.contains("AdminUpdateUserAttributes(") && line.contains(LEVEL)).count()
}

fn level() -> Field {
    Field::from_name(LEVEL).unwrap()
}

#[test]
fn a_number_that_the_pool_does_not_keep_is_held_by_name_and_never_copied_back() {
    let mut setup = numbered();
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, LEVEL, "0");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, LEVEL).as_deref(), Some("0"));
    setup.world.lock().pools.new.keeps.insert(attribute(LEVEL));
    setup.set(Side::Old, &old, LEVEL, "1");
    let outcomes = setup.captured(Side::Old, &old);
    assert!(outcomes.contains(&Outcome::Rejected(Reason::NotKept)), "{outcomes:?}");
    // Later another field of the person changes, on either side. apply does not try the number
    // again.
    let before = written(&setup);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        setup.set(side, sub, "name", side.name());
        setup.captured(side, sub);
        assert_eq!(
            setup
                .attribute(side.other(), if side == Side::Old { &new } else { &old }, "name")
                .as_deref(),
            Some(side.name())
        );
    }
    assert_eq!(written(&setup), before);
    assert_eq!(
        setup.attribute(Side::Old, &old, LEVEL).as_deref(),
        Some("1"),
        "the edit was undone"
    );
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.blocked_fields.get(&level()).map(|it| it.reason), Some(Reason::NotKept));
    // apply tries another value, and the pool keeps it.
    setup.world.lock().pools.new.keeps.clear();
    setup.set(Side::Old, &old, LEVEL, "2");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, LEVEL).as_deref(), Some("2"));
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.blocked_fields.len()), (PersonState::Synced, 0));
}

#[test]
fn a_read_back_that_is_too_old_to_show_the_write_holds_nothing() {
    let mut setup = numbered();
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, LEVEL, "0");
    setup.captured(Side::Old, &old);
    setup.wait(limits::SETTLE * 12);
    setup.set(Side::Old, &old, LEVEL, "1");
    setup.capture(Side::Old, &old);
    let edited = setup.world.lock().now;
    setup.wait(limits::SETTLE * 2);
    setup.world.lock().fault_injection =
        FaultInjection::new(FaultRates { stale_one_in: 1, stale_max: 1, ..FaultRates::none() });
    // The edit itself is old enough to be settled: what is open is the write.
    let change = ChangeEvent { at: edited, ..setup.change(Side::Old, &old, Evidence::Changed) };
    let outcome = setup.process(&change).outcome;
    assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
    assert_eq!(setup.attribute(Side::New, &new, LEVEL).as_deref(), Some("1"), "it was written");
    let record = setup.record(Side::Old, &old);
    let open = record.intent.and_then(|intent| intent.fields.get(&level()).cloned());
    assert!(open.is_some_and(|intended| intended.answered), "a later observation decides");
    setup.settle();
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.blocked_fields.len()), (PersonState::Synced, 0));
    assert_eq!(setup.attribute(Side::Old, &old, LEVEL).as_deref(), Some("1"));
}

#[test]
fn only_an_attribute_that_its_pool_may_coerce_is_read_back() {
    for (name, reads) in [("name", 2), (LEVEL, 3)] {
        let mut setup = numbered();
        let (old, _) = setup.pair();
        setup.wait(limits::SETTLE * 12);
        setup.set(Side::Old, &old, name, "1");
        let change = setup.change(Side::Old, &old, Evidence::Changed);
        setup.wait(limits::SETTLE);
        let report = setup.process(&change);
        assert_eq!((report.outcome, report.pool_writes), (Outcome::Applied, 1), "{name}");
        assert_eq!(report.account_reads, reads, "{name}");
    }
}

#[test]
fn a_verified_flag_travels_and_each_pool_keeps_its_own_spelling_of_the_address() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.mapping = Mapping::new(Vec::new(), &BTreeSet::new(), true, true).unwrap();
    setup.world.lock().pools.new.schema.case_sensitive = false;
    let (old, new) = setup.pair();
    setup.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("email"), "Pat@Example.com".to_owned());
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    setup.captured(Side::Old, &old);
    setup.set(Side::New, &new, "email_verified", "true");
    setup.captured(Side::New, &new);
    assert_eq!(setup.attribute(Side::Old, &old, "email_verified").as_deref(), Some("true"));
    assert_eq!(setup.attribute(Side::Old, &old, "email").as_deref(), Some("Pat@Example.com"));
}
