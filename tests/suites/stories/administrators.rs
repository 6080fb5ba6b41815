//! Passwords that an administrator sets: what `CloudTrail` shows about them, and what the account's
//! status shows where `CloudTrail` hides it.

use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::stage::Stage;

use super::passwords::{closed, new_password, settled};

/// What `CloudTrail` shows of `AdminSetUserPassword`: whether the password may be the person's, and
/// whether an administrator set it.
#[derive(Clone, Copy, Debug)]
struct Told {
    password: bool,
    administrator: bool,
}

/// `permanent` was true, or was not shown.
const PERMANENT_OR_HIDDEN: Told = Told { password: true, administrator: true };

/// `permanent` was false.
const TEMPORARY: Told = Told { password: false, administrator: false };

/// An administrator sets a password in the old pool, which is active. Returns how many passwords of
/// the new pool were closed for it, and how many after the person chose a password.
fn set_by_administrator(told: Told, status: Status) -> (usize, usize) {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, &old, |body| body.status = status);
    let Told { password, administrator } = told;
    let change = stage.change(Side::Old, &old, Proof::Changed);
    settled(&mut stage, &Change { password, administrator, ..change });
    let at_once = closed(&stage, &new);
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, &old, |body| body.status = Status::Confirmed);
    let chosen = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &chosen);
    assert_eq!(closed(&stage, &old), 0, "{told:?}, {status:?}: the newer password was closed");
    (at_once, closed(&stage, &new))
}

#[test]
fn administrators_password_counts_only_if_the_person_can_sign_in_with_it() {
    let cases = [
        (PERMANENT_OR_HIDDEN, Status::Confirmed, (1, 2)),
        (PERMANENT_OR_HIDDEN, Status::ForceChangePassword, (0, 1)),
        (TEMPORARY, Status::ForceChangePassword, (0, 1)),
        // The person chose another one before the event arrived; that one has an event of its own.
        (TEMPORARY, Status::Confirmed, (0, 1)),
    ];
    for (told, status, wanted) in cases {
        assert_eq!(set_by_administrator(told, status), wanted, "{told:?}, {status:?}");
    }
}
