//! One test for each invariant that the flow must keep, named after it: small stories without
//! faults, on the simulated world, through the real `capture` and `reconcile`.
//!
//! Invariants 3, 9, 14 and 15 concern the functions' handlers. The suite `end_to_end` and the
//! adapters' own tests show them.

#[path = "invariants/deletion.rs"]
mod deletion;

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::{attribute, group};

#[test]
fn invariant_01_level_not_edge() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let early = setup.change(Side::Old, &old, Evidence::Changed);
    setup.set(Side::Old, &old, "name", "first");
    setup.captured(Side::Old, &old);
    setup.set(Side::New, &new, "name", "second");
    setup.captured(Side::New, &new);
    let writes = setup.writes();
    // Late, doubled, for the wrong side, and with every kind of evidence: it costs a read and does
    // no harm.
    for evidence in [Evidence::Changed, Evidence::Confirmed, Evidence::Hint, Evidence::Deleted] {
        for side in Side::BOTH {
            let sub = if side == Side::Old { &old } else { &new };
            let late = ChangeEvent { side, sub: sub.clone(), evidence, ..early.clone() };
            assert_eq!(setup.process(&late).outcome, Outcome::Unchanged);
        }
    }
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("second"));
    assert_eq!(setup.writes(), writes);
}

#[test]
fn invariant_02_no_lost_change() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "marked");
    setup.capture(Side::Old, &old);
    // The message is lost. The pending change alone is enough. `settle` uses no queue.
    setup.settle();
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("marked"));
    // The pending change is lost. The message alone is enough, and stores a pending change if its
    // outcome is `retry`.
    setup.set(Side::Old, &old, "name", "sent");
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let report = setup.process(&change);
    assert!(matches!(report.outcome, Outcome::Retry(_, Reason::Settling)) && report.has_pending);
    setup.settle();
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("sent"));
}

#[test]
fn invariant_04_no_echo() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "other");
    setup.captured(Side::Old, &old);
    let writes = setup.writes();
    setup.captured(Side::New, &new);
    setup.captured(Side::New, &new);
    assert_eq!(setup.writes(), writes);
    let echo = setup.change(Side::New, &new, Evidence::Changed);
    setup.wait(limits::SETTLE);
    let report = setup.process(&echo);
    assert_eq!((report.account_reads, report.pool_writes), (1, 0));
}

#[test]
fn invariant_05_no_lost_update() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "of old");
    setup.set(Side::New, &new, "nickname", "of new");
    setup.capture(Side::Old, &old);
    setup.captured(Side::New, &new);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        assert_eq!(setup.attribute(side, sub, "name").as_deref(), Some("of old"));
        assert_eq!(setup.attribute(side, sub, "nickname").as_deref(), Some("of new"));
    }
    setup.set(Side::Old, &old, "name", "old says");
    setup.set(Side::New, &new, "name", "new says");
    setup.capture(Side::Old, &old);
    setup.captured(Side::New, &new);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("old says"));
    let conflict = |decision: &&poolbridge_core::record::Decision| {
        decision.kind == DecisionKind::Conflict && decision.fields == ["name"]
    };
    assert_eq!(setup.record(Side::Old, &old).decisions.iter().filter(conflict).count(), 1);
}

#[test]
fn invariants_06_and_07_an_absence_neither_resurrects_nor_deletes() {
    let mut setup = Setup::new(Provision::Eager);
    let (old, new) = setup.pair();
    setup.edit(Side::New, &new, |body| body.exists = false);
    setup.set(Side::Old, &old, "name", "still here");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AccountGone)));
    assert_eq!((setup.living(Side::Old), setup.living(Side::New)), (1, 0));
    assert!(setup.body(Side::Old, &old).enabled);
    setup.captured(Side::New, &new);
    assert_eq!((setup.living(Side::Old), setup.living(Side::New)), (1, 0));
}

#[test]
fn invariant_08_nothing_is_weakened() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    // A cleared flag does not travel, and is not set again either: the field is held for an
    // operator.
    setup.set(Side::New, &new, "email_verified", "false");
    let outcomes = setup.captured(Side::New, &new);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::VerificationLost)));
    assert_eq!(setup.attribute(Side::Old, &old, "email_verified").as_deref(), Some("true"));
    assert_eq!(setup.attribute(Side::New, &new, "email_verified").as_deref(), Some("false"));
    // Another address brings its own flag, never the old one's.
    setup.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("email"), "two@example.com".to_owned());
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    setup.set(Side::New, &new, "email_verified", "true");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "email").as_deref(), Some("two@example.com"));
    assert_eq!(setup.attribute(Side::New, &new, "email_verified").as_deref(), Some("false"));
}

