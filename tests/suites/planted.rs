//! Planted bugs: each rule of the protocol is taken away in turn, and worlds that are made for it
//! show the violation that it cures. The whole law holds on the very same worlds, so it is the
//! rule that makes the difference and not the world.
//!
//! A failure here means that the simulation has gone blind to a rule, or that the rule was lost.

#![expect(clippy::print_stdout, reason = "a suite tells what it found")]

use poolbridge_core::law::{Law, Rule};
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::profile::{Act, Land, Profile, Rhythm, Start};
use poolbridge_tests::simulation::run;
use poolbridge_tests::world::weather::{Climate, Fate};

/// How many worlds a rule may take to be missed.
const SEEDS_MAX: u64 = 30_000;

/// Looks for the first world in which the rule's absence shows, and proves that the world is sound
/// with the rule.
fn caught(rule: Rule, promises: &[&str], profile: &Profile) {
    let without = Profile { law: Law::without(rule), ..profile.clone() };
    let found = (0..SEEDS_MAX).find_map(|seed| {
        let violations = run(seed, &without).violations;
        violations.into_iter().next().map(|violation| (seed, violation))
    });
    let (seed, violation) = found.unwrap_or_else(|| panic!("nobody missed {rule:?}"));
    println!("without {rule:?}, seed {seed}: {violation}");
    assert!(
        promises.contains(&violation.promise),
        "without {rule:?} another promise than expected was broken: {violation}"
    );
    for seed in 0..=seed {
        let violations = run(seed, profile).violations;
        assert!(violations.is_empty(), "the whole law, seed {seed}: {}", violations[0]);
    }
}

const LOST: &str = "nothing is lost";
const RETURNS: &str = "no value returns";
const UNSWEPT: &str = "what was captured needs no sweep";
const UNCAUSED: &str = "nobody is removed without a cause";
const WRITERS: &str = "no two writers";

/// Crashes at any moment, some answers lost, no stale reads.
fn crashing() -> Profile {
    Profile {
        edits_max: 3,
        crashes: 2,
        climate: Climate {
            fault_one_in: 12,
            faults_max: 2,
            faults: vec![Fate::AnswerLost, Fate::RequestLost, Fate::LandsLate],
            ..Climate::calm()
        },
        rhythm: Rhythm { crash: 6, ..Rhythm::default() },
        ..Profile::quiet()
    }
}

/// Stale reads, and nothing else going wrong.
fn stale() -> Profile {
    Profile {
        edits_max: 3,
        climate: Climate { stale_one_in: 2, stale_max: 8, ..Climate::calm() },
        ..Profile::quiet()
    }
}

/// Two accounts of one human that nobody linked yet.
fn apart() -> Profile {
    Profile { starts: vec![Start::Unlinked, Start::Halves], workers_max: 3, ..crashing() }
}

/// People are created in the other pool, and the answers to creations get lost.
fn eager() -> Profile {
    Profile {
        starts: vec![Start::OldOnly],
        provision: vec![Provision::Eager],
        climate: Climate {
            fault_one_in: 2,
            faults_max: 1,
            faults: vec![Fate::AnswerLost, Fate::LandsLate],
            only: Some("AdminCreateUser"),
            ..Climate::calm()
        },
        ..crashing()
    }
}

#[test]
fn planted_r01_an_intent_without_what_was_there_is_caught() {
    caught(Rule::R1, &[LOST, RETURNS, "the conflict rule is obeyed"], &crashing());
}

#[test]
fn planted_r02_an_intent_resolved_only_where_planned_is_caught() {
    let climate = Climate {
        fault_one_in: 2,
        faults_max: 2,
        faults: vec![Fate::AnswerLost],
        only: Some("AdminUpdateUserAttributes"),
        ..Climate::calm()
    };
    caught(Rule::R2, &[LOST, RETURNS], &Profile { climate, edits_max: 4, ..crashing() });
}

#[test]
fn planted_r03_a_refused_step_recorded_as_done_is_caught() {
    let climate = Climate { faults: vec![Fate::Throttled, Fate::NotSent], ..crashing().climate };
    caught(Rule::R3, &[LOST, RETURNS, UNSWEPT], &Profile { climate, ..crashing() });
}

#[test]
fn planted_r04_a_value_that_came_back_taken_for_unwritten_is_caught() {
    let profile = Profile { acts: vec![(Act::Enabled, 1)], ..crashing() };
    caught(Rule::R4, &[LOST], &profile);
}

