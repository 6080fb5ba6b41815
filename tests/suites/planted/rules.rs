//! The worlds that show a missing rule, and the promise that each breaks.

use poolbridge_core::law::Rule;
use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_tests::protocol::worlds::{flags, links, losses, phases, texts, times, writes};
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::profile::{Act, Land, Profile, Rhythm, Start};
use poolbridge_tests::world::weather::{Climate, Fate};

use super::worlds::{
    World, apart, crashing, departing, eager, failing, kept, mixture, simulated, sleeping, small,
    stale, unnoticed,
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
pub(crate) fn worlds(rule: Rule) -> Vec<World> {
    match rule {
        Rule::R1 => r1(),
        Rule::R2 => r2(),
        Rule::R3 => r3(),
        Rule::R4 => r4(),
        Rule::R5 => r5(),
        Rule::R6 => r6(),
        Rule::R7 => r7(),
        Rule::R8 => r8(),
        Rule::R9 => r9(),
        Rule::R10 => r10(),
        Rule::R11 => r11(),
        Rule::R12 => r12(),
        Rule::R13 => r13(),
        Rule::R14 => r14(),
        Rule::R15 => r15(),
        Rule::R16 => r16(),
        Rule::R17 => r17(),
        Rule::R18 => r18(),
        Rule::R19 => r19(),
        Rule::R20 => r20(),
        Rule::R21 => r21(),
        Rule::R22 => r22(),
        Rule::R23 => r23(),
        Rule::R24 => r24(),
        Rule::R26 => r26(),
        Rule::R27 | Rule::R28 => switches(),
        Rule::ReadAfresh => read_afresh(),
        Rule::AddressWithFlag => address_with_flag(),
        Rule::UnreadIsNotEmpty => unread_is_not_empty(),
        Rule::MissingBase => missing_base(),
        Rule::LinkWithProof => link_with_proof(),
        Rule::Canary => canary(),
        Rule::QuietAgreement => quiet_agreement(),
    }
}

fn r1() -> Vec<World> {
    vec![
        simulated("crashes", &[LOST, RETURNS, "the conflict rule is obeyed"], crashing()),
        small(texts::agreed()),
        small(phases::switched()),
        small(phases::held()),
    ]
}

fn r2() -> Vec<World> {
    let lost = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[Fate::AnswerLost]);
    let text = Profile { climate: lost, edits_max: 4, ..crashing() };
    let acts = vec![(Act::Enabled, 1), (Act::Text, 1)];
    let flag = Profile { acts, edits_max: 4, crashes: 3, ..crashing() };
    vec![
        simulated("crashes, answers lost", &[LOST, RETURNS], text),
        simulated("a text and a flag, three crashes", &[LOST, RETURNS], flag),
        small(texts::crashing_twice()),
    ]
}

fn r3() -> Vec<World> {
    let climate = failing(None, 12, 2, &[Fate::Throttled, Fate::NotSent]);
    let profile = Profile { climate, ..crashing() };
    vec![
        simulated("calls that fail", &[LOST, RETURNS, UNSWEPT], profile),
        small(writes::refused()),
        small(writes::declined()),
        small(flags::member_declined()),
    ]
}

fn r4() -> Vec<World> {
    let flag = Profile { acts: vec![(Act::Enabled, 1)], ..crashing() };
    vec![
        simulated("a flag, crashes", &[LOST], flag),
        mixture(Mixture::RepeatingCrashing, &[LOST]),
        small(flags::disabled()),
    ]
}

fn r5() -> Vec<World> {
    vec![simulated("sleeping workers", &[WRITERS, LOST], sleeping()), small(times::suspended())]
}

fn r6() -> Vec<World> {
    let profile = Profile { repeats: 3, sleeps: 1, suspendable: vec![true], ..crashing() };
    vec![
        simulated("repeated messages, crashes", &[ZOMBIE, WRITERS], profile),
        small(times::suspended_repeated()),
    ]
}

fn r7() -> Vec<World> {
    vec![simulated("sleeping workers", &[WRITERS, LOST], sleeping()), small(times::suspended())]
}

fn r8() -> Vec<World> {
    vec![
        simulated("stale reads", &[UNSWEPT], stale()),
        small(texts::agreed()),
        small(losses::lost_looking_back()),
    ]
}

fn r9() -> Vec<World> {
    let undone = Profile {
        acts: vec![(Act::Undo, 1)],
        sleeps: 2,
        repeats: 3,
        rhythm: Rhythm { rare: 12, ..Rhythm::default() },
        ..stale()
    };
    let late = failing(Some("AdminUpdateUserAttributes"), 2, 2, &[Fate::LandsLate]);
    let climate = Climate { stale_one_in: 3, stale_max: 4, ..late };
    let late = Profile { climate, edits_max: 4, ..sleeping() };
    vec![
        simulated("stale reads, an undone flag", &[UNSWEPT, LOST, RETURNS], undone),
        simulated("writes that land late, sleeping workers", &[UNSWEPT, LOST, RETURNS], late),
        small(times::late()),
    ]
}

