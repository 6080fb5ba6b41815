//! One test for each invariant that the flow must keep, named after it: small stories without
//! faults, on the simulated world, through the real `capture` and `converge`.
//!
//! Invariants 3, 9, 14 and 15 concern the functions' handlers. The suite `end_to_end` and the
//! adapters' own tests show them.

#[path = "invariants/deletion.rs"]
mod deletion;

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::limits;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::{attribute, group};

#[test]
fn invariant_01_level_not_edge() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let early = stage.change(Side::Old, &old, Proof::Changed);
    stage.set(Side::Old, &old, "name", "first");
    stage.captured(Side::Old, &old);
    stage.set(Side::New, &new, "name", "second");
    stage.captured(Side::New, &new);
    let writes = stage.writes();
    // Late, doubled, for the wrong side, and with every kind of evidence: it costs a read and does
    // no harm.
    for proof in [Proof::Changed, Proof::Confirmed, Proof::Hint, Proof::Deleted] {
        for side in Side::BOTH {
            let sub = if side == Side::Old { &old } else { &new };
            let late = Change { side, sub: sub.clone(), proof, ..early.clone() };
            assert_eq!(stage.look(&late).verdict, Verdict::AlreadyTrue);
        }
    }
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("second"));
    assert_eq!(stage.writes(), writes);
}

#[test]
fn invariant_02_no_lost_change() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "marked");
    stage.capture(Side::Old, &old);
    // The message is lost. The pending change alone is enough. `settle` uses no queue.
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("marked"));
    // The pending change is lost. The message alone is enough, and stores a pending change if its
    // outcome is `later`.
    stage.set(Side::Old, &old, "name", "sent");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let report = stage.look(&change);
    assert!(matches!(report.verdict, Verdict::Later(_, Reason::Settling)) && report.marked);
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("sent"));
}

#[test]
fn invariant_04_no_echo() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "told");
    stage.captured(Side::Old, &old);
    let writes = stage.writes();
    stage.captured(Side::New, &new);
    stage.captured(Side::New, &new);
    assert_eq!(stage.writes(), writes);
    let echo = stage.change(Side::New, &new, Proof::Changed);
    stage.wait(limits::SETTLE);
    let report = stage.look(&echo);
    assert_eq!((report.account_reads, report.pool_writes), (1, 0));
}

#[test]
fn invariant_05_no_lost_update() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "of old");
    stage.set(Side::New, &new, "nickname", "of new");
    stage.capture(Side::Old, &old);
    stage.captured(Side::New, &new);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        assert_eq!(stage.says(side, sub, "name").as_deref(), Some("of old"));
        assert_eq!(stage.says(side, sub, "nickname").as_deref(), Some("of new"));
    }
    stage.set(Side::Old, &old, "name", "old says");
    stage.set(Side::New, &new, "name", "new says");
    stage.capture(Side::Old, &old);
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("old says"));
    let conflict = |decision: &&poolbridge_core::entry::Decision| {
        decision.kind == DecisionKind::Conflict && decision.fields == ["name"]
    };
    assert_eq!(stage.entry(Side::Old, &old).decisions.iter().filter(conflict).count(), 1);
}

#[test]
fn invariants_06_and_07_an_absence_neither_resurrects_nor_deletes() {
    let mut stage = Stage::new(Provision::Eager);
    let (old, new) = stage.pair();
    stage.edit(Side::New, &new, |body| body.exists = false);
    stage.set(Side::Old, &old, "name", "still here");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AccountGone)));
    assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 0));
    assert!(stage.body(Side::Old, &old).enabled);
    stage.captured(Side::New, &new);
    assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 0));
}

#[test]
fn invariant_08_nothing_is_weakened() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    // A cleared flag does not travel, and is not set again either: the field is held for an
    // operator.
    stage.set(Side::New, &new, "email_verified", "false");
    let verdicts = stage.captured(Side::New, &new);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::VerificationLost)));
    assert_eq!(stage.says(Side::Old, &old, "email_verified").as_deref(), Some("true"));
    assert_eq!(stage.says(Side::New, &new, "email_verified").as_deref(), Some("false"));
    // Another address brings its own flag, never the old one's.
    stage.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("email"), "two@example.com".to_owned());
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    stage.set(Side::New, &new, "email_verified", "true");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("two@example.com"));
    assert_eq!(stage.says(Side::New, &new, "email_verified").as_deref(), Some("false"));
}