#[test]
fn planted_r04_a_text_that_came_back_taken_for_unwritten_is_caught() {
    caught(Rule::R4, &[LOST], &Mixture::RepeatingCrashing.profile());
}

#[test]
fn planted_an_agreement_of_two_moments_is_caught() {
    caught(Rule::QuietAgreement, &[LOST], &Mixture::Repeating.profile());
}

#[test]
fn planted_an_agreement_of_two_moments_is_caught_where_reads_are_stale() {
    caught(Rule::QuietAgreement, &[LOST], &Mixture::RepeatingStale.profile());
}

#[test]
fn planted_r05_a_lease_that_does_not_outlast_the_call_is_caught() {
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    let profile =
        Profile { sleeps: 3, repeats: 3, suspendable: vec![true], rhythm, ..Profile::quiet() };
    caught(Rule::R5, &[WRITERS, LOST], &profile);
}

#[test]
fn planted_r06_an_owner_named_after_the_message_is_caught() {
    let profile = Profile { repeats: 3, sleeps: 1, suspendable: vec![true], ..crashing() };
    caught(Rule::R6, &["no zombie passes", WRITERS], &profile);
}

#[test]
fn planted_r07_a_suspended_worker_that_nobody_waits_for_is_caught() {
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    let profile =
        Profile { sleeps: 3, repeats: 3, suspendable: vec![true], rhythm, ..Profile::quiet() };
    caught(Rule::R7, &[WRITERS, LOST], &profile);
}

#[test]
fn planted_r08_a_change_settled_by_a_stale_read_is_caught() {
    caught(Rule::R8, &[UNSWEPT], &stale());
}

#[test]
fn planted_r09_a_look_before_our_own_write_shows_is_caught() {
    let profile = Profile {
        acts: vec![(Act::Undo, 1)],
        sleeps: 2,
        repeats: 3,
        rhythm: Rhythm { rare: 12, ..Rhythm::default() },
        ..stale()
    };
    caught(Rule::R9, &[UNSWEPT, LOST, RETURNS], &profile);
}

#[test]
fn planted_r10_a_look_too_soon_after_a_record_is_caught() {
    caught(Rule::R10, &[LOST, RETURNS, UNSWEPT], &Profile { workers_max: 3, ..stale() });
}

#[test]
fn planted_r11_a_mark_read_after_the_look_is_caught() {
    let profile = Profile { edits_max: 4, losses: 4, workers_max: 3, ..Profile::quiet() };
    caught(Rule::R11, &[UNSWEPT], &profile);
}

#[test]
fn planted_r12_a_mark_whose_count_starts_again_is_caught() {
    let profile = Profile {
        edits_max: 4,
        losses: 8,
        repeats: 8,
        sleeps: 3,
        sleeps_before: Some("clear mark"),
        suspendable: vec![true],
        workers_max: 3,
        rhythm: Rhythm { deliver: 4, rare: 30, ..Rhythm::default() },
        ..Profile::quiet()
    };
    caught(Rule::R12, &[UNSWEPT], &profile);
}

#[test]
fn planted_r13_a_deduplication_id_that_repeats_is_caught() {
    let climate = Climate {
        fault_one_in: 3,
        faults_max: 2,
        faults: vec![Fate::RequestLost],
        only: Some("mark"),
        ..Climate::calm()
    };
    let profile = Profile { edits_max: 4, climate, ..Profile::quiet() };
    caught(Rule::R13, &[UNSWEPT], &profile);
}

#[test]
fn planted_r14_drained_by_the_marks_alone_is_caught() {
    let climate = Climate {
        fault_one_in: 3,
        faults_max: 2,
        faults: vec![Fate::RequestLost],
        only: Some("mark"),
        ..Climate::calm()
    };
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    let profile = Profile { looks: 12, climate, rhythm, ..Profile::quiet() };
    caught(Rule::R14, &["drained is honest"], &profile);
}

#[test]
fn planted_r15_a_mark_of_a_side_not_looked_at_is_caught() {
    let profile = Profile { edits_max: 4, losses: 3, workers_max: 3, ..Profile::quiet() };
    caught(Rule::R15, &[UNSWEPT, "drained is honest"], &profile);
}

#[test]
fn planted_r16_a_link_without_a_condition_is_caught() {
    let promises =
        ["one person for one account", WRITERS, "who can be linked is", "no two writers"];
    caught(Rule::R16, &promises, &apart());
}

#[test]
fn planted_r17_halves_that_never_meet_are_caught() {
    caught(Rule::R17, &["who can be linked is"], &apart());
}