fn r10() -> Vec<World> {
    let profile = Profile { workers_max: 3, ..stale() };
    vec![
        simulated("stale reads, three workers", &[LOST, RETURNS, UNSWEPT], profile),
        small(texts::agreed()),
        small(flags::member_crashing_looking_back()),
    ]
}

fn r11() -> Vec<World> {
    let profile = Profile { edits_max: 4, losses: 4, workers_max: 3, ..Profile::quiet() };
    vec![simulated("lost messages", &[UNSWEPT], profile), small(losses::lost_twice())]
}

fn r12() -> Vec<World> {
    let profile = Profile {
        edits_max: 4,
        losses: 8,
        repeats: 8,
        sleeps: 3,
        sleeps_before: Some("clear mark"),
        suspendable: vec![true],
        workers_max: 3,
        rhythm: Rhythm { turn: 80, edit: 2, deliver: 8, rare: 30, ..Rhythm::default() },
        ..Profile::quiet()
    };
    vec![
        simulated("workers that sleep before they clear", &[UNSWEPT], profile),
        small(losses::marked_again()),
    ]
}

fn r13() -> Vec<World> {
    let climate = failing(Some("mark"), 3, 2, &[Fate::RequestLost]);
    let profile = Profile { edits_max: 4, climate, ..Profile::quiet() };
    vec![simulated("lost marks", &[UNSWEPT], profile), small(losses::lost_twice())]
}

fn r14() -> Vec<World> {
    let climate = failing(Some("mark"), 3, 2, &[Fate::RequestLost]);
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    let profile = Profile { looks: 12, climate, rhythm, ..Profile::quiet() };
    vec![simulated("lost marks, many looks", &[DRAINED], profile), small(losses::lost())]
}

fn r15() -> Vec<World> {
    let profile = Profile { edits_max: 4, losses: 3, workers_max: 3, ..Profile::quiet() };
    vec![simulated("lost messages", &[UNSWEPT, DRAINED], profile), small(losses::lost())]
}

fn r16() -> Vec<World> {
    vec![
        simulated("two accounts apart", &[ONE_PERSON, WRITERS, UNLINKED], apart()),
        small(links::unlinked()),
    ]
}

fn r17() -> Vec<World> {
    vec![simulated("two accounts apart", &[UNLINKED], apart()), small(links::halves())]
}

fn r18() -> Vec<World> {
    let promises = [WRITERS, ZOMBIE, LOST, RETURNS, ONE_PERSON];
    vec![simulated("two accounts apart", &promises, apart()), small(links::halves_crashing())]
}

fn r19() -> Vec<World> {
    vec![
        simulated("creations whose answer is lost", &[LOST, RETURNS, ONE_ACCOUNT], eager()),
        small(links::newborn()),
    ]
}

fn r20() -> Vec<World> {
    let promises = [LOST, RETURNS, ONE_ACCOUNT, "no intent is left open"];
    vec![
        simulated("creations whose answer is lost", &promises, eager()),
        small(links::newborn_crashing()),
    ]
}

fn r21() -> Vec<World> {
    let acts = vec![(Act::Text, 3), (Act::Replace, 1)];
    let profile = Profile { acts, edits_max: 4, ..Profile::quiet() };
    vec![simulated("a stranger takes the name", &[STRANGER], profile), small(losses::replaced())]
}

fn r22() -> Vec<World> {
    let signing_up = Profile {
        people_min: 2,
        people_max: 2,
        starts: vec![Start::OldOnly, Start::NewOnly],
        acts: vec![(Act::Join, 1)],
        ..stale()
    };
    let climate = Climate { stale_one_in: 2, stale_max: 8, ..crashing().climate };
    let acts = vec![(Act::Join, 2), (Act::Text, 1), (Act::Group, 1)];
    let busy = Profile { acts, edits_max: 4, crashes: 2, climate, ..signing_up.clone() };
    let busy = Profile { deletes: vec![Deletes::Delete], ..busy };
    let promises = ["no living person gets a tombstone", UNCAUSED];
    vec![
        simulated("stale reads of people who just signed up", &promises, signing_up),
        simulated("the same, other edits, crashes, answers lost", &promises, busy),
    ]
}

