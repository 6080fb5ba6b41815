//! The worlds that show a missing rule, and the promise that each breaks.

use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_core::rules::Rule;
use poolbridge_tests::protocol::worlds::{flags, links, losses, phases, texts, times, writes};
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::parameters::{Act, InitialState, Land, Rhythm, WorldParameters};
use poolbridge_tests::world::fault_injection::{CallFate, FaultRates};

use super::worlds::{
    PlantedWorld, apart, crashing, departing, eager, failing, kept, mixture, simulated, sleeping,
    small, stale, unnoticed,
};

const LOST: &str = "nothing is lost";
const RETURNS: &str = "no value returns";
const UNSWEPT: &str = "a captured change needs no sweep";
const UNCAUSED: &str = "no account is removed without a cause";
const WRITERS: &str = "no two writers";
const ZOMBIE: &str = "no worker stores after it lost its lease";
const DRAINED: &str = "drained is reported only when it is true";
const UNLINKED: &str = "every pair that can be linked is linked";
const ONE_PERSON: &str = "each account belongs to one person";
const ONE_ACCOUNT: &str = "each person has at most one account per pool";
const STRANGER: &str = "no person receives another person's values";
const UNPROVEN: &str = "no account is linked without proof";
const REBORN: &str = "no deleted person is created again";

/// The worlds of a rule, at least two. Without the rule each of them breaks a promise.
pub(crate) fn worlds(rule: Rule) -> Vec<PlantedWorld> {
    match rule {
        Rule::IntentKeepsSeenValue => r1(),
        Rule::IntentReplacesBaseline => r2(),
        Rule::RecordOnlyDone => r3(),
        Rule::AmbiguousRevertIsConflict => r4(),
        Rule::LeaseOutlastsWrite => r5(),
        Rule::UniqueLeaseOwner => r6(),
        Rule::LeaseOutlastsProcess => r7(),
        Rule::SettleBeforeClearing => r8(),
        Rule::IntentSettlesFirst => r9(),
        Rule::NotBefore => r10(),
        Rule::PendingReadFirst => r11(),
        Rule::TokenNeverRepeats => r12(),
        Rule::UniqueDeduplicationId => r13(),
        Rule::DrainedMeansEmpty => r14(),
        Rule::ClearOnlyObservedSides => r15(),
        Rule::LinkInOneTransaction => r16(),
        Rule::MergeHalves => r17(),
        Rule::JoinUnderLease => r18(),
        Rule::CreationIntentFirst => r19(),
        Rule::ResolveCreationFirst => r20(),
        Rule::SameSub => r21(),
        Rule::AbsenceTwice => r22(),
        Rule::TombstoneFirst => r23(),
        Rule::TombstoneStays => r24(),
        Rule::DeletedNeverMatch => r26(),
        Rule::IntentChecksPhase | Rule::AnnounceThenFlip => switches(),
        Rule::ReadAfresh => read_afresh(),
        Rule::AddressWithFlag => address_with_flag(),
        Rule::UnknownIsNotAbsent => unread_is_not_empty(),
        Rule::NoBaselineRules => missing_base(),
        Rule::LinkWithProof => link_with_proof(),
        Rule::CanaryReads => canary(),
        Rule::QuietAgreement => quiet_agreement(),
    }
}

fn r1() -> Vec<PlantedWorld> {
    vec![
        simulated("crashes", &[LOST, RETURNS, "the conflict rule is obeyed"], crashing()),
        small(texts::baseline()),
        small(phases::switched()),
        small(phases::held()),
    ]
}

fn r2() -> Vec<PlantedWorld> {
    let lost = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[CallFate::AnswerLost]);
    let text = WorldParameters { rates: lost, edits_max: 4, ..crashing() };
    let acts = vec![(Act::Enabled, 1), (Act::Text, 1)];
    let flag = WorldParameters { acts, edits_max: 4, crashes: 3, ..crashing() };
    vec![
        simulated("crashes, answers lost", &[LOST, RETURNS], text),
        simulated("a text and a flag, three crashes", &[LOST, RETURNS], flag),
        small(texts::crashing_twice()),
    ]
}

