//! Every name that the table, messages, logs and the command line know. A test pins them, because a
//! changed name makes stored items unreadable and breaks queries on logs.

use crate::change::Evidence;
use crate::control::Phase;
use crate::error::{ErrorKind, PortError};
use crate::outcome::{Outcome, Reason};
use crate::profile::{Factor, Field};
use crate::record::{DecisionKind, PersonState};
use crate::restore::{AfterRestore, RestoreStage};
use crate::side::Side;
use crate::tombstone::Owed;

/// Checks the names of all variants, in the order of declaration, and that each name is read back.
fn pin<T: Copy + PartialEq + std::fmt::Debug>(
    names: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
    from_name: impl Fn(&str) -> Option<T>,
) {
    let found: Vec<&str> = all.iter().map(|variant| name(*variant)).collect();
    assert_eq!(found, names.split_whitespace().collect::<Vec<_>>());
    for variant in all {
        assert_eq!(from_name(name(*variant)), Some(*variant));
    }
    for other in ["", "unknown", "Old", "port-error"] {
        assert_eq!(from_name(other), None, "{other}");
    }
}

const ERROR_KINDS: &str = "throttled writes-paused no-answer not-sent broken denied invalid \
    account-gone missing exists lost newer unreadable";

const REASONS: &str = "busy settling out-of-time contended paused restored gone-by-restore \
    back-by-restore closing complete other-configuration account-is-gone breaker no-way-in \
    disabled federated unproven ambiguous separated cannot-be-searched name-taken address-taken \
    address-waits address-unverified verification-lost conflict group-missing not-in-schema \
    immutable too-long too-short out-of-range required-missing unsayable refused-by-pool \
    not-kept last-factor not-ready oscillating stale-side no-recovery temporary-password \
    passive-administrator password-unproven";

const PERSON_STATES: &str = "only-old only-new synced waiting conflict held deleted";

const DECISIONS: &str = "linked created carried conflict first-link-conflict came-back \
    edited-meanwhile held rejected closed password-reset password-ignored deleted disabled \
    removed linked-by-operator unlinked-by-operator";

#[test]
fn stored_names_never_change() {
    pin("old new", &Side::BOTH, Side::name, Side::from_name);
    let evidence = "changed confirmed deleted hint";
    pin(evidence, &Evidence::ALL, Evidence::name, Evidence::from_name);
    pin(ERROR_KINDS, &ErrorKind::ALL, ErrorKind::name, ErrorKind::from_name);
    pin(REASONS, &Reason::PLAIN, Reason::name, Reason::from_name);
    let errors = ErrorKind::ALL.map(Reason::PortError);
    pin(ERROR_KINDS, &errors, Reason::name, Reason::from_name);
    pin(PERSON_STATES, &PersonState::ALL, PersonState::name, PersonState::from_name);
    pin(DECISIONS, &DecisionKind::ALL, DecisionKind::name, DecisionKind::from_name);
    let phases = "prepare follow switched complete";
    pin(phases, &Phase::ALL, Phase::name, Phase::from_name);
    let stages = "prepared cancelled started pool-deleted";
    pin(stages, &RestoreStage::ALL, RestoreStage::name, RestoreStage::from_name);
    pin("heal propagate", &AfterRestore::ALL, AfterRestore::name, AfterRestore::from_name);
    pin("disable delete", &Owed::ALL, Owed::name, Owed::from_name);
}

#[test]
fn names_that_are_never_read_back_do_not_change_either() {
    let factors = Factor::ALL.map(Factor::name);
    assert_eq!(factors, ["sms", "email", "totp"]);
    let retry = Outcome::from_error(&PortError::new(ErrorKind::Lost, "PutItem"));
    let held = Outcome::Held(Reason::Breaker);
    let rejected = Outcome::Rejected(Reason::TooLong);
    let outcomes = [Outcome::Applied, Outcome::Unchanged, retry, held, rejected];
    let names: Vec<&str> = outcomes.iter().map(Outcome::name).collect();
    assert_eq!(names, ["applied", "unchanged", "retry", "held", "rejected"]);
}

#[test]
fn a_factor_is_stored_as_a_field_and_an_unknown_one_reads_as_an_attribute() {
    for factor in Factor::ALL {
        let name = format!("factor:{}", factor.name());
        assert_eq!(Field::from_name(&name), Some(Field::Factor(factor)));
    }
    assert!(matches!(Field::from_name("factor:other"), Some(Field::Attribute(_))));
}
