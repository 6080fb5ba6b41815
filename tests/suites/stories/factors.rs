//! Second factors: what they need, when a refused one is tried again, and the effect of a pool's
//! own MFA rule on them.

use std::collections::BTreeSet;
use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::facts::{Factor, Field};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{Phase, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::Fate;

use super::{calls, trouble};

const SMS: Field = Field::Factor(Factor::Sms);

/// A pair of linked accounts, in pools that send a code to a phone number that is not verified.
fn pair() -> (Stage, Sub, Sub) {
    let mut stage = Stage::new(Provision::Lazy);
    let codes = BTreeSet::from([attribute("phone_number")]);
    stage.world.lock().pools.new.shape.verified_by_code = codes;
    let (old, new) = stage.pair();
    (stage, old, new)
}

fn give_phone(stage: &Stage, side: Side, sub: &Sub, verified: bool) {
    stage.edit(side, sub, |body| {
        body.attributes.insert(attribute("phone_number"), "+15550100".to_owned());
        body.attributes.insert(attribute("phone_number_verified"), verified.to_string());
    });
}

fn choose(stage: &Stage, side: Side, sub: &Sub, factors: &[Factor]) {
    stage.edit(side, sub, |body| body.factors = factors.iter().copied().collect());
}

fn factors(stage: &Stage, side: Side, sub: &Sub) -> BTreeSet<Factor> {
    stage.body(side, sub).factors
}

/// From now on, the pool of that side requires a second factor from every account, or no longer
/// does.
fn require(stage: &Stage, side: Side, required: bool) {
    stage.world.lock().pools.get_mut(side).shape.mfa_required = required;
}

#[test]
fn refused_factor_is_tried_again_when_its_phone_number_is_there() {
    let (mut stage, old, new) = pair();
    give_phone(&stage, Side::Old, &old, false);
    choose(&stage, Side::Old, &old, &[Factor::Sms]);
    stage.captured(Side::Old, &old);
    let reason =
        |stage: &Stage| stage.entry(Side::Old, &old).obstacles.get(&SMS).map(|it| it.reason);
    assert_eq!(reason(&stage), Some(Reason::RefusedByPool));
    // The same request is not repeated while nothing that it depends on has changed.
    let before = calls(&stage.world, "AdminSetUserMFAPreference");
    stage.set(Side::Old, &old, "name", "n");
    stage.captured(Side::Old, &old);
    assert_eq!(calls(&stage.world, "AdminSetUserMFAPreference"), before);
    // The person verifies the number. It travels, and the factor after it.
    stage.set(Side::Old, &old, "phone_number_verified", "true");
    stage.captured(Side::Old, &old);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into());
    assert_eq!(reason(&stage), None);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn refused_factor_is_tried_again_when_an_administrator_adds_the_phone_number_there() {
    let (mut stage, old, new) = pair();
    give_phone(&stage, Side::Old, &old, false);
    choose(&stage, Side::Old, &old, &[Factor::Sms]);
    stage.captured(Side::Old, &old);
    give_phone(&stage, Side::New, &new, true);
    stage.captured(Side::New, &new);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into());
}

#[test]
fn one_refused_factor_does_not_stop_the_other() {
    let (mut stage, old, new) = pair();
    give_phone(&stage, Side::Old, &old, false);
    choose(&stage, Side::Old, &old, &[Factor::Sms, Factor::Email]);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Email].into(), "{verdicts:?}");
    let entry = stage.entry(Side::Old, &old);
    let refused: Vec<String> = entry.obstacles.keys().map(ToString::to_string).collect();
    assert_eq!(refused, ["phone_number", "factor:sms"]);
}

#[test]
fn factor_never_travels_to_an_account_that_must_reset_its_password() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    choose(&stage, Side::Old, &old, &[Factor::Email]);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::NotReady)));
    assert_eq!(calls(&stage.world, "AdminSetUserMFAPreference"), 0);
    // The person resets the password there, and the factor follows.
    stage.edit(Side::New, &new, |body| body.status = Status::Confirmed);
    stage.captured(Side::New, &new);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Email].into());
}

#[test]
fn factor_waits_for_the_pending_password_of_a_new_account() {
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    choose(&stage, Side::Old, &old, &[Factor::Email]);
    // The account is created, but its password cannot be set at once.
    trouble(&stage.world, "AdminSetUserPassword", Fate::Throttled, 1);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert_eq!(stage.entry(Side::Old, &old).owes_password, Some(Side::New));
    stage.captured(Side::Old, &old);
    let new = stage.entry(Side::Old, &old).accounts.new.unwrap().sub;
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Email].into());
    let world = stage.world.lock();
    let at = |deed: &str| {
        let lines = world.trace.lines();
        lines.iter().rposition(|line| line.contains(deed) && line.ends_with("done")).unwrap()
    };
    assert!(at("AdminSetUserPassword") < at("AdminSetUserMFAPreference"));
}