#[test]
fn invariant_08_edits_of_a_side_with_an_outdated_password_do_not_travel() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    // The holder of the leaked password changes the address in the new pool. No event reports it.
    stage.set(Side::New, &new, "email", "thief@example.com");
    stage.edit(Side::Old, &old, |_| {});
    let reset = Change { password: true, ..stage.change(Side::Old, &old, Proof::Changed) };
    stage.wait(limits::SETTLE);
    let verdict = stage.look(&reset).verdict;
    assert_eq!(verdict, Verdict::Held(Reason::StaleSide));
    assert_eq!(stage.says(Side::Old, &old, "email").as_deref(), Some("one@example.com"));
    let entry = stage.entry(Side::Old, &old);
    assert!(entry.passwords.closed.new.is_some(), "the leaked password still opens the account");
    assert_eq!(entry.passwords.closed.old, None);
}

#[test]
fn invariant_10_one_bad_field_blocks_no_other_and_nothing_holds_a_disable() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "nickname", "much too long for the other pool");
    stage.set(Side::Old, &old, "name", "fits");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Refused(Reason::TooLong)));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fits"));
    stage.world.lock().table.control.paused = Some("a test".to_owned());
    stage.edit(Side::Old, &old, |body| body.enabled = false);
    stage.set(Side::Old, &old, "name", "waits");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert!(!stage.body(Side::New, &new).enabled, "a pause held a disable");
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fits"));
    stage.world.lock().table.control.paused = None;
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("waits"));
}

#[test]
fn invariant_11_convergence() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    for round in 0..5 {
        stage.set(Side::Old, &old, "name", &format!("old {round}"));
        stage.capture(Side::Old, &old);
        stage.set(Side::New, &new, "nickname", &format!("new {round}"));
        stage.edit(Side::New, &new, |body| {
            if !body.groups.remove(&group("staff")) {
                body.groups.insert(group("staff"));
            }
        });
        stage.capture(Side::New, &new);
    }
    stage.settle();
    let (one, two) = (stage.body(Side::Old, &old), stage.body(Side::New, &new));
    assert_eq!((one.attributes, one.groups), (two.attributes, two.groups));
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn invariant_12_no_person_is_locked_out() {
    let mut lazy = Stage::new(Provision::Lazy);
    let old = lazy.account(Side::Old, 1, "one@example.com", true);
    lazy.captured(Side::Old, &old);
    assert_eq!(lazy.living(Side::New), 0, "a lazy bridge created an account");
    assert_eq!(lazy.entry(Side::Old, &old).state, PersonState::OnlyOld);
    let mut eager = Stage::new(Provision::Eager);
    let claimed = eager.account(Side::Old, 1, "one@example.com", false);
    let verdicts = eager.captured(Side::Old, &claimed);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::NoWayIn)));
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
    let mut stage = Stage::new(Provision::Lazy);
    stage.world.lock().pools.new.shape.alias_attributes = BTreeSet::from([attribute("email")]);
    let (old, new) = stage.pair();
    let other = stage.account(Side::New, 2, "two@example.com", true);
    stage.set(Side::Old, &old, "email", "two@example.com");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)));
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("one@example.com"));
    assert_eq!(stage.says(Side::New, &other, "email").as_deref(), Some("two@example.com"));
}

#[test]
fn invariant_16_no_account_is_linked_on_a_claim() {
    for (old_proved, new_proved) in [(false, false), (true, false), (false, true)] {
        let mut stage = Stage::new(Provision::Eager);
        let old = stage.account(Side::Old, 1, "one@example.com", old_proved);
        let new = stage.account(Side::New, 2, "one@example.com", new_proved);
        stage.capture(Side::New, &new);
        stage.captured(Side::Old, &old);
        let entries = [stage.entry(Side::Old, &old), stage.entry(Side::New, &new)];
        assert_ne!(entries[0].id, entries[1].id);
        for (entry, proved) in entries.iter().zip([old_proved, new_proved]) {
            // A claim waits. It keeps no owner of the address out.
            let wanted = (!proved).then_some(Reason::Unproven);
            assert_eq!(entry.reason, wanted, "old {old_proved}, new {new_proved}");
        }
    }
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.account(Side::New, 2, "one@example.com", true);
    stage.account(Side::New, 3, "one@example.com", true);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Ambiguous)));
}

#[test]
fn invariant_17_bounded() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    for round in 0..40 {
        stage.set(Side::Old, &old, "name", &format!("round {round}"));
        stage.captured(Side::Old, &old);
    }
    let entry = stage.entry(Side::Old, &old);
    assert!(entry.decisions.len() <= limits::DECISIONS_MAX);
    assert!(entry.flips.len() <= 4 && entry.obstacles.is_empty() && entry.intent.is_none());
}
