//! Passwords that an administrator sets: what `CloudTrail` shows about them, and what the account's
//! status shows where `CloudTrail` hides it.

use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;

use super::passwords::{closed, new_password, settled};

/// What `CloudTrail` shows of `AdminSetUserPassword`: whether the password may be the person's, and
/// whether an administrator set it.
#[derive(Clone, Copy, Debug)]
struct TrailEntry {
    password: bool,
    administrator: bool,
}

/// `permanent` was true, or was not shown.
const PERMANENT_OR_HIDDEN: TrailEntry = TrailEntry { password: true, administrator: true };

/// `permanent` was false.
const TEMPORARY: TrailEntry = TrailEntry { password: false, administrator: false };

/// An administrator sets a password in the old pool, which is active. Returns how many passwords of
/// the new pool were closed for it, and how many after the person chose a password.
fn set_by_administrator(reported: TrailEntry, status: Status) -> (usize, usize) {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, &old, |body| body.status = status);
    let TrailEntry { password, administrator } = reported;
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    settled(&mut setup, &ChangeEvent { password, administrator, ..change });
    let at_once = closed(&setup, &new);
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, &old, |body| body.status = Status::Confirmed);
    let chosen = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &chosen);
    assert_eq!(closed(&setup, &old), 0, "{reported:?}, {status:?}: the newer password was closed");
    (at_once, closed(&setup, &new))
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
    for (reported, status, wanted) in cases {
        assert_eq!(set_by_administrator(reported, status), wanted, "{reported:?}, {status:?}");
    }
}
