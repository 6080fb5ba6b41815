//! Second factors: what they need, when a refused one is tried again, and the effect of a pool's
//! own MFA rule on them.

use std::collections::BTreeSet;
use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::change::Evidence;
use poolbridge_core::control::Phase;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::CallFate;

use super::{calls, inject_faults};

const SMS: Field = Field::Factor(Factor::Sms);

/// A pair of linked accounts, in pools that send a code to a phone number that is not verified.
fn pair() -> (Setup, Sub, Sub) {
    let mut setup = Setup::new(Provision::Lazy);
    let codes = BTreeSet::from([attribute("phone_number")]);
    setup.world.lock().pools.new.schema.verified_by_code = codes;
    let (old, new) = setup.pair();
    (setup, old, new)
}

fn give_phone(setup: &Setup, side: Side, sub: &Sub, verified: bool) {
    setup.edit(side, sub, |body| {
        body.attributes.insert(attribute("phone_number"), "+15550100".to_owned());
        body.attributes.insert(attribute("phone_number_verified"), verified.to_string());
    });
}

fn choose(setup: &Setup, side: Side, sub: &Sub, factors: &[Factor]) {
    setup.edit(side, sub, |body| body.factors = factors.iter().copied().collect());
}

fn factors(setup: &Setup, side: Side, sub: &Sub) -> BTreeSet<Factor> {
    setup.body(side, sub).factors
}

/// From now on, the pool of that side requires a second factor from every account, or no longer
/// does.
fn require(setup: &Setup, side: Side, required: bool) {
    setup.world.lock().pools.get_mut(side).schema.mfa_required = required;
}

#[test]
fn refused_factor_is_tried_again_when_its_phone_number_is_there() {
    let (mut setup, old, new) = pair();
    give_phone(&setup, Side::Old, &old, false);
    choose(&setup, Side::Old, &old, &[Factor::Sms]);
    setup.captured(Side::Old, &old);
    let reason =
        |setup: &Setup| setup.record(Side::Old, &old).blocked_fields.get(&SMS).map(|it| it.reason);
    assert_eq!(reason(&setup), Some(Reason::RefusedByPool));
    // The same request is not repeated while nothing that it depends on has changed.
    let before = calls(&setup.world, "AdminSetUserMFAPreference");
    setup.set(Side::Old, &old, "name", "n");
    setup.captured(Side::Old, &old);
    assert_eq!(calls(&setup.world, "AdminSetUserMFAPreference"), before);
    // The person verifies the number. It travels, and the factor after it.
    setup.set(Side::Old, &old, "phone_number_verified", "true");
    setup.captured(Side::Old, &old);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into());
    assert_eq!(reason(&setup), None);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn refused_factor_is_tried_again_when_an_administrator_adds_the_phone_number_there() {
    let (mut setup, old, new) = pair();
    give_phone(&setup, Side::Old, &old, false);
    choose(&setup, Side::Old, &old, &[Factor::Sms]);
    setup.captured(Side::Old, &old);
    give_phone(&setup, Side::New, &new, true);
    setup.captured(Side::New, &new);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into());
}

#[test]
fn one_refused_factor_does_not_stop_the_other() {
    let (mut setup, old, new) = pair();
    give_phone(&setup, Side::Old, &old, false);
    choose(&setup, Side::Old, &old, &[Factor::Sms, Factor::Email]);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Email].into(), "{outcomes:?}");
    let record = setup.record(Side::Old, &old);
    let refused: Vec<String> = record.blocked_fields.keys().map(ToString::to_string).collect();
    assert_eq!(refused, ["phone_number", "factor:sms"]);
}

#[test]
fn factor_never_travels_to_an_account_that_must_reset_its_password() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    choose(&setup, Side::Old, &old, &[Factor::Email]);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::NotReady)));
    assert_eq!(calls(&setup.world, "AdminSetUserMFAPreference"), 0);
    // The person resets the password there, and the factor follows.
    setup.edit(Side::New, &new, |body| body.status = Status::Confirmed);
    setup.captured(Side::New, &new);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Email].into());
}

#[test]
fn factor_waits_for_the_pending_password_of_a_new_account() {
    let mut setup = Setup::new(Provision::Eager);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    choose(&setup, Side::Old, &old, &[Factor::Email]);
    // The account is created, but its password cannot be set at once.
    inject_faults(&setup.world, "AdminSetUserPassword", CallFate::Throttled, 1);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert_eq!(setup.record(Side::Old, &old).owes_password, Some(Side::New));
    setup.captured(Side::Old, &old);
    let new = setup.record(Side::Old, &old).accounts.new.unwrap().sub;
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Email].into());
    let world = setup.world.lock();
    let at = |action: &str| {
        let lines = world.trace.lines();
        lines.iter().rposition(|line| line.contains(action) && line.ends_with("done")).unwrap()
    };
    assert!(at("AdminSetUserPassword") < at("AdminSetUserMFAPreference"));
}

