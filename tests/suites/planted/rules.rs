//! The worlds that show a missing rule, and the promise that each breaks. Rules about deletions
//! have a file of their own.

use poolbridge_core::rules::Rule;
use poolbridge_tests::protocol::worlds::{flags, links, losses, phases, texts, times, writes};
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::parameters::{
    Act, InitialState, MoveWeights, PoolLayout, WorldParameters,
};
use poolbridge_tests::world::fault_injection::{CallFate, FaultRates};

use super::deletions::{
    absence_twice, canary_reads, deleted_never_match, same_sub, tombstone_first, tombstone_stays,
};
use super::worlds::{
    PlantedWorld, apart, crashing, eager, failing, mixture, simulated, small, stale, suspending,
};

pub(super) const LOST: &str = "nothing is lost";
pub(super) const RETURNS: &str = "no value returns";
pub(super) const UNSWEPT: &str = "a captured change needs no sweep";
pub(super) const UNCAUSED: &str = "no account is removed without a cause";
pub(super) const WRITERS: &str = "no two writers";
pub(super) const LEASE_LOST: &str = "no worker stores after it lost its lease";
pub(super) const DRAINED: &str = "drained is reported only when it is true";
pub(super) const UNLINKED: &str = "every pair that can be linked is linked";
pub(super) const ONE_PERSON: &str = "each account belongs to one person";
pub(super) const ONE_ACCOUNT: &str = "each person has at most one account per pool";
pub(super) const OTHER_PERSONS_VALUES: &str = "no person receives another person's values";
pub(super) const UNPROVEN: &str = "no account is linked without proof";
pub(super) const RECREATED: &str = "no deleted person is created again";

/// The worlds of a rule, at least two. Without the rule each of them breaks a promise.
pub(crate) fn worlds(rule: Rule) -> Vec<PlantedWorld> {
    match rule {
        Rule::IntentKeepsSeenValue => intent_keeps_seen_value(),
        Rule::IntentReplacesBaseline => intent_replaces_baseline(),
        Rule::RecordOnlyDone => record_only_done(),
        Rule::AmbiguousRevertIsConflict => ambiguous_revert_is_conflict(),
        Rule::LeaseOutlastsWrite => lease_outlasts_write(),
        Rule::UniqueLeaseOwner => unique_lease_owner(),
        Rule::LeaseOutlastsProcess => lease_outlasts_process(),
        Rule::SettleBeforeClearing => settle_before_clearing(),
        Rule::IntentSettlesFirst => intent_settles_first(),
        Rule::NotBefore => not_before(),
        Rule::PendingReadFirst => pending_read_first(),
        Rule::TokenNeverRepeats => token_never_repeats(),
        Rule::UniqueDeduplicationId => unique_deduplication_id(),
        Rule::DrainedMeansEmpty => drained_means_empty(),
        Rule::ClearOnlyObservedSides => clear_only_observed_sides(),
        Rule::LinkInOneTransaction => link_in_one_transaction(),
        Rule::MergeHalves => merge_halves(),
        Rule::JoinUnderLease => join_under_lease(),
        Rule::CreationIntentFirst => creation_intent_first(),
        Rule::ResolveCreationFirst => resolve_creation_first(),
        Rule::SameSub => same_sub(),
        Rule::AbsenceTwice => absence_twice(),
        Rule::TombstoneFirst => tombstone_first(),
        Rule::TombstoneStays => tombstone_stays(),
        Rule::DeletedNeverMatch => deleted_never_match(),
        Rule::IntentChecksPhase | Rule::AnnounceThenFlip => switches(),
        Rule::ReadAfresh => read_afresh(),
        Rule::AddressWithFlag => address_with_flag(),
        Rule::UnknownIsNotAbsent => unknown_is_not_absent(),
        Rule::NoBaselineRules => no_baseline_rules(),
        Rule::LinkWithProof => link_with_proof(),
        Rule::CanaryReads => canary_reads(),
        Rule::QuietAgreement => quiet_agreement(),
    }
}

fn intent_keeps_seen_value() -> Vec<PlantedWorld> {
    vec![
        simulated("crashes", &[LOST, RETURNS, "the conflict rule is obeyed"], crashing()),
        small(texts::baseline()),
        small(phases::switched()),
        small(phases::held()),
    ]
}

fn intent_replaces_baseline() -> Vec<PlantedWorld> {
    let lost = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[CallFate::AnswerLost]);
    let text = WorldParameters { rates: lost, edits_max: 4, ..crashing() };
    let acts = vec![(Act::Enabled, 1), (Act::Text, 1)];
    let flag = WorldParameters { acts, edits_max: 4, crashes: 3, ..crashing() };
    vec![
        simulated("crashes, answers lost", &[LOST, RETURNS], text),
        simulated("a text and a flag, three crashes", &[LOST, RETURNS], flag),
        small(texts::two_crashes()),
    ]
}