fn r3() -> Vec<PlantedWorld> {
    let rates = failing(None, 12, 2, &[CallFate::Throttled, CallFate::NotSent]);
    let parameters = WorldParameters { rates, ..crashing() };
    vec![
        simulated("calls that fail", &[LOST, RETURNS, UNSWEPT], parameters),
        small(writes::refused()),
        small(writes::declined()),
        small(flags::member_declined()),
    ]
}

fn r4() -> Vec<PlantedWorld> {
    let flag = WorldParameters { acts: vec![(Act::Enabled, 1)], ..crashing() };
    vec![
        simulated("a flag, crashes", &[LOST], flag),
        mixture(Mixture::RepeatingCrashing, &[LOST]),
        small(flags::disabled()),
    ]
}

fn r5() -> Vec<PlantedWorld> {
    vec![simulated("sleeping workers", &[WRITERS, LOST], sleeping()), small(times::suspended())]
}

fn r6() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { repeats: 3, sleeps: 1, suspendable: vec![true], ..crashing() };
    vec![
        simulated("repeated messages, crashes", &[ZOMBIE, WRITERS], parameters),
        small(times::suspended_repeated()),
    ]
}

fn r7() -> Vec<PlantedWorld> {
    vec![simulated("sleeping workers", &[WRITERS, LOST], sleeping()), small(times::suspended())]
}

fn r8() -> Vec<PlantedWorld> {
    vec![
        simulated("stale reads", &[UNSWEPT], stale()),
        small(texts::baseline()),
        small(losses::lost_looking_back()),
    ]
}

fn r9() -> Vec<PlantedWorld> {
    let undone = WorldParameters {
        acts: vec![(Act::Undo, 1)],
        sleeps: 2,
        repeats: 3,
        rhythm: Rhythm { rare: 12, ..Rhythm::default() },
        ..stale()
    };
    let late = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[CallFate::LandsLate]);
    let rates = FaultRates { stale_one_in: 3, stale_max: 4, ..late };
    let late = WorldParameters { rates, edits_max: 4, ..sleeping() };
    vec![
        simulated("stale reads, an undone flag", &[UNSWEPT, LOST, RETURNS], undone),
        simulated("writes that land late, sleeping workers", &[UNSWEPT, LOST, RETURNS], late),
        small(times::late()),
    ]
}

fn r10() -> Vec<PlantedWorld> {
    let parameters = WorldParameters { workers_max: 3, ..stale() };
    vec![
        simulated("stale reads, three workers", &[LOST, RETURNS, UNSWEPT], parameters),
        small(texts::baseline()),
        small(flags::member_crashing_looking_back()),
    ]
}

fn r11() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { edits_max: 4, losses: 4, workers_max: 3, ..WorldParameters::quiet() };
    vec![simulated("lost messages", &[UNSWEPT], parameters), small(losses::lost_twice())]
}

fn r12() -> Vec<PlantedWorld> {
    let parameters = WorldParameters {
        edits_max: 4,
        losses: 8,
        repeats: 8,
        sleeps: 3,
        sleeps_before: Some("clear mark"),
        suspendable: vec![true],
        workers_max: 3,
        rhythm: Rhythm { turn: 80, edit: 2, deliver: 8, rare: 30, ..Rhythm::default() },
        ..WorldParameters::quiet()
    };
    vec![
        simulated("workers that sleep before they clear", &[UNSWEPT], parameters),
        small(losses::pending_again()),
    ]
}

fn r13() -> Vec<PlantedWorld> {
    let rates = failing(Some("mark"), 3, 2, &[CallFate::RequestLost]);
    let parameters = WorldParameters { edits_max: 4, rates, ..WorldParameters::quiet() };
    vec![simulated("lost marks", &[UNSWEPT], parameters), small(losses::lost_twice())]
}