#[test]
fn new_account_requires_a_code_if_its_source_requires_one() {
    let mut setup = Setup::new(Provision::Eager);
    require(&setup, Side::Old, true);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    give_phone(&setup, Side::Old, &old, true);
    let outcomes = setup.captured(Side::Old, &old);
    let new = setup.record(Side::Old, &old).accounts.new.unwrap().sub;
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into(), "{outcomes:?}");
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn linked_account_requires_a_code_if_the_active_pool_requires_one() {
    for there in [&[] as &[Factor], &[Factor::Sms]] {
        let mut setup = Setup::new(Provision::Lazy);
        require(&setup, Side::Old, true);
        let old = setup.account(Side::Old, 1, "one@example.com", true);
        let new = setup.account(Side::New, 1, "one@example.com", true);
        give_phone(&setup, Side::Old, &old, true);
        give_phone(&setup, Side::New, &new, true);
        choose(&setup, Side::New, &new, there);
        let outcomes = setup.captured(Side::Old, &old);
        assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into(), "{outcomes:?}");
        assert!(factors(&setup, Side::Old, &old).is_empty(), "the pool requires it by itself");
        // Nothing is left to do: an echo costs one read.
        let report = echo(&mut setup, Side::Old, &old);
        assert_eq!(report, (Outcome::Unchanged, 1));
    }
}

/// The outcome for an unchanged account, and the number of accounts that apply reads.
fn echo(setup: &mut Setup, side: Side, sub: &Sub) -> (Outcome, u32) {
    let change = setup.change(side, sub, Evidence::Changed);
    setup.wait(limits::SETTLE);
    let report = setup.process(&change);
    (report.outcome, report.account_reads)
}

#[test]
fn pool_that_no_longer_requires_a_code_takes_no_factor_away() {
    let mut setup = Setup::new(Provision::Lazy);
    require(&setup, Side::Old, true);
    let (old, new) = setup.pair();
    give_phone(&setup, Side::Old, &old, true);
    setup.captured(Side::Old, &old);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into());
    require(&setup, Side::Old, false);
    setup.set(Side::Old, &old, "name", "n");
    setup.captured(Side::Old, &old);
    assert_eq!(factors(&setup, Side::New, &new), [Factor::Sms].into(), "no person switched it off");
    assert!(factors(&setup, Side::Old, &old).is_empty(), "no person switched it on");
    // What the person chooses from then on travels both ways.
    choose(&setup, Side::Old, &old, &[Factor::Sms]);
    setup.captured(Side::Old, &old);
    choose(&setup, Side::Old, &old, &[]);
    setup.captured(Side::Old, &old);
    assert!(factors(&setup, Side::New, &new).is_empty(), "the person switched it off");
}

#[test]
fn passive_pool_that_requires_a_code_switches_nothing_on_in_the_active_one() {
    let mut setup = Setup::new(Provision::Lazy);
    require(&setup, Side::New, true);
    let (old, new) = setup.pair();
    give_phone(&setup, Side::Old, &old, true);
    setup.captured(Side::Old, &old);
    assert!(factors(&setup, Side::Old, &old).is_empty());
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    // After a switch the other pool is the passive one, and must not be less secure.
    setup.world.lock().table.control.phase = Phase::Switched;
    setup.set(Side::New, &new, "name", "n");
    setup.captured(Side::New, &new);
    assert_eq!(factors(&setup, Side::Old, &old), [Factor::Sms].into());
}

#[test]
fn factor_that_a_pool_does_not_offer_leads_to_nothing_in_the_other() {
    let mut setup = Setup::new(Provision::Lazy);
    {
        let mut world = setup.world.lock();
        world.pools.old.schema.factors = [Factor::Totp].into();
        world.pools.old.schema.mfa_required = true;
    }
    let (old, new) = setup.pair();
    give_phone(&setup, Side::Old, &old, true);
    choose(&setup, Side::Old, &old, &[Factor::Sms, Factor::Totp]);
    let outcomes = setup.captured(Side::Old, &old);
    assert!(factors(&setup, Side::New, &new).is_empty(), "{outcomes:?}");
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    // It also does not count as the factor that permits the removal of another one.
    setup.wait(Duration::from_secs(1));
    assert!(setup.record(Side::Old, &old).blocked_fields.is_empty());
}