#[test]
fn new_account_requires_a_code_if_its_source_requires_one() {
    let mut stage = Stage::new(Provision::Eager);
    require(&stage, Side::Old, true);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    give_phone(&stage, Side::Old, &old, true);
    let verdicts = stage.captured(Side::Old, &old);
    let new = stage.entry(Side::Old, &old).accounts.new.unwrap().sub;
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into(), "{verdicts:?}");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn linked_account_requires_a_code_if_the_active_pool_requires_one() {
    for there in [&[] as &[Factor], &[Factor::Sms]] {
        let mut stage = Stage::new(Provision::Lazy);
        require(&stage, Side::Old, true);
        let old = stage.account(Side::Old, 1, "one@example.com", true);
        let new = stage.account(Side::New, 1, "one@example.com", true);
        give_phone(&stage, Side::Old, &old, true);
        give_phone(&stage, Side::New, &new, true);
        choose(&stage, Side::New, &new, there);
        let verdicts = stage.captured(Side::Old, &old);
        assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into(), "{verdicts:?}");
        assert!(factors(&stage, Side::Old, &old).is_empty(), "the pool requires it by itself");
        // Nothing is left to do: an echo costs one read.
        let report = echo(&mut stage, Side::Old, &old);
        assert_eq!(report, (Verdict::AlreadyTrue, 1));
    }
}

/// The outcome for an unchanged account, and the number of accounts that apply reads.
fn echo(stage: &mut Stage, side: Side, sub: &Sub) -> (Verdict, u32) {
    let change = stage.change(side, sub, Proof::Changed);
    stage.wait(limits::SETTLE);
    let report = stage.look(&change);
    (report.verdict, report.account_reads)
}

#[test]
fn pool_that_no_longer_requires_a_code_takes_no_factor_away() {
    let mut stage = Stage::new(Provision::Lazy);
    require(&stage, Side::Old, true);
    let (old, new) = stage.pair();
    give_phone(&stage, Side::Old, &old, true);
    stage.captured(Side::Old, &old);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into());
    require(&stage, Side::Old, false);
    stage.set(Side::Old, &old, "name", "n");
    stage.captured(Side::Old, &old);
    assert_eq!(factors(&stage, Side::New, &new), [Factor::Sms].into(), "no person switched it off");
    assert!(factors(&stage, Side::Old, &old).is_empty(), "no person switched it on");
    // What the person chooses from then on travels both ways.
    choose(&stage, Side::Old, &old, &[Factor::Sms]);
    stage.captured(Side::Old, &old);
    choose(&stage, Side::Old, &old, &[]);
    stage.captured(Side::Old, &old);
    assert!(factors(&stage, Side::New, &new).is_empty(), "the person switched it off");
}

#[test]
fn passive_pool_that_requires_a_code_switches_nothing_on_in_the_active_one() {
    let mut stage = Stage::new(Provision::Lazy);
    require(&stage, Side::New, true);
    let (old, new) = stage.pair();
    give_phone(&stage, Side::Old, &old, true);
    stage.captured(Side::Old, &old);
    assert!(factors(&stage, Side::Old, &old).is_empty());
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    // After a switch the other pool is the passive one, and must not be less secure.
    stage.world.lock().table.control.phase = Phase::Switched;
    stage.set(Side::New, &new, "name", "n");
    stage.captured(Side::New, &new);
    assert_eq!(factors(&stage, Side::Old, &old), [Factor::Sms].into());
}

#[test]
fn factor_that_a_pool_does_not_offer_leads_to_nothing_in_the_other() {
    let mut stage = Stage::new(Provision::Lazy);
    {
        let mut world = stage.world.lock();
        world.pools.old.shape.factors = [Factor::Totp].into();
        world.pools.old.shape.mfa_required = true;
    }
    let (old, new) = stage.pair();
    give_phone(&stage, Side::Old, &old, true);
    choose(&stage, Side::Old, &old, &[Factor::Sms, Factor::Totp]);
    let verdicts = stage.captured(Side::Old, &old);
    assert!(factors(&stage, Side::New, &new).is_empty(), "{verdicts:?}");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    // It also does not count as the factor that permits the removal of another one.
    stage.wait(Duration::from_secs(1));
    assert!(stage.entry(Side::Old, &old).obstacles.is_empty());
}
