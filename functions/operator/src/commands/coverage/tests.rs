//! What follows from facts.

use std::collections::BTreeMap;

use poolbridge_config::operations::OPERATIONS;

use super::input::Late;
use super::*;
use poolbridge_core::time::Time;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const NOW: Time = Time(1_700_000_000_000);

fn pool() -> PoolRoutes {
    let (ended, began) = (NOW - HOUR, NOW - HOUR - Duration::from_mins(10));
    let metrics = BTreeMap::from([("accounts".to_owned(), 1_000)]);
    PoolRoutes {
        attached: Some([TriggerSlot::PostConfirmation].into()),
        trail: Some(NOW - Duration::from_mins(3)),
        sweep: Some(LastPass { ended, began: Some(began), metrics }),
    }
}

/// A bridge with every route, on both pools.
pub(crate) fn whole() -> CoverageInput {
    CoverageInput {
        name: "acme".to_owned(),
        at: NOW,
        asked: vec![TriggerSlot::PostConfirmation],
        every: Some(6 * HOUR),
        settle: Duration::from_secs(2),
        pools: BySide { old: pool(), new: pool() },
    }
}

/// A bridge with next to none.
pub(crate) fn bare() -> CoverageInput {
    let nothing = PoolRoutes { attached: Some([].into()), trail: None, sweep: None };
    CoverageInput { every: None, pools: BySide { old: pool(), new: nothing }, ..whole() }
}

/// How late an operation is noticed.
fn late(input: &CoverageInput, name: &str) -> Late {
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    input.late(operation.unwrap_or_else(|| panic!("{name} is not in the table")))
}

#[test]
fn the_bound_is_the_first_route_that_keeps_one() {
    let input = whole();
    assert_eq!(input.warnings(), [""; 0]);
    assert_eq!(late(&input, "ConfirmSignUp"), Late::Seconds);
    let swept = 6 * HOUR + Duration::from_mins(10) + Duration::from_secs(2);
    assert_eq!(late(&input, "AdminUpdateUserAttributes"), Late::Within(swept));
    assert_eq!(late(&input, "AdminDeleteUser"), Late::Within(swept));
    // A password leaves nothing behind that a comparison could find.
    assert_eq!(late(&input, "AdminSetUserPassword"), Late::Unbounded);
    let mut silent = whole();
    silent.pools.new.trail = None;
    assert_eq!(late(&silent, "AdminSetUserPassword"), Late::Never);
}

#[test]
fn the_later_of_both_pools_counts() {
    let mut input = whole();
    input.pools.new.attached = Some([].into());
    assert!(matches!(late(&input, "Confirm_POST"), Late::Within(_)));
    // The sweep would find the account, and not that its person chose a password.
    assert_eq!(late(&input, "ConfirmSignUp"), Late::Unbounded);
    input.every = None;
    assert_eq!(late(&input, "Confirm_POST"), Late::Unbounded);
    input.pools.new.trail = None;
    assert_eq!(late(&input, "ConfirmSignUp"), Late::Never);
}

/// A bridge on which capture stands in every slot of both pools, and is asked for in all of them.
fn everywhere() -> CoverageInput {
    let mut input = whole();
    input.asked = TriggerSlot::ALL.to_vec();
    for pool in [&mut input.pools.old, &mut input.pools.new] {
        pool.attached = Some(TriggerSlot::ALL.into());
    }
    input
}

#[test]
fn a_password_is_noticed_only_by_what_proves_it() {
    for mut input in [whole(), everywhere()] {
        let rows: Vec<_> = OPERATIONS.iter().filter(|row| row.password).collect();
        for row in &rows {
            let proved = row.trigger == Some(TriggerSlot::PostConfirmation);
            let expected = if proved { Late::Seconds } else { Late::Unbounded };
            assert_eq!(input.late(row), expected, "{} {:?}", row.name, row.challenge);
        }
        input.pools.old.trail = None;
        let first = rows.iter().find(|row| row.challenge == Some("NEW_PASSWORD_REQUIRED"));
        assert_eq!(input.late(first.expect("it is in the table")), Late::Never);
    }
}