fn record_only_done() -> Vec<PlantedWorld> {
    let rates = failing(None, 12, 2, &[CallFate::Throttled, CallFate::NotSent]);
    let parameters = WorldParameters { rates, ..crashing() };
    vec![
        simulated("calls that fail", &[LOST, RETURNS, UNSWEPT], parameters),
        small(writes::refused()),
        small(writes::declined()),
        small(flags::member_declined()),
    ]
}

fn ambiguous_revert_is_conflict() -> Vec<PlantedWorld> {
    let flag = WorldParameters { acts: vec![(Act::Enabled, 1)], ..crashing() };
    vec![
        simulated("a flag, crashes", &[LOST], flag),
        mixture(Mixture::RepeatingCrashing, &[LOST]),
        small(flags::disabled()),
    ]
}

fn lease_outlasts_write() -> Vec<PlantedWorld> {
    vec![
        simulated("workers suspended at random", &[WRITERS, LOST], suspending()),
        small(times::suspended()),
    ]
}

fn unique_lease_owner() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { repeats: 3, suspensions: 1, suspendable: vec![true], ..crashing() };
    vec![
        simulated("repeated messages, crashes", &[LEASE_LOST, WRITERS], parameters),
        small(times::suspended_repeated()),
    ]
}

fn lease_outlasts_process() -> Vec<PlantedWorld> {
    vec![
        simulated("workers suspended at random", &[WRITERS, LOST], suspending()),
        small(times::suspended()),
    ]
}

fn settle_before_clearing() -> Vec<PlantedWorld> {
    vec![
        simulated("stale reads", &[UNSWEPT], stale()),
        small(texts::baseline()),
        small(losses::lost_stale_reads()),
    ]
}

fn intent_settles_first() -> Vec<PlantedWorld> {
    let undone = WorldParameters {
        acts: vec![(Act::Undo, 1)],
        suspensions: 2,
        repeats: 3,
        move_weights: MoveWeights { rare: 12, ..MoveWeights::default() },
        ..stale()
    };
    let late = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[CallFate::LandsLate]);
    let rates = FaultRates { stale_one_in: 3, stale_max: 4, ..late };
    let late = WorldParameters { rates, edits_max: 4, ..suspending() };
    vec![
        simulated("stale reads, an undone flag", &[UNSWEPT, LOST, RETURNS], undone),
        simulated("writes that land late, suspended workers", &[UNSWEPT, LOST, RETURNS], late),
        small(times::late()),
    ]
}

fn not_before() -> Vec<PlantedWorld> {
    let parameters = WorldParameters { workers_max: 3, ..stale() };
    vec![
        simulated("stale reads, three workers", &[LOST, RETURNS, UNSWEPT], parameters),
        small(texts::baseline()),
        small(flags::member_crashing_stale_reads()),
    ]
}

fn pending_read_first() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { edits_max: 4, losses: 4, workers_max: 3, ..WorldParameters::minimal() };
    vec![simulated("lost messages", &[UNSWEPT], parameters), small(losses::lost_twice())]
}

fn token_never_repeats() -> Vec<PlantedWorld> {
    let parameters = WorldParameters {
        edits_max: 4,
        losses: 8,
        repeats: 8,
        suspensions: 3,
        suspend_before: Some("clear mark"),
        suspendable: vec![true],
        workers_max: 3,
        move_weights: MoveWeights {
            turn: 80,
            edit: 2,
            deliver: 8,
            rare: 30,
            ..MoveWeights::default()
        },
        ..WorldParameters::minimal()
    };
    vec![
        simulated("workers suspended before they clear", &[UNSWEPT], parameters),
        small(losses::pending_again()),
    ]
}

fn unique_deduplication_id() -> Vec<PlantedWorld> {
    let rates = failing(Some("mark"), 3, 2, &[CallFate::RequestLost]);
    let parameters = WorldParameters { edits_max: 4, rates, ..WorldParameters::minimal() };
    vec![simulated("lost pending changes", &[UNSWEPT], parameters), small(losses::lost_twice())]
}

fn drained_means_empty() -> Vec<PlantedWorld> {
    let rates = failing(Some("mark"), 3, 2, &[CallFate::RequestLost]);
    let move_weights = MoveWeights { rare: 12, ..MoveWeights::default() };
    let parameters =
        WorldParameters { drain_checks: 12, rates, move_weights, ..WorldParameters::minimal() };
    vec![
        simulated("lost pending changes, many drain checks", &[DRAINED], parameters),
        small(losses::lost()),
    ]
}

