//! Tests the table against the model, and the properties of its rows.

use std::collections::BTreeSet;

use super::Detects::{Changed, Hint, Nothing};
use super::*;

#[test]
fn the_infrastructure_lists_every_operation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/operations.json");
    let document = operations_document();
    if std::env::var_os("POOLBRIDGE_WRITE_OPERATIONS").is_some() {
        let text = serde_json::to_string_pretty(&document).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(known, document, "run this test with POOLBRIDGE_WRITE_OPERATIONS=1");
}

#[test]
fn every_row_is_found_by_its_own_name() {
    let mut names = BTreeSet::new();
    for row in &OPERATIONS {
        assert!(names.insert((row.name, row.challenge)), "{} is listed twice", row.name);
        assert_eq!(Operation::find(row.name, row.challenge), Some(row));
    }
    let sign_in = Operation::find("RespondToAuthChallenge", Some("SMS_MFA")).unwrap();
    assert_eq!((sign_in.challenge, sign_in.detects), (None, Nothing));
    let other = Operation::find("UpdateUserAttributes", Some("NEW_PASSWORD_REQUIRED")).unwrap();
    assert_eq!(other.detects, Changed);
    assert_eq!(Operation::find("updateuserattributes", None), None);
}

#[test]
fn a_request_to_a_page_proves_nothing() {
    for row in OPERATIONS.iter().filter(|row| row.is_form()) {
        assert_eq!((row.detects, row.password), (Hint, false), "{}", row.name);
    }
}

/// A route that proves nothing must guarantee no delay.
#[test]
fn a_route_counts_only_for_what_it_proves() {
    let row = |name, challenge| Operation::find(name, challenge).unwrap();
    for name in ["RespondToAuthChallenge", "AdminRespondToAuthChallenge"] {
        let password = row(name, Some("NEW_PASSWORD_REQUIRED"));
        assert!(!password.trigger_proves() && !password.sweep_proves() && password.trail());
        assert!(row(name, None).trigger_proves());
    }
    for name in ["UpdateUserAttributes", "AdminUpdateUserAttributes"] {
        assert_eq!(row(name, None).trigger, Some(CustomMessage));
        assert!(!row(name, None).trigger_proves() && row(name, None).sweep_proves());
    }
    let confirmed = row("ConfirmSignUp", None);
    assert!(confirmed.trigger_proves() && !confirmed.sweep_proves());
    assert!(OPERATIONS.iter().all(|row| !(row.password && row.sweep_proves())));
    for name in ["VerifyUserAttribute", "GetUserAttributeVerificationCode"] {
        assert_eq!(row(name, None).trigger, None, "{name}");
    }
}

/// The parts of the newest published service model that matter here. A person replaces the file by
/// hand, after `make model-drift` names what is new.
const MODEL: &str = include_str!("../../../aws/model/cognito-idp.json");

fn model() -> BTreeSet<String> {
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let names = model["operations"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The table classifies every operation of the newest model, and no other.
#[test]
fn every_operation_of_the_newest_model_is_classified() {
    let rows = OPERATIONS.iter().filter(|row| !row.is_form()).map(|row| row.name.to_owned());
    let rows: BTreeSet<String> = rows.collect();
    let unclassified: Vec<_> = model().difference(&rows).cloned().collect();
    assert!(unclassified.is_empty(), "no row for {unclassified:?}");
    let unknown: Vec<_> = rows.difference(&model()).cloned().collect();
    assert!(unknown.is_empty(), "the model does not know {unknown:?}");
}

/// Operations that change an account, many accounts or the pool reach the trail. Reads do not.
#[test]
fn operations_that_change_people_reach_the_trail_and_reads_do_not() {
    for row in &OPERATIONS {
        match row.kind() {
            "person" | "many" => assert!(row.trail(), "{}", row.name),
            "pool" => {
                let watched = row.detects != Detects::Pool(PoolEvent::Unwatched);
                assert_eq!((row.trail(), row.sweep, row.password), (watched, false, false));
            }
            "nothing" => assert!(!row.trail() && !row.password, "{}", row.name),
            _ => assert!(!row.is_noticed() && row.name.contains(['G', 'L', 'D']), "{}", row.name),
        }
    }
    let writes = |name: &str| {
        let verbs = ["Get", "List", "Describe", "AdminGet", "AdminList"];
        // These operations issue tokens.
        let issues = ["GetClientToken", "GetDerivedToken", "GetTokensFromRefreshToken"];
        let sends = name == "GetUserAttributeVerificationCode";
        !verbs.iter().any(|verb| name.starts_with(verb)) || issues.contains(&name) || sends
    };
    for row in OPERATIONS.iter().filter(|row| !row.is_form()) {
        assert_eq!(row.kind() != "read", writes(row.name), "{}", row.name);
    }
}

/// A rule's pattern holds at most 2,048 characters.
#[test]
fn the_names_of_one_rule_fit_in_its_pattern() {
    let document = operations_document();
    for list in ["calls", "pool", "forms"] {
        let length = document[list].to_string().len();
        assert!(length < 1_700, "{list} has {length} characters");
    }
}