fn r14() -> Vec<PlantedWorld> {
    let rates = failing(Some("mark"), 3, 2, &[CallFate::RequestLost]);
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    let parameters = WorldParameters { looks: 12, rates, rhythm, ..WorldParameters::quiet() };
    vec![simulated("lost marks, many looks", &[DRAINED], parameters), small(losses::lost())]
}

fn r15() -> Vec<PlantedWorld> {
    let parameters =
        WorldParameters { edits_max: 4, losses: 3, workers_max: 3, ..WorldParameters::quiet() };
    vec![simulated("lost messages", &[UNSWEPT, DRAINED], parameters), small(losses::lost())]
}

fn r16() -> Vec<PlantedWorld> {
    vec![
        simulated("two accounts apart", &[ONE_PERSON, WRITERS, UNLINKED], apart()),
        small(links::unlinked()),
    ]
}

fn r17() -> Vec<PlantedWorld> {
    vec![simulated("two accounts apart", &[UNLINKED], apart()), small(links::halves())]
}

fn r18() -> Vec<PlantedWorld> {
    let promises = [WRITERS, ZOMBIE, LOST, RETURNS, ONE_PERSON];
    vec![simulated("two accounts apart", &promises, apart()), small(links::halves_crashing())]
}

fn r19() -> Vec<PlantedWorld> {
    vec![
        simulated("creations whose answer is lost", &[LOST, RETURNS, ONE_ACCOUNT], eager()),
        small(links::newborn()),
    ]
}

fn r20() -> Vec<PlantedWorld> {
    let promises = [LOST, RETURNS, ONE_ACCOUNT, "no intent is left open"];
    vec![
        simulated("creations whose answer is lost", &promises, eager()),
        small(links::newborn_crashing()),
    ]
}

fn r21() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Text, 3), (Act::Replace, 1)];
    let parameters = WorldParameters { acts, edits_max: 4, ..WorldParameters::quiet() };
    vec![simulated("a stranger takes the name", &[STRANGER], parameters), small(losses::replaced())]
}

fn r22() -> Vec<PlantedWorld> {
    let signing_up = WorldParameters {
        people_min: 2,
        people_max: 2,
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Join, 1)],
        ..stale()
    };
    let rates = FaultRates { stale_one_in: 2, stale_max: 8, ..crashing().rates };
    let acts = vec![(Act::Join, 2), (Act::Text, 1), (Act::Group, 1)];
    let busy = WorldParameters { acts, edits_max: 4, crashes: 2, rates, ..signing_up.clone() };
    let busy = WorldParameters { deletes: vec![Deletes::Delete], ..busy };
    let promises = ["no living person gets a tombstone", UNCAUSED];
    vec![
        simulated("stale reads of people who just signed up", &promises, signing_up),
        simulated("the same, other edits, crashes, answers lost", &promises, busy),
    ]
}

fn r23() -> Vec<PlantedWorld> {
    let noticed = WorldParameters {
        people_min: 2,
        people_max: 2,
        edits_max: 4,
        acts: vec![(Act::Text, 2), (Act::Delete, 2)],
        workers_max: 3,
        ..eager()
    };
    let dying = WorldParameters { rates: FaultRates::quiescence(), ..noticed.clone() };
    let swept = unnoticed(noticed.clone());
    vec![
        simulated("deletions while an account is created", &[REBORN], noticed),
        simulated("deletions while a creating worker dies", &[REBORN], dying),
        simulated("deletions that the sweep alone finds", &[REBORN], swept),
    ]
}

fn r24() -> Vec<PlantedWorld> {
    let eager = WorldParameters { provision: vec![Provision::Eager], ..kept() };
    let acts = vec![(Act::Delete, 1), (Act::Return, 3)];
    let newcomers = WorldParameters { acts, edits_max: 8, ..kept() };
    vec![
        simulated("the account that is kept is created again", &[REBORN], eager),
        simulated("the account that is kept meets a newcomer", &[STRANGER, UNPROVEN], newcomers),
    ]
}