#[test]
fn invariant_08_edits_of_a_side_with_an_outdated_password_do_not_travel() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    // The holder of the leaked password changes the address in the new pool. No event reports it.
    setup.set(Side::New, &new, "email", "thief@example.com");
    setup.edit(Side::Old, &old, |_| {});
    let reset = ChangeEvent { password: true, ..setup.change(Side::Old, &old, Evidence::Changed) };
    setup.wait(limits::SETTLE);
    let outcome = setup.process(&reset).outcome;
    assert_eq!(outcome, Outcome::Held(Reason::StaleSide));
    assert_eq!(setup.attribute(Side::Old, &old, "email").as_deref(), Some("one@example.com"));
    let record = setup.record(Side::Old, &old);
    assert!(record.passwords.closed.new.is_some(), "the leaked password still opens the account");
    assert_eq!(record.passwords.closed.old, None);
}

#[test]
fn invariant_10_one_bad_field_blocks_no_other_and_nothing_holds_a_disable() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "nickname", "much too long for the other pool");
    setup.set(Side::Old, &old, "name", "fits");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Rejected(Reason::TooLong)));
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fits"));
    setup.world.lock().table.control.paused = Some("a test".to_owned());
    setup.edit(Side::Old, &old, |body| body.enabled = false);
    setup.set(Side::Old, &old, "name", "waits");
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert!(!setup.body(Side::New, &new).enabled, "a pause held a disable");
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fits"));
    setup.world.lock().table.control.paused = None;
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("waits"));
}

#[test]
fn invariant_11_convergence() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    for round in 0..5 {
        setup.set(Side::Old, &old, "name", &format!("old {round}"));
        setup.capture(Side::Old, &old);
        setup.set(Side::New, &new, "nickname", &format!("new {round}"));
        setup.edit(Side::New, &new, |body| {
            if !body.groups.remove(&group("staff")) {
                body.groups.insert(group("staff"));
            }
        });
        setup.capture(Side::New, &new);
    }
    setup.settle();
    let (one, two) = (setup.body(Side::Old, &old), setup.body(Side::New, &new));
    assert_eq!((one.attributes, one.groups), (two.attributes, two.groups));
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn invariant_12_no_person_is_locked_out() {
    let mut lazy = Setup::new(Provision::Lazy);
    let old = lazy.account(Side::Old, 1, "one@example.com", true);
    lazy.captured(Side::Old, &old);
    assert_eq!(lazy.living(Side::New), 0, "a lazy bridge created an account");
    assert_eq!(lazy.record(Side::Old, &old).state, PersonState::OnlyOld);
    let mut eager = Setup::new(Provision::Eager);
    let claimed = eager.account(Side::Old, 1, "one@example.com", false);
    let outcomes = eager.captured(Side::Old, &claimed);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::NoWayIn)));
    assert_eq!(eager.living(Side::New), 0, "an account without a way in was created");
    eager.set(Side::Old, &claimed, "email_verified", "true");
    eager.captured(Side::Old, &claimed);
    assert_eq!(eager.living(Side::New), 1);
    let state = eager.world.lock();
    let made = state.pools.new.living().next().unwrap();
    assert_eq!(made.body().status, Status::Confirmed, "forgot-password would not work there");
}

#[test]
fn invariant_13_nothing_is_taken() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.world.lock().pools.new.schema.alias_attributes = BTreeSet::from([attribute("email")]);
    let (old, new) = setup.pair();
    let other = setup.account(Side::New, 2, "two@example.com", true);
    setup.set(Side::Old, &old, "email", "two@example.com");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AddressTaken)));
    assert_eq!(setup.attribute(Side::New, &new, "email").as_deref(), Some("one@example.com"));
    assert_eq!(setup.attribute(Side::New, &other, "email").as_deref(), Some("two@example.com"));
}

#[test]
fn invariant_16_no_account_is_linked_on_a_claim() {
    for (old_proved, new_proved) in [(false, false), (true, false), (false, true)] {
        let mut setup = Setup::new(Provision::Eager);
        let old = setup.account(Side::Old, 1, "one@example.com", old_proved);
        let new = setup.account(Side::New, 2, "one@example.com", new_proved);
        setup.capture(Side::New, &new);
        setup.captured(Side::Old, &old);
        let records = [setup.record(Side::Old, &old), setup.record(Side::New, &new)];
        assert_ne!(records[0].id, records[1].id);
        for (record, proved) in records.iter().zip([old_proved, new_proved]) {
            // A claim waits. It keeps no owner of the address out.
            let wanted = (!proved).then_some(Reason::Unproven);
            assert_eq!(record.reason, wanted, "old {old_proved}, new {new_proved}");
        }
    }
    let mut setup = Setup::new(Provision::Eager);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    setup.account(Side::New, 2, "one@example.com", true);
    setup.account(Side::New, 3, "one@example.com", true);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Ambiguous)));
}

#[test]
fn invariant_17_bounded() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    for round in 0..40 {
        setup.set(Side::Old, &old, "name", &format!("round {round}"));
        setup.captured(Side::Old, &old);
    }
    let record = setup.record(Side::Old, &old);
    assert!(record.decisions.len() <= limits::DECISIONS_MAX);
    assert!(
        record.direction_changes.len() <= 4
            && record.blocked_fields.is_empty()
            && record.intent.is_none()
    );
}
