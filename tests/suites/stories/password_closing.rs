//! The outcome for a password that is to be closed, and the time at which it is closed.

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;

use super::passwords::{closed, new_password};

#[test]
fn a_refused_random_password_holds_the_person_with_its_reason() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.world.lock().pools.new.fails.insert("AdminSetUserPassword", ErrorKind::Invalid);
    let reset = new_password(&mut setup, Side::Old, &old);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&reset).outcome, Outcome::Held(Reason::RefusedByPool));
    assert_eq!(closed(&setup, &new), 0);
}

#[test]
fn a_sign_out_that_the_pool_lacks_holds_no_person() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.world.lock().pools.new.fails.insert("AdminUserGlobalSignOut", ErrorKind::Invalid);
    let reset = new_password(&mut setup, Side::Old, &old);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&reset).outcome, Outcome::Applied);
    assert_eq!(closed(&setup, &new), 1);
}

#[test]
fn a_disable_goes_alone_and_the_outdated_password_is_closed_right_after_it() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.edit(Side::Old, &old, |body| body.enabled = false);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let both = ChangeEvent { password: true, ..change };
    setup.wait(limits::SETTLE);
    let outcome = setup.process(&both).outcome;
    assert!(!setup.body(Side::New, &new).enabled, "the disable waits");
    assert!(matches!(outcome, Outcome::Retry(..)), "the owed password was forgotten: {outcome:?}");
    setup.wait(limits::SETTLE * 2);
    setup.process(&both);
    assert_eq!(closed(&setup, &new), 1);
}