fn r26() -> Vec<PlantedWorld> {
    let promises = [STRANGER, UNPROVEN, ONE_PERSON, UNCAUSED];
    vec![
        simulated("newcomers, crashes", &promises, departing()),
        simulated("newcomers, the other account is kept", &[STRANGER], kept()),
    ]
}

/// The switch happens between a worker's read of the control item and its plan. The first world
/// links two accounts that never agreed; the second has a conflict of two edits.
fn switches() -> Vec<PlantedWorld> {
    vec![small(phases::switching_unlinked()), small(phases::switching_alone())]
}

fn read_afresh() -> Vec<PlantedWorld> {
    let baseline = WorldParameters { edits_max: 4, workers_max: 3, ..WorldParameters::quiet() };
    let promises = [LOST, RETURNS, UNSWEPT];
    vec![
        simulated("three workers", &promises, baseline),
        simulated("two accounts apart", &promises, apart()),
    ]
}

fn address_with_flag() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Address, 2), (Act::Verify, 1)];
    let plain = WorldParameters { acts: acts.clone(), edits_max: 4, ..WorldParameters::quiet() };
    let names = WorldParameters { acts, lands: vec![Land::ByAddress], ..crashing() };
    vec![
        simulated("addresses and their proofs", &["nothing is weakened"], plain),
        simulated("addresses that are usernames, crashes", &["nothing is weakened"], names),
    ]
}

fn unread_is_not_empty() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Text, 1), (Act::Group, 1)];
    let throttled = failing(Some("AdminListGroupsForUser"), 3, 2, &[CallFate::Throttled]);
    let denied =
        FaultRates { groups_gone_one_in: 3, groups_gone_max: 3, ..FaultRates::quiescence() };
    let world = |rates| WorldParameters { acts: acts.clone(), rates, ..WorldParameters::quiet() };
    let promises = ["an unknown list is not an empty list", LOST, RETURNS];
    vec![
        simulated("lists of groups that fail", &promises, world(throttled)),
        simulated("lists of groups that deny the account", &promises, world(denied)),
    ]
}

fn missing_base() -> Vec<PlantedWorld> {
    let linked =
        WorldParameters { starts: vec![InitialState::Unlinked], ..WorldParameters::quiet() };
    let signed_up = WorldParameters {
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Join, 2), (Act::Text, 1)],
        edits_max: 3,
        ..WorldParameters::quiet()
    };
    vec![
        simulated("two accounts that are linked", &[LOST], linked),
        simulated("people who sign up in the other pool", &[LOST], signed_up),
    ]
}

fn link_with_proof() -> Vec<PlantedWorld> {
    let claimed = WorldParameters {
        starts: vec![InitialState::OldOnly],
        impostor: true,
        ..WorldParameters::quiet()
    };
    let unproved = WorldParameters {
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Address, 1), (Act::Join, 1)],
        edits_max: 4,
        ..WorldParameters::quiet()
    };
    vec![
        simulated("another person claims the address", &[UNPROVEN, STRANGER], claimed),
        simulated("an address of the person's own, unproved", &[UNPROVEN, LOST], unproved),
    ]
}

fn canary() -> Vec<PlantedWorld> {
    let alone = WorldParameters { people_min: 1, people_max: 1, ..departing() };
    let promises = ["no account is removed without a canary account"];
    vec![
        simulated("one person, crashes", &promises, alone.clone()),
        simulated("one person, deletions that the sweep alone finds", &promises, unnoticed(alone)),
    ]
}

fn quiet_agreement() -> Vec<PlantedWorld> {
    let one = WorldParameters {
        acts: vec![(Act::Word, 1), (Act::Blank, 1)],
        texts: vec!["name"],
        rhythm: Rhythm { edit: 15, ..Rhythm::default() },
        ..WorldParameters::repeating()
    };
    vec![
        simulated("one text that is set to two words, or blanked", &[LOST], one),
        mixture(Mixture::RepeatingStale, &[LOST]),
    ]
}
