//! The protocol suite: every run of some small worlds over the real `reconcile`. The suite
//! `planted` shows that the search notices a missing rule in them. `poolbridge_tests::protocol`
//! documents the bounds and what they leave out.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

use poolbridge_core::rules::{ProtocolRules, Rule};
use poolbridge_tests::protocol::explore::{SearchStats, explore, replay, search};
use poolbridge_tests::protocol::small::Small;
use poolbridge_tests::protocol::worlds::{flags, links, losses, phases, texts, times, writes};

/// Explores a world with all rules: no promise may break, and no state may be left out.
fn sound(small: &Small) {
    let explored = explore(small);
    println!("{explored}");
    if let Some(found) = explored.found {
        panic!("{small}: {found}");
    }
    assert!(explored.whole, "{small}: too large for a suite");
}

/// Explores a world with a bug: a promise must break, and break again in a replay.
fn fails(small: &Small, bug: &str) {
    let explored = explore(small);
    let Some(found) = explored.found else { panic!("no promise broke, {bug}: {explored}") };
    let (violation, states) = (&found.violation, explored.states);
    println!("protocol: {bug}, after {states} states of {}: {violation}", small.name);
    assert_eq!(replay(small, &found.path, true), found.trace);
    let reported = format!("VIOLATION {violation}");
    assert_eq!(found.trace.last(), Some(&reported), "a replay breaks another promise");
}

#[test]
fn agreed_pair() {
    sound(&texts::baseline());
}

#[test]
fn agreed_pair_crash_after_crash() {
    sound(&texts::crashing_twice());
}

#[test]
fn agreed_pair_stale_reads() {
    sound(&texts::looking_back());
}

#[test]
fn agreed_pair_three_edits() {
    sound(&texts::busy());
}

#[test]
fn group_and_its_undo() {
    sound(&flags::member());
    sound(&flags::member_looking_back());
}

#[test]
fn group_and_a_crash() {
    sound(&flags::member_crashing());
}

#[test]
fn group_and_a_crash_and_stale_reads() {
    sound(&flags::member_crashing_looking_back());
}

#[test]
fn group_that_is_refused() {
    sound(&flags::member_declined());
    sound(&flags::member_declined_edited());
}

#[test]
fn disabled_and_enabled_again() {
    sound(&flags::disabled());
    sound(&flags::disabled_looking_back());
}

#[test]
fn two_texts_and_a_failing_write() {
    sound(&writes::refused());
    sound(&writes::refused_together());
}

#[test]
fn two_texts_and_a_failing_write_and_stale_reads() {
    sound(&writes::refused_looking_back());
    sound(&writes::refused_together_looking_back());
}

#[test]
fn two_texts_refused_and_a_crash() {
    sound(&writes::declined());
}

#[test]
fn two_texts_refused_and_an_edit() {
    sound(&writes::declined_edited());
}

#[test]
fn unlinked_pair_met_from_both_sides() {
    sound(&links::unlinked());
    sound(&links::unlinked_crashing());
}

#[test]
fn two_halves_met_from_both_sides() {
    sound(&links::halves());
    sound(&links::halves_crashing());
}

#[test]
fn eager_creation_with_its_answer_lost() {
    sound(&links::newborn());
}

#[test]
fn eager_creation_with_a_crash() {
    sound(&links::newborn_crashing());
    sound(&links::newborn_edited());
}

#[test]
fn suspended_workers() {
    sound(&times::suspended());
    sound(&times::suspended_repeated());
}

#[test]
fn suspended_workers_and_stale_reads() {
    sound(&times::suspended_looking_back());
}

#[test]
fn write_that_lands_late() {
    sound(&times::late());
}

#[test]
fn slow_worker_and_a_repeated_message() {
    sound(&times::overtaken());
}

#[test]
fn lost_messages_and_pending_changes() {
    sound(&losses::lost());
    sound(&losses::lost_twice());
    sound(&losses::pending_again());
}

#[test]
fn lost_messages_and_pending_changes_and_stale_reads() {
    sound(&losses::lost_looking_back());
    sound(&losses::lost_capture_looking_back());
}

#[test]
fn name_that_a_stranger_takes() {
    sound(&losses::replaced());
    sound(&losses::replaced_crashing());
}

#[test]
fn new_pool_active() {
    sound(&phases::switched());
}

#[test]
fn conflicts_held() {
    sound(&phases::held());
    sound(&phases::held_beside());
}

#[test]
fn switch_meanwhile() {
    sound(&phases::switching());
    sound(&phases::switching_crashing());
    sound(&phases::switching_unlinked());
    sound(&phases::switching_halves());
}

/// The operator must keep `AnnounceThenFlip` too: the suite notices a switch that does not wait.
#[test]
fn a_switch_that_does_not_wait_breaks_a_promise() {
    fails(&phases::switching_hastily(), "a hasty switch");
}

/// A world small enough to run in every possible order. The states that pruning reaches are all
/// states, and moves that are tried in one order only do not change how a run ends.
#[test]
fn pruning_leaves_no_state_out() {
    let small = Small { receptions: 1, prompt: true, crashes: 0, ..texts::baseline() };
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
        Small { receptions: 1, ..texts::baseline() },
        Small { receptions: 3, ..flags::member_crashing() },
        Small { receptions: 4, ..links::halves_crashing() },
        Small { receptions: 3, ..losses::lost_twice() },
        Small { receptions: 1, ..phases::switching() },
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
        Small { receptions: 2, prompt: true, ..texts::baseline() }
            .under(ProtocolRules::without(Rule::IntentKeepsSeenValue)),
        Small { receptions: 3, ..losses::lost_twice() }
            .under(ProtocolRules::without(Rule::PendingReadFirst)),
        Small { receptions: 1, ..phases::switching_hastily() },
    ];
    for small in worlds {
        let (reduced, whole) = both(&small);
        assert!(!whole.broken.is_empty(), "{small}");
        assert_eq!(reduced.broken, whole.broken, "{small}");
    }
}

/// The reduced search of a world and the complete one.
fn both(small: &Small) -> (SearchStats, SearchStats) {
    let (reduced, whole) = (search(small, true, true), search(small, true, false));
    let (few, all) = (reduced.states.len(), whole.states.len());
    println!(
        "protocol: {}: {} ends, by way of {few} states or {all}",
        small.name,
        whole.ends.len()
    );
    (reduced, whole)
}