#[test]
fn planted_r18_a_join_without_the_other_lease_is_caught() {
    let promises = [WRITERS, "no zombie passes", LOST, RETURNS, "one person for one account"];
    caught(Rule::R18, &promises, &apart());
}

#[test]
fn planted_r19_a_creation_that_nobody_noted_is_caught() {
    caught(Rule::R19, &[LOST, RETURNS, "one account for one person"], &eager());
}

#[test]
fn planted_r20_a_creation_that_nobody_looks_up_is_caught() {
    let promises = [LOST, RETURNS, "one account for one person", "nothing is left under way"];
    caught(Rule::R20, &promises, &eager());
}

#[test]
fn planted_r21_a_name_taken_for_a_person_is_caught() {
    let profile =
        Profile { acts: vec![(Act::Text, 3), (Act::Replace, 1)], edits_max: 4, ..Profile::quiet() };
    caught(Rule::R21, &["nobody receives another's facts"], &profile);
}

/// Two people at the least, so that one can be the other's canary; they delete their accounts, and
/// others sign up with their addresses.
fn departing() -> Profile {
    Profile {
        people_min: 2,
        people_max: 2,
        workers_max: 3,
        edits_max: 4,
        acts: vec![(Act::Text, 1), (Act::Delete, 2), (Act::Return, 2)],
        ..crashing()
    }
}

#[test]
fn planted_r22_one_look_taken_for_an_absence_is_caught() {
    let profile = Profile {
        people_min: 2,
        people_max: 2,
        starts: vec![Start::OldOnly, Start::NewOnly],
        acts: vec![(Act::Join, 1)],
        ..stale()
    };
    caught(Rule::R22, &["nobody living is buried", UNCAUSED], &profile);
}

#[test]
fn planted_r23_a_creation_not_looked_up_before_a_burial_is_caught() {
    let profile = Profile {
        people_min: 2,
        people_max: 2,
        edits_max: 4,
        acts: vec![(Act::Text, 2), (Act::Delete, 2)],
        workers_max: 3,
        starts: vec![Start::OldOnly],
        ..eager()
    };
    caught(Rule::R23, &["nobody deleted is made again"], &profile);
}

#[test]
fn planted_r26_a_newcomer_who_takes_a_dead_ones_place_is_caught() {
    let promises = [
        "nobody receives another's facts",
        "nobody is linked without proof",
        "one person for one account",
        UNCAUSED,
    ];
    caught(Rule::R26, &promises, &departing());
}

#[test]
fn planted_an_absence_without_a_canary_is_caught() {
    let profile = Profile { people_min: 1, people_max: 1, ..departing() };
    caught(Rule::Canary, &["nobody is removed without a canary"], &profile);
}

#[test]
fn planted_an_address_apart_from_its_flag_is_caught() {
    let acts = vec![(Act::Address, 2), (Act::Verify, 1)];
    let profile = Profile { acts, edits_max: 4, ..Profile::quiet() };
    caught(Rule::AddressWithFlag, &["nothing is weakened"], &profile);
}

#[test]
fn planted_an_unread_list_taken_for_an_empty_one_is_caught() {
    let climate = Climate {
        fault_one_in: 3,
        faults_max: 2,
        faults: vec![Fate::Throttled],
        only: Some("AdminListGroupsForUser"),
        ..Climate::calm()
    };
    let acts = vec![(Act::Text, 1), (Act::Group, 1)];
    let profile = Profile { acts, climate, ..Profile::quiet() };
    caught(Rule::UnreadIsNotEmpty, &["unread is not empty", LOST, RETURNS], &profile);
}

#[test]
fn planted_no_base_taken_for_the_active_sides_word_is_caught() {
    let conflicts = vec![ConflictRule::ActiveWins];
    let profile = Profile { starts: vec![Start::Unlinked], conflicts, ..Profile::quiet() };
    caught(Rule::MissingBase, &[LOST], &profile);
}

#[test]
fn planted_a_link_on_a_claim_is_caught() {
    let profile = Profile {
        starts: vec![Start::OldOnly],
        lands: vec![Land::Plain],
        impostor: true,
        ..Profile::quiet()
    };
    let promises = ["nobody is linked without proof", "nobody receives another's facts"];
    caught(Rule::LinkWithProof, &promises, &profile);
}

#[test]
fn planted_a_message_that_is_trusted_instead_of_the_pools_is_caught() {
    let profile = Profile { edits_max: 4, workers_max: 3, ..Profile::quiet() };
    caught(Rule::ReadAfresh, &[LOST, RETURNS, UNSWEPT], &profile);
}
