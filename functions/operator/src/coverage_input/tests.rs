//! Worst-case delays and warnings.

use std::collections::BTreeMap;
use std::time::Duration;

use poolbridge_config::operations::OPERATIONS;

use super::*;

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
        wanted: vec![TriggerSlot::PostConfirmation],
        every: Some(6 * HOUR),
        settle: Duration::from_secs(2),
        pools: BySide { old: pool(), new: pool() },
    }
}

/// A bridge with a trigger and trail on the old pool only.
pub(crate) fn bare() -> CoverageInput {
    let none = PoolRoutes { attached: Some([].into()), trail: None, sweep: None };
    CoverageInput { every: None, pools: BySide { old: pool(), new: none }, ..whole() }
}

/// The worst-case delay of an operation.
fn worst_delay(input: &CoverageInput, name: &str) -> WorstDelay {
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    input.worst_delay(operation.unwrap_or_else(|| panic!("{name} is not in the table")))
}

#[test]
fn the_fastest_route_with_a_guaranteed_delay_is_the_bound() {
    let input = whole();
    assert_eq!(input.warnings(), [""; 0]);
    assert_eq!(worst_delay(&input, "ConfirmSignUp"), WorstDelay::Seconds);
    let swept = 6 * HOUR + Duration::from_mins(10) + Duration::from_secs(2);
    assert_eq!(worst_delay(&input, "AdminUpdateUserAttributes"), WorstDelay::Within(swept));
    assert_eq!(worst_delay(&input, "AdminDeleteUser"), WorstDelay::Within(swept));
    // The sweep cannot find a new password.
    assert_eq!(worst_delay(&input, "AdminSetUserPassword"), WorstDelay::Unbounded);
    let mut silent = whole();
    silent.pools.new.trail = None;
    assert_eq!(worst_delay(&silent, "AdminSetUserPassword"), WorstDelay::Never);
}

#[test]
fn the_slower_pool_decides_the_worst_case() {
    let mut input = whole();
    input.pools.new.attached = Some([].into());
    assert!(matches!(worst_delay(&input, "Confirm_POST"), WorstDelay::Within(_)));
    // The sweep finds the account, but not the new password.
    assert_eq!(worst_delay(&input, "ConfirmSignUp"), WorstDelay::Unbounded);
    input.every = None;
    assert_eq!(worst_delay(&input, "Confirm_POST"), WorstDelay::Unbounded);
    input.pools.new.trail = None;
    assert_eq!(worst_delay(&input, "ConfirmSignUp"), WorstDelay::Never);
}

/// A bridge with capture in every slot of both pools, as `bridge.toml` asks.
fn everywhere() -> CoverageInput {
    let mut input = whole();
    input.wanted = TriggerSlot::ALL.to_vec();
    for pool in [&mut input.pools.old, &mut input.pools.new] {
        pool.attached = Some(TriggerSlot::ALL.into());
    }
    input
}

#[test]
fn new_password_is_detected_only_by_routes_that_prove_it() {
    for mut input in [whole(), everywhere()] {
        let rows: Vec<_> = OPERATIONS.iter().filter(|row| row.password).collect();
        for row in &rows {
            let proved = row.trigger == Some(TriggerSlot::PostConfirmation);
            let expected = if proved { WorstDelay::Seconds } else { WorstDelay::Unbounded };
            assert_eq!(input.worst_delay(row), expected, "{} {:?}", row.name, row.challenge);
        }
        input.pools.old.trail = None;
        let first = rows.iter().find(|row| row.challenge == Some("NEW_PASSWORD_REQUIRED"));
        assert_eq!(input.worst_delay(first.expect("it is in the table")), WorstDelay::Never);
    }
}

#[test]
fn custom_message_trigger_bounds_no_edit() {
    let input = everywhere();
    for name in ["UpdateUserAttributes", "AdminUpdateUserAttributes", "VerifyUserAttribute"] {
        assert!(matches!(worst_delay(&input, name), WorstDelay::Within(_)), "{name}");
    }
    let mut unswept = everywhere();
    unswept.every = None;
    assert_eq!(worst_delay(&unswept, "UpdateUserAttributes"), WorstDelay::Unbounded);
}

#[test]
fn slot_that_the_configuration_does_not_ask_for_detects_nothing() {
    let mut input = everywhere();
    assert_eq!(worst_delay(&input, "InitiateAuth"), WorstDelay::Seconds);
    input.wanted = vec![TriggerSlot::PostConfirmation];
    assert!(matches!(worst_delay(&input, "InitiateAuth"), WorstDelay::Within(_)));
    assert_eq!(worst_delay(&input, "ConfirmSignUp"), WorstDelay::Seconds);
    let row = OPERATIONS.iter().find(|row| row.name == "InitiateAuth");
    assert_eq!(input.triggered(row.expect("it is in the table")), []);
}

#[test]
fn each_missing_route_is_a_warning_with_a_hint() {
    let warns = |change: &dyn Fn(&mut CoverageInput), word: &str| {
        let mut input = whole();
        change(&mut input);
        let warnings = input.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(word), "{word}: {warnings:?}");
        assert!(warnings[0].contains("hint: "), "{warnings:?}");
    };
    warns(&|it| it.pools.new.attached = Some([].into()), "does not hold capture");
    warns(&|it| it.pools.new.attached = None, "POOLBRIDGE_CAPTURE_NEW");
    warns(&|it| it.pools.old.trail = None, "has arrived yet");
    warns(&|it| it.pools.old.trail = Some(NOW - 25 * HOUR), "the last CloudTrail event");
    warns(&|it| it.every = None, "the sweep is disabled");
    warns(&|it| it.pools.old.sweep = None, "has ended yet");
    let undecided = |it: &mut CoverageInput| {
        let pass = it.pools.new.sweep.as_mut();
        pass.expect("it has one").metrics.insert("unconcluded".to_owned(), 1);
    };
    warns(&undecided, "could not decide");
    let overdue = |it: &mut CoverageInput| {
        let pass = it.pools.new.sweep.as_mut();
        pass.expect("it has one").ended = NOW - 13 * HOUR;
    };
    warns(&overdue, "overdue");
}

#[test]
fn every_operation_of_the_newest_model_is_listed() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let path = top.expect("the repository").join("shared/aws/model/cognito-idp.json");
    let model = std::fs::read_to_string(path).expect("the committed model");
    let model: serde_json::Value = serde_json::from_str(&model).expect("it is JSON");
    let names: Vec<&str> = operations().map(|operation| operation.name).collect();
    let listed = model["operations"].as_array().expect("a list");
    for name in listed.iter().filter_map(serde_json::Value::as_str) {
        assert!(names.contains(&name), "{name} is not listed");
    }
}

#[test]
fn change_of_settings_is_detected_by_the_next_call_of_the_sweep() {
    let input = whole();
    let call = poolbridge_core::limits::SWEEP_CALL_EVERY;
    for name in ["UpdateUserPool", "UpdateUserPoolClient", "AddCustomAttributes"] {
        assert_eq!(worst_delay(&input, name), WorstDelay::Within(call), "{name}");
    }
    let mut unswept = whole();
    unswept.every = None;
    assert_eq!(worst_delay(&unswept, "UpdateUserPool"), WorstDelay::Unbounded);
    assert_eq!(worst_delay(&input, "StartPointInTimeRecovery"), WorstDelay::Unbounded);
    assert_eq!(worst_delay(&input, "ListUsers"), WorstDelay::Never);
}