fn clear_only_observed_sides() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { edits_max: 4, losses: 3, workers_max: 3, ..WorldParameters::minimal() };
    vec![simulated("lost messages", &[UNSWEPT, DRAINED], parameters), small(losses::lost())]
}

fn link_in_one_transaction() -> Vec<PlantedWorld> {
    vec![
        simulated("two unlinked accounts", &[ONE_PERSON, WRITERS, UNLINKED], apart()),
        small(links::unlinked()),
    ]
}

fn merge_halves() -> Vec<PlantedWorld> {
    vec![simulated("two unlinked accounts", &[UNLINKED], apart()), small(links::halves())]
}

fn join_under_lease() -> Vec<PlantedWorld> {
    let promises = [WRITERS, LEASE_LOST, LOST, RETURNS, ONE_PERSON];
    vec![simulated("two unlinked accounts", &promises, apart()), small(links::halves_crashing())]
}

fn creation_intent_first() -> Vec<PlantedWorld> {
    vec![
        simulated("creations whose answer is lost", &[LOST, RETURNS, ONE_ACCOUNT], eager()),
        small(links::creation()),
    ]
}

fn resolve_creation_first() -> Vec<PlantedWorld> {
    let promises = [LOST, RETURNS, ONE_ACCOUNT, "no intent is left open"];
    vec![
        simulated("creations whose answer is lost", &promises, eager()),
        small(links::creation_crashing()),
    ]
}

/// The switch happens between a worker's read of the control item and its plan. The first world
/// links two accounts that never agreed; the second has a conflict of two edits.
fn switches() -> Vec<PlantedWorld> {
    vec![small(phases::switching_unlinked()), small(phases::switching_alone())]
}

fn read_afresh() -> Vec<PlantedWorld> {
    let three_workers =
        WorldParameters { edits_max: 4, workers_max: 3, ..WorldParameters::minimal() };
    let promises = [LOST, RETURNS, UNSWEPT];
    vec![
        simulated("three workers", &promises, three_workers),
        simulated("two unlinked accounts", &promises, apart()),
    ]
}

fn address_with_flag() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Address, 2), (Act::Verify, 1)];
    let plain = WorldParameters { acts: acts.clone(), edits_max: 4, ..WorldParameters::minimal() };
    let names = WorldParameters { acts, layouts: vec![PoolLayout::ByAddress], ..crashing() };
    vec![
        simulated("addresses and their proofs", &["nothing is weakened"], plain),
        simulated("addresses that are usernames, crashes", &["nothing is weakened"], names),
    ]
}

fn unknown_is_not_absent() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Text, 1), (Act::Group, 1)];
    let throttled = failing(Some("AdminListGroupsForUser"), 3, 2, &[CallFate::Throttled]);
    let denied = FaultRates { groups_gone_one_in: 3, groups_gone_max: 3, ..FaultRates::none() };
    let world = |rates| WorldParameters { acts: acts.clone(), rates, ..WorldParameters::minimal() };
    let promises = ["an unknown list is not an empty list", LOST, RETURNS];
    vec![
        simulated("lists of groups that fail", &promises, world(throttled)),
        simulated("lists of groups that deny the account", &promises, world(denied)),
    ]
}

fn no_baseline_rules() -> Vec<PlantedWorld> {
    let linked =
        WorldParameters { starts: vec![InitialState::Unlinked], ..WorldParameters::minimal() };
    let signed_up = WorldParameters {
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Join, 2), (Act::Text, 1)],
        edits_max: 3,
        ..WorldParameters::minimal()
    };
    vec![
        simulated("two accounts that are linked", &[LOST], linked),
        simulated("people who sign up in the other pool", &[LOST], signed_up),
    ]
}

fn link_with_proof() -> Vec<PlantedWorld> {
    let claimed = WorldParameters {
        starts: vec![InitialState::OldOnly],
        claimant: true,
        ..WorldParameters::minimal()
    };
    let unproved = WorldParameters {
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Address, 1), (Act::Join, 1)],
        edits_max: 4,
        ..WorldParameters::minimal()
    };
    vec![
        simulated("another person claims the address", &[UNPROVEN, OTHER_PERSONS_VALUES], claimed),
        simulated("an address of the person's own, unproved", &[UNPROVEN, LOST], unproved),
    ]
}

fn quiet_agreement() -> Vec<PlantedWorld> {
    let one = WorldParameters {
        acts: vec![(Act::Word, 1), (Act::Blank, 1)],
        texts: vec!["name"],
        move_weights: MoveWeights { edit: 15, ..MoveWeights::default() },
        ..WorldParameters::repeating()
    };
    vec![
        simulated("one text that is set to two words, or blanked", &[LOST], one),
        mixture(Mixture::RepeatingStale, &[LOST]),
    ]
}
