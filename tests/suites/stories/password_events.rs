//! Messages and pending changes about passwords: repeated, late, lost and forged ones.

use std::time::Duration;

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::record::DecisionKind;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::fault_injection::Target;

use super::passwords::{closed, decided, new_password, settled};

#[test]
fn a_password_that_cloudtrail_reports_again_counts_once() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let reset = new_password(&mut setup, Side::Old, &old);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&reset).outcome, Outcome::Applied);
    let closed = setup.record(Side::New, &new).passwords.closed.new;
    // CloudTrail gives only the second, and the time is rounded up to its end.
    let reported = Time(reset.at.0 - reset.at.0.rem_euclid(1_000) + 999);
    setup.wait(limits::SETTLE);
    let again = ChangeEvent { at: reported, id: reset.id + 1, ..reset.clone() };
    assert_eq!(setup.process(&again).outcome, Outcome::Unchanged);
    assert_eq!(setup.record(Side::New, &new).passwords.closed.new, closed);
    // A second later it is another password.
    let later = ChangeEvent { at: reported + Duration::from_secs(1), id: reset.id + 2, ..reset };
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&later).outcome, Outcome::Applied);
    assert_eq!(setup.record(Side::New, &new).passwords.closed.new, Some(later.at));
}

#[test]
fn password_event_is_not_lost_behind_an_older_pending_change() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    setup.world.lock().table.control.paused = Some("maintenance".to_owned());
    setup.set(Side::Old, &old, "name", "n");
    setup.capture(Side::Old, &old);
    setup.wait(Duration::from_mins(5));
    // The table fails while the password is captured: only the message carries it.
    let reset = new_password(&mut setup, Side::Old, &old);
    let report = setup.process(&reset);
    assert!(report.has_pending, "{report:?}");
    let holds =
        setup.world.lock().table.pending_changes.values().all(|pending| pending.holds(&reset));
    assert!(holds, "the message is acknowledged, and nothing holds the password event");
    setup.world.lock().table.control.paused = None;
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).passwords.set.old, Some(reset.at));
}

#[test]
fn password_event_outlives_an_outage_in_an_older_pending_change() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "n");
    setup.capture(Side::Old, &old);
    setup.wait(Duration::from_mins(1));
    {
        let mut world = setup.world.lock();
        let until = world.now + Duration::from_hours(1);
        world.fault_injection.start_outage(Target::Pool(Side::New), until);
    }
    let reset = new_password(&mut setup, Side::Old, &old);
    for _ in 0..5 {
        setup.wait(Duration::from_mins(1));
        assert!(setup.process(&reset).has_pending);
    }
    // Another field changes meanwhile, so the account alone no longer supports the claim.
    setup.set(Side::Old, &old, "name", "m");
    setup.wait(Duration::from_hours(2));
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).passwords.set.old, Some(reset.at));
    assert_eq!(closed(&setup, &new), 1);
}

#[test]
fn forged_message_closes_no_password() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let forged = ChangeEvent { password: true, claimed: true, ..change };
    // A message that is processed too early becomes a pending change, which is no better evidence.
    assert!(setup.process(&forged).has_pending);
    let mut outcomes = setup.settle();
    outcomes.push(setup.process(&forged).outcome);
    assert_eq!(closed(&setup, &new), 0, "{outcomes:?}");
    let passwords = setup.record(Side::Old, &old).passwords;
    assert_eq!((passwords.set.old, passwords.unproven.old), (None, Some(forged.at)));
    let unproven = Some(Reason::PasswordUnproven);
    assert_eq!(decided(&setup, &old, DecisionKind::PasswordIgnored, unproven), 1);
    // CloudTrail reported it: now it counts.
    let reported = Time(forged.at.0 - forged.at.0.rem_euclid(1_000) + 999);
    settled(&mut setup, &ChangeEvent { at: reported, ..forged.clone() }.seen());
    assert_eq!(closed(&setup, &new), 1);
}

/// Evidence from a function of the bridge, not from a message alone.
trait WithEvidence {
    fn seen(self) -> Self;
}

impl WithEvidence for ChangeEvent {
    fn seen(self) -> Self {
        Self { claimed: false, id: self.id + 1_000, ..self }
    }
}

#[test]
fn forged_confirmation_clears_no_pending_change_early() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.set(Side::Old, &old, "name", "n");
    setup.capture(Side::Old, &old);
    let forged = setup.change(Side::Old, &old, Evidence::Confirmed);
    let forged = ChangeEvent { at: forged.at + Duration::from_mins(1), ..forged };
    setup.process(&forged);
    assert_eq!(
        setup.world.lock().table.pending_changes.len(),
        1,
        "a read may still be older than the edit"
    );
}
