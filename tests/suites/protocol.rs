//! The protocol suite: every run of some small worlds over the real `reconcile`. The suite
//! `planted` shows that the search notices a missing rule in them. `poolbridge_tests::protocol`
//! documents the bounds and what they leave out.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

use poolbridge_core::rules::{ProtocolRules, Rule};
use poolbridge_tests::protocol::explore::{SearchStats, explore, replay, search};
use poolbridge_tests::protocol::small::SmallWorld;
use poolbridge_tests::protocol::worlds::{flags, links, losses, phases, texts, times, writes};

/// Explores a world with all rules: no promise may break, and no state may be left out.
fn assert_sound(small: &SmallWorld) {
    let explored = explore(small);
    println!("{explored}");
    if let Some(found) = explored.found {
        panic!("{small}: {found}");
    }
    assert!(explored.whole, "{small}: too large for a suite");
}

/// Explores a world with a bug: a promise must break, and break again in a replay.
fn fails(small: &SmallWorld, bug: &str) {
    let explored = explore(small);
    let Some(found) = explored.found else { panic!("no promise broke, {bug}: {explored}") };
    let (violation, states) = (&found.violation, explored.states);
    println!("protocol: {bug}, after {states} states of {}: {violation}", small.name);
    assert_eq!(replay(small, &found.path, true), found.trace);
    let last = format!("VIOLATION {violation}");
    assert_eq!(found.trace.last(), Some(&last), "a replay breaks another promise");
}

#[test]
fn runs_of_an_agreed_pair_are_sound() {
    assert_sound(&texts::baseline());
}

#[test]
fn runs_with_crash_after_crash_are_sound() {
    assert_sound(&texts::two_crashes());
}

#[test]
fn runs_with_stale_reads_are_sound() {
    assert_sound(&texts::stale_reads());
}

#[test]
fn runs_with_three_edits_are_sound() {
    assert_sound(&texts::busy());
}

#[test]
fn runs_with_a_group_and_its_undo_are_sound() {
    assert_sound(&flags::member());
    assert_sound(&flags::member_stale_reads());
}

#[test]
fn runs_with_a_group_and_a_crash_are_sound() {
    assert_sound(&flags::member_crashing());
}

#[test]
fn runs_with_a_group_a_crash_and_stale_reads_are_sound() {
    assert_sound(&flags::member_crashing_stale_reads());
}

#[test]
fn runs_with_a_refused_group_are_sound() {
    assert_sound(&flags::member_declined());
    assert_sound(&flags::member_declined_edited());
}

#[test]
fn runs_with_a_disable_and_its_undo_are_sound() {
    assert_sound(&flags::disabled());
    assert_sound(&flags::disabled_stale_reads());
}

#[test]
fn runs_with_two_texts_and_a_failing_write_are_sound() {
    assert_sound(&writes::refused());
    assert_sound(&writes::refused_together());
}

#[test]
fn runs_with_two_texts_a_failing_write_and_stale_reads_are_sound() {
    assert_sound(&writes::refused_stale_reads());
    assert_sound(&writes::refused_together_stale_reads());
}

#[test]
fn runs_with_two_refused_texts_and_a_crash_are_sound() {
    assert_sound(&writes::declined());
}

#[test]
fn runs_with_two_refused_texts_and_an_edit_are_sound() {
    assert_sound(&writes::declined_edited());
}

#[test]
fn runs_that_link_a_pair_from_both_sides_are_sound() {
    assert_sound(&links::unlinked());
    assert_sound(&links::unlinked_crashing());
}

#[test]
fn runs_that_merge_two_records_of_a_person_are_sound() {
    assert_sound(&links::halves());
    assert_sound(&links::halves_crashing());
}

#[test]
fn runs_with_a_creation_whose_answer_is_lost_are_sound() {
    assert_sound(&links::creation());
}

#[test]
fn runs_with_a_creation_and_a_crash_are_sound() {
    assert_sound(&links::creation_crashing());
    assert_sound(&links::creation_edited());
}

#[test]
fn runs_with_suspended_workers_are_sound() {
    assert_sound(&times::suspended());
    assert_sound(&times::suspended_repeated());
}

#[test]
fn runs_with_suspended_workers_and_stale_reads_are_sound() {
    assert_sound(&times::suspended_stale_reads());
}

#[test]
fn runs_with_a_write_that_lands_late_are_sound() {
    assert_sound(&times::late());
}

#[test]
fn runs_with_a_slow_worker_and_a_repeated_message_are_sound() {
    assert_sound(&times::overtaken());
}