#[test]
fn a_message_about_a_new_address_bounds_no_edit() {
    let input = everywhere();
    for name in ["UpdateUserAttributes", "AdminUpdateUserAttributes", "VerifyUserAttribute"] {
        assert!(matches!(late(&input, name), Late::Within(_)), "{name}");
    }
    let mut unswept = everywhere();
    unswept.every = None;
    assert_eq!(late(&unswept, "UpdateUserAttributes"), Late::Unbounded);
}

#[test]
fn a_slot_that_is_not_asked_for_any_more_counts_for_nothing() {
    let mut input = everywhere();
    assert_eq!(late(&input, "InitiateAuth"), Late::Seconds);
    input.asked = vec![TriggerSlot::PostConfirmation];
    assert!(matches!(late(&input, "InitiateAuth"), Late::Within(_)));
    assert_eq!(late(&input, "ConfirmSignUp"), Late::Seconds);
    let row = OPERATIONS.iter().find(|row| row.name == "InitiateAuth");
    assert_eq!(input.triggered(row.expect("it is in the table")), []);
}

#[test]
fn everything_that_is_missing_is_warned_of() {
    let warned = |change: &dyn Fn(&mut CoverageInput), word: &str| {
        let mut input = whole();
        change(&mut input);
        let warnings = input.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(word), "{word}: {warnings:?}");
        assert!(warnings[0].contains("hint: "), "{warnings:?}");
    };
    warned(&|it| it.pools.new.attached = Some([].into()), "does not hold capture");
    warned(&|it| it.pools.new.attached = None, "POOLBRIDGE_CAPTURE_NEW");
    warned(&|it| it.pools.old.trail = None, "never heard of");
    warned(&|it| it.pools.old.trail = Some(NOW - 25 * HOUR), "told nothing");
    warned(&|it| it.every = None, "the sweep is off");
    warned(&|it| it.pools.old.sweep = None, "has ended yet");
    let doubtful = |it: &mut CoverageInput| {
        let pass = it.pools.new.sweep.as_mut();
        pass.expect("it has one").metrics.insert("unconcluded".to_owned(), 1);
    };
    warned(&doubtful, "concluded nothing");
    let late = |it: &mut CoverageInput| {
        let pass = it.pools.new.sweep.as_mut();
        pass.expect("it has one").ended = NOW - 13 * HOUR;
    };
    warned(&late, "overdue");
}

#[test]
fn every_operation_of_the_newest_model_is_listed() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let path = top.expect("the repository").join("shared/aws/model/cognito-idp.json");
    let model = std::fs::read_to_string(path).expect("the committed model");
    let model: serde_json::Value = serde_json::from_str(&model).expect("it is JSON");
    let names: Vec<&str> = super::input::operations().map(|operation| operation.name).collect();
    let listed = model["operations"].as_array().expect("a list");
    for name in listed.iter().filter_map(serde_json::Value::as_str) {
        assert!(names.contains(&name), "{name} is not listed");
    }
}

#[test]
fn a_change_of_settings_is_noticed_within_the_sweeps_next_call() {
    let input = whole();
    let call = poolbridge_core::limits::SWEEP_CALL_EVERY;
    for name in ["UpdateUserPool", "UpdateUserPoolClient", "AddCustomAttributes"] {
        assert_eq!(late(&input, name), Late::Within(call), "{name}");
    }
    let mut unswept = whole();
    unswept.every = None;
    assert_eq!(late(&unswept, "UpdateUserPool"), Late::Unbounded);
    assert_eq!(late(&input, "StartPointInTimeRecovery"), Late::Unbounded);
    assert_eq!(late(&input, "ListUsers"), Late::Never);
}
