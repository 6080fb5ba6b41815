//! Passwords that went out of date.

use std::time::Duration;

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::limits;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::weather::Fate;

use super::{calls, trouble};

#[test]
fn a_sign_out_that_keeps_failing_costs_one_password_and_is_not_forgotten() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    trouble(&stage.world, "AdminUserGlobalSignOut", Fate::Throttled, 3);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let reset = Change { password: true, ..change };
    for _ in 0..3 {
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&reset).verdict;
        assert!(matches!(verdict, Verdict::Later(_, Reason::Outside(_))), "{verdict:?}");
        assert!(stage.entry(Side::New, &new).passwords.owes_sign_out.new);
    }
    let closed = stage.entry(Side::New, &new).passwords.closed.new;
    assert_eq!(closed, Some(reset.at), "the leaked password still opens the account");
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert!(!passwords.owes_sign_out.new);
    assert_eq!(stage.entry(Side::New, &new).state, PersonState::Synced);
    let done = |deed: &str| {
        let world = stage.world.lock();
        world.trace.lines().iter().filter(|it| it.contains(deed) && it.ends_with("done")).count()
    };
    assert_eq!((done("AdminSetUserPassword"), done("AdminUserGlobalSignOut")), (1, 1));
    assert_eq!(calls(&stage.world, "AdminUserGlobalSignOut"), 4);
}

#[test]
fn a_password_that_failed_itself_is_set_again_with_its_sign_out() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    trouble(&stage.world, "AdminSetUserPassword", Fate::NotSent, 1);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let reset = Change { password: true, ..change };
    stage.wait(limits::SETTLE);
    stage.look(&reset);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (None, false));
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (Some(reset.at), false));
    assert!(calls(&stage.world, "AdminUserGlobalSignOut") > 0);
}

#[test]
fn a_password_that_the_trail_tells_of_again_is_no_second_one() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let reset = Change { password: true, ..change };
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let closed = stage.entry(Side::New, &new).passwords.closed.new;
    // The trail says only the second, and is rounded up to its end.
    let told = Time(reset.at.0 - reset.at.0.rem_euclid(1_000) + 999);
    stage.wait(limits::SETTLE);
    let again = Change { at: told, id: reset.id + 1, ..reset.clone() };
    assert_eq!(stage.look(&again).verdict, Verdict::AlreadyTrue);
    assert_eq!(stage.entry(Side::New, &new).passwords.closed.new, closed);
    // A second later it is another one.
    let later = Change { at: told + Duration::from_secs(1), id: reset.id + 2, ..reset };
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&later).verdict, Verdict::Applied);
    assert_eq!(stage.entry(Side::New, &new).passwords.closed.new, Some(later.at));
}
