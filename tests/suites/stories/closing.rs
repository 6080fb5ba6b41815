//! The outcome for a password that is to be closed, and the time at which it is closed.

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;

use super::passwords::{closed, new_password};

#[test]
fn a_refused_random_password_holds_the_person_with_its_reason() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.world.lock().pools.new.fails.insert("AdminSetUserPassword", FaultKind::Invalid);
    let reset = new_password(&mut stage, Side::Old, &old);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Held(Reason::RefusedByPool));
    assert_eq!(closed(&stage, &new), 0);
}

#[test]
fn a_sign_out_that_the_pool_lacks_holds_no_person() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.world.lock().pools.new.fails.insert("AdminUserGlobalSignOut", FaultKind::Invalid);
    let reset = new_password(&mut stage, Side::Old, &old);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    assert_eq!(closed(&stage, &new), 1);
}

#[test]
fn a_disable_goes_alone_and_the_outdated_password_is_closed_right_after_it() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.edit(Side::Old, &old, |body| body.enabled = false);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let both = Change { password: true, ..change };
    stage.wait(limits::SETTLE);
    let verdict = stage.look(&both).verdict;
    assert!(!stage.body(Side::New, &new).enabled, "the disable waits");
    assert!(matches!(verdict, Verdict::Later(..)), "the owed password was forgotten: {verdict:?}");
    stage.wait(limits::SETTLE * 2);
    stage.look(&both);
    assert_eq!(closed(&stage, &new), 1);
}