#[test]
fn runs_with_lost_messages_and_pending_changes_are_sound() {
    assert_sound(&losses::lost());
    assert_sound(&losses::lost_twice());
    assert_sound(&losses::pending_again());
}

#[test]
fn runs_with_lost_messages_and_stale_reads_are_sound() {
    assert_sound(&losses::lost_stale_reads());
    assert_sound(&losses::lost_pending_change_stale_reads());
}

#[test]
fn runs_with_a_username_that_another_person_takes_are_sound() {
    assert_sound(&losses::replaced());
    assert_sound(&losses::replaced_crashing());
}

#[test]
fn runs_with_the_new_pool_active_are_sound() {
    assert_sound(&phases::switched());
}

#[test]
fn runs_with_held_conflicts_are_sound() {
    assert_sound(&phases::held());
    assert_sound(&phases::held_with_another_text());
}

#[test]
fn runs_with_a_switch_meanwhile_are_sound() {
    assert_sound(&phases::switching());
    assert_sound(&phases::switching_crashing());
    assert_sound(&phases::switching_unlinked());
    assert_sound(&phases::switching_halves());
}

/// The operator must keep `AnnounceThenFlip` too: the suite notices a switch that does not wait.
#[test]
fn a_switch_that_does_not_wait_breaks_a_promise() {
    fails(&phases::switching_without_waiting(), "a switch that does not wait");
}

/// A world small enough to run in every possible order. The states that pruning reaches are all
/// states, and moves that are tried in one order only do not change how a run ends.
#[test]
fn pruning_leaves_no_state_out() {
    let small = SmallWorld { receptions: 1, prompt: true, crashes: 0, ..texts::baseline() };
    let pruned = search(&small, true, false);
    let all = search(&small, false, false);
    let (few, many) = (pruned.runs, all.runs);
    println!(
        "protocol: {} states, in {few} runs with pruning and {many} without",
        all.states.len()
    );
    assert!(few < many, "nothing was pruned");
    assert_eq!(pruned.states, all.states);
    assert!(pruned.ends.keys().eq(all.ends.keys()), "an end was left out");
}

/// Moves that are tried in one order only make no difference: the runs end in the same states.
#[test]
fn reduction_leaves_no_end_out() {
    let worlds = [
        SmallWorld { receptions: 1, ..texts::baseline() },
        SmallWorld { receptions: 3, ..flags::member_crashing() },
        SmallWorld { receptions: 4, ..links::halves_crashing() },
        SmallWorld { receptions: 3, ..losses::lost_twice() },
        SmallWorld { receptions: 1, ..phases::switching() },
    ];
    let (mut few, mut all) = (0, 0);
    for small in worlds {
        let (reduced, whole) = both(&small);
        let missing = whole.ends.iter().find(|(end, _)| !reduced.ends.contains_key(end));
        if let Some((_, path)) = missing {
            let trace = replay(&small, path, false).join("\n");
            panic!("{small}: only the complete search ends in\n{trace}");
        }
        assert_eq!(reduced.ends.len(), whole.ends.len(), "{small}");
        assert!(reduced.states.len() <= whole.states.len(), "{small}");
        assert!(reduced.broken.is_empty() && whole.broken.is_empty(), "{small}");
        few += reduced.states.len();
        all += whole.states.len();
    }
    // Not in each world: where the operator may switch, a read of the control item makes a
    // difference at every moment, so no move may be left out there.
    assert!(few < all, "nothing was left out in any world");
}

/// Without a rule, the same promises break. (The ends do not count then: a run ends with the first
/// promise that it breaks.)
#[test]
fn reduction_leaves_no_broken_promise_out() {
    let worlds = [
        SmallWorld { receptions: 2, prompt: true, ..texts::baseline() }
            .under(ProtocolRules::without(Rule::IntentKeepsSeenValue)),
        SmallWorld { receptions: 3, ..losses::lost_twice() }
            .under(ProtocolRules::without(Rule::PendingReadFirst)),
        SmallWorld { receptions: 1, ..phases::switching_without_waiting() },
    ];
    for small in worlds {
        let (reduced, whole) = both(&small);
        assert!(!whole.broken.is_empty(), "{small}");
        assert_eq!(reduced.broken, whole.broken, "{small}");
    }
}

/// The reduced search of a world and the complete one.
fn both(small: &SmallWorld) -> (SearchStats, SearchStats) {
    let (reduced, whole) = (search(small, true, true), search(small, true, false));
    let (few, all) = (reduced.states.len(), whole.states.len());
    println!(
        "protocol: {}: {} ends, by way of {few} states or {all}",
        small.name,
        whole.ends.len()
    );
    (reduced, whole)
}