fn r23() -> Vec<World> {
    let noticed = Profile {
        people_min: 2,
        people_max: 2,
        edits_max: 4,
        acts: vec![(Act::Text, 2), (Act::Delete, 2)],
        workers_max: 3,
        ..eager()
    };
    let dying = Profile { climate: Climate::calm(), ..noticed.clone() };
    let swept = unnoticed(noticed.clone());
    vec![
        simulated("deletions while an account is created", &[REBORN], noticed),
        simulated("deletions while a creating worker dies", &[REBORN], dying),
        simulated("deletions that the sweep alone finds", &[REBORN], swept),
    ]
}

fn r24() -> Vec<World> {
    let eager = Profile { provision: vec![Provision::Eager], ..kept() };
    let acts = vec![(Act::Delete, 1), (Act::Return, 3)];
    let newcomers = Profile { acts, edits_max: 8, ..kept() };
    vec![
        simulated("the account that is kept is created again", &[REBORN], eager),
        simulated("the account that is kept meets a newcomer", &[STRANGER, UNPROVEN], newcomers),
    ]
}

fn r26() -> Vec<World> {
    let promises = [STRANGER, UNPROVEN, ONE_PERSON, UNCAUSED];
    vec![
        simulated("newcomers, crashes", &promises, departing()),
        simulated("newcomers, the other account is kept", &[STRANGER], kept()),
    ]
}

/// The switch happens between a worker's read of the control item and its plan. The first world
/// links two accounts that never agreed; the second has a conflict of two edits.
fn switches() -> Vec<World> {
    vec![small(phases::switching_unlinked()), small(phases::switching_alone())]
}

fn read_afresh() -> Vec<World> {
    let agreed = Profile { edits_max: 4, workers_max: 3, ..Profile::quiet() };
    let promises = [LOST, RETURNS, UNSWEPT];
    vec![
        simulated("three workers", &promises, agreed),
        simulated("two accounts apart", &promises, apart()),
    ]
}

fn address_with_flag() -> Vec<World> {
    let acts = vec![(Act::Address, 2), (Act::Verify, 1)];
    let plain = Profile { acts: acts.clone(), edits_max: 4, ..Profile::quiet() };
    let names = Profile { acts, lands: vec![Land::ByAddress], ..crashing() };
    vec![
        simulated("addresses and their proofs", &["nothing is weakened"], plain),
        simulated("addresses that are usernames, crashes", &["nothing is weakened"], names),
    ]
}

fn unread_is_not_empty() -> Vec<World> {
    let acts = vec![(Act::Text, 1), (Act::Group, 1)];
    let throttled = failing(Some("AdminListGroupsForUser"), 3, 2, &[Fate::Throttled]);
    let denied = Climate { groups_gone_one_in: 3, groups_gone_max: 3, ..Climate::calm() };
    let world = |climate| Profile { acts: acts.clone(), climate, ..Profile::quiet() };
    let promises = ["an unknown list is not an empty list", LOST, RETURNS];
    vec![
        simulated("lists of groups that fail", &promises, world(throttled)),
        simulated("lists of groups that deny the account", &promises, world(denied)),
    ]
}

fn missing_base() -> Vec<World> {
    let linked = Profile { starts: vec![Start::Unlinked], ..Profile::quiet() };
    let signed_up = Profile {
        starts: vec![Start::OldOnly, Start::NewOnly],
        acts: vec![(Act::Join, 2), (Act::Text, 1)],
        edits_max: 3,
        ..Profile::quiet()
    };
    vec![
        simulated("two accounts that are linked", &[LOST], linked),
        simulated("people who sign up in the other pool", &[LOST], signed_up),
    ]
}

fn link_with_proof() -> Vec<World> {
    let claimed = Profile { starts: vec![Start::OldOnly], impostor: true, ..Profile::quiet() };
    let unproved = Profile {
        starts: vec![Start::OldOnly, Start::NewOnly],
        acts: vec![(Act::Address, 1), (Act::Join, 1)],
        edits_max: 4,
        ..Profile::quiet()
    };
    vec![
        simulated("another person claims the address", &[UNPROVEN, STRANGER], claimed),
        simulated("an address of the person's own, unproved", &[UNPROVEN, LOST], unproved),
    ]
}

fn canary() -> Vec<World> {
    let alone = Profile { people_min: 1, people_max: 1, ..departing() };
    let promises = ["no account is removed without a canary account"];
    vec![
        simulated("one person, crashes", &promises, alone.clone()),
        simulated("one person, deletions that the sweep alone finds", &promises, unnoticed(alone)),
    ]
}

fn quiet_agreement() -> Vec<World> {
    let one = Profile {
        acts: vec![(Act::Word, 1), (Act::Blank, 1)],
        texts: vec!["name"],
        rhythm: Rhythm { edit: 15, ..Rhythm::default() },
        ..Profile::repeating()
    };
    vec![
        simulated("one text that is set to two words, or blanked", &[LOST], one),
        mixture(Mixture::RepeatingStale, &[LOST]),
    ]
}
