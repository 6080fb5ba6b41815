//! A sweep over a million people: what it lists, finds, accepts as true, and holds in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::side::{BySide, Side};
use poolbridge_sweep_core::pass::{Counts, Doubt, Summary};
use poolbridge_sweep_core::shard::Prefix;
use poolbridge_tests::large_pool::{
    LargePool, PassSettings, People, UnreportedChange, WrongListing, run,
};
use poolbridge_tests::world::chance::{Chooser, Seeded};

/// `each` people of each kind of change, spread over that many people.
fn unreported(people: u64, each: u64) -> BTreeMap<u64, UnreportedChange> {
    let kinds = [
        UnreportedChange::Changed(Side::Old),
        UnreportedChange::Changed(Side::New),
        UnreportedChange::Deleted(Side::Old),
        UnreportedChange::Deleted(Side::New),
        UnreportedChange::New(Side::Old),
        UnreportedChange::New(Side::New),
        UnreportedChange::Unknown(Side::Old),
        UnreportedChange::Unknown(Side::New),
    ];
    let mut unreported = BTreeMap::new();
    for (place, kind) in (0..).zip(kinds) {
        for n in 0..each {
            unreported.insert((n * 8 + place) * (people / (each * 8)) + 1, kind);
        }
    }
    // The members are every hundredth person.
    unreported.insert(100, UnreportedChange::Left(Side::Old));
    unreported.insert(200, UnreportedChange::Left(Side::New));
    unreported.insert(303, UnreportedChange::Joined(Side::Old));
    unreported.insert(404, UnreportedChange::Joined(Side::New));
    unreported
}

/// The accounts that the sweep must send, and no others.
fn expected(people: &People) -> BTreeSet<(Side, Sub)> {
    let hinted_account = |(&number, unreported): (&u64, &UnreportedChange)| {
        let side = match *unreported {
            UnreportedChange::Changed(side)
            | UnreportedChange::Joined(side)
            | UnreportedChange::Left(side)
            | UnreportedChange::Deleted(side)
            | UnreportedChange::New(side) => side,
            UnreportedChange::Unknown(_) => return None,
        };
        Some((side, people.sub(side, number)))
    };
    people.unreported.iter().filter_map(hinted_account).collect()
}

fn hints(large_pool: &LargePool) -> BTreeSet<(Side, Sub)> {
    large_pool.state().counted.hints().into_keys().collect()
}

/// The fewest calls that list every account on that side.
fn floor(people: &People, side: Side) -> u64 {
    let there = (0..people.count).filter(|number| people.there(side, *number)).count();
    (there as u64).div_ceil(limits::LIST_PAGE)
}

fn last(large_pool: &LargePool) -> Summary {
    large_pool.state().counted.passes.last().cloned().expect("a pass ended")
}

#[test]
fn a_million_people_are_listed_in_close_to_the_fewest_calls_and_in_little_memory() {
    let mut people = People::new(1_000_000);
    people.unreported = unreported(people.count, 30);
    let large_pool = LargePool::new(people, 1);
    // The first pass of a day also looks for unexpected prefixes. The second does not.
    let invocations = run(&large_pool, PassSettings::default(), || None);
    assert!(invocations > 1, "one invocation is not enough for a million people");
    let people = &large_pool.people;
    let daily = large_pool.state().counted.whole_pages;
    let first = large_pool.state().counted.pages;
    run(&large_pool, PassSettings::default(), || None);
    let state = large_pool.state();
    assert_eq!(state.counted.whole_pages, daily, "once a day is enough");
    for side in Side::BOTH {
        let pages = *state.counted.pages.get(side);
        let floor = floor(people, side);
        println!("{side}: {} pages, then {} ({floor} at the least)", first.get(side), pages / 2);
        assert_eq!(pages, 2 * first.get(side), "each pass lists every account once");
        assert!(pages * 100 <= 2 * floor * 101, "{side}: {pages} calls for {floor} pages, twice");
        let members = state.counted.group_pages.get(side);
        assert!(*members <= 2 * (10_000_u64.div_ceil(60) + 1), "{members} calls for the group");
    }
    let rows = 2 * limits::LISTINGS_AT_ONCE * 60;
    println!("{} rows at a time at the most", state.counted.rows_most);
    assert!(state.counted.rows_most <= rows, "more is held than the pages in use");
    drop(state);
    assert_eq!(hints(&large_pool), expected(people));
    let summary = last(&large_pool);
    assert_eq!((summary.doubt, summary.members_doubt), (None, None));
    assert_eq!(summary.missing, BySide { old: 30, new: 30 });
    assert_eq!(summary.missing_memberships, BySide { old: 1, new: 1 });
    assert_eq!((summary.counts.old.unknown, summary.counts.new.news), (30, 30));
}

/// Checks each figure of a pass: operators read them to see what a sweep found.
#[test]
fn a_pass_counts_every_difference() {
    let mut people = People::new(20_000);
    people.unreported = unreported(people.count, 5);
    let large_pool = LargePool::new(people, 1);
    run(&large_pool, PassSettings::default(), || None);
    let summary = last(&large_pool);
    // Five people of each kind. One account moved into the group, and each such account differs.
    let (each, moved, members) = (5, 1, 200);
    for side in Side::BOTH {
        let counts = *summary.counts.get(side);
        // Without an account here: the deleted ones, and those that are new or unknown in the other
        // pool.
        let there = 20_000 - 3 * each;
        assert_eq!((counts.accounts, counts.memberships), (there, members), "{side}");
        assert_eq!(counts.differing, each + moved, "{side}");
        assert_eq!((counts.news, counts.unknown), (each, each), "{side}");
        // The conclusions at the end of the pass count on the old side.
        let concluded = if side == Side::Old { 2 * (each + moved) } else { 0 };
        assert_eq!(counts.sent, 2 * each + moved + concluded, "{side}");
        let rest = Counts { unreadable: 0, has_pending: 0, unexpected: 0, uncovered: 0, ..counts };
        assert_eq!(counts, rest, "{side}");
        assert!(counts.pages >= there.div_ceil(limits::LIST_PAGE), "{side}");
        assert_eq!(*summary.missing.get(side), each, "{side}");
        assert_eq!(*summary.missing_memberships.get(side), moved, "{side}");
        assert_eq!(*summary.estimate.get(side), Some(20_000), "{side}");
    }
    assert_eq!((summary.number, summary.groups_unread), (1, 0));
    assert_eq!((summary.doubt, summary.members_doubt), (None, None));
}

#[test]
fn memory_does_not_grow_with_the_pool() {
    let most = |count| {
        let large_pool = LargePool::new(People::new(count), 1);
        run(&large_pool, PassSettings { quota_percent: 1, ..PassSettings::default() }, || None);
        let state = large_pool.state();
        (state.counted.rows_most, state.cursor.unexpected.old.len())
    };
    let (small, large) = (most(20_000), most(80_000));
    assert!(large.0 <= small.0 + 60, "{large:?} and {small:?}");
}

/// Passes whose invocations are killed at random: the repeated work is bounded, and the result is
/// the same.
#[test]
fn a_pass_continues_after_a_kill_at_any_point() {
    let (mut again, mut kills) = (0, 0);
    for seed in 0..40 {
        let mut people = People::new(30_000);
        people.unreported = unreported(people.count, 5);
        let mut chance = Seeded::new(seed);
        let large_pool = LargePool::new(people, seed);
        let here =
            PassSettings { quota_percent: 1, invocations_max: 4_000, ..PassSettings::default() };
        let mut killed = 0;
        run(&large_pool, here, || {
            killed += 1;
            Some(chance.choose(600, "when it is killed") as u64)
        });
        let people = &large_pool.people;
        assert_eq!(hints(&large_pool), expected(people), "seed {seed}");
        let summary = last(&large_pool);
        assert_eq!((summary.doubt, summary.members_doubt), (None, None), "seed {seed}");
        let state = large_pool.state();
        for side in Side::BOTH {
            // Each part has about thirty pages, and this many parts are in progress at the same
            // time.
            let most = killed * limits::LISTINGS_AT_ONCE as u64 * 34;
            let pages = *state.counted.pages.get(side);
            assert!(pages <= floor(people, side) + 16 + most, "seed {seed}: {pages} pages");
            again += pages - floor(people, side);
        }
        kills += killed;
        let parts: BTreeSet<_> = state.counted.parts.iter().collect();
        let repeated = state.counted.parts.len() - parts.len();
        assert_eq!(repeated, 0, "seed {seed}: a finished part was done again");
    }
    println!("{kills} invocations, {again} pages listed more than once");
    assert!(kills > 400);
}

#[test]
fn invariant_07_a_listing_causes_only_hints() {
    // At this pace the sweep lists the pools in parts.
    let here = PassSettings { quota_percent: 1, ..PassSettings::default() };
    for wrong_listing in WrongListing::ALL {
        let (mut most, mut doubts) = (0, BTreeMap::<_, u32>::new());
        for seed in 0..12 {
            let large_pool = LargePool::new(People::new(6_000), seed);
            run(&large_pool, here, || None);
            assert!(
                hints(&large_pool).is_empty(),
                "hints from a correct listing of people in step"
            );
            large_pool.state().wrong_listing = Some(wrong_listing);
            for _ in 0..2 {
                run(&large_pool, here, || None);
                *doubts.entry(last(&large_pool).doubt.map(Doubt::name)).or_default() += 1;
            }
            let state = large_pool.state();
            for change in &state.counted.sent {
                assert_eq!(
                    (change.evidence, change.password),
                    (Evidence::Hint, false),
                    "{wrong_listing:?}"
                );
                let known = People::of_sub(&change.sub).is_some_and(|it| it < 6_000);
                assert!(known, "{wrong_listing:?}: a hint about an unknown account");
            }
            most = most.max(state.counted.sent.len());
        }
        println!("{wrong_listing:?}: at most {most} hints, {doubts:?}");
        let unlikely = limits::SWEEP_MISSING_PERCENT * 6_000 / 100;
        assert!(most as u64 <= 2 * (unlikely + 60), "{wrong_listing:?}: {most} hints");
        if wrong_listing == WrongListing::Short || wrong_listing == WrongListing::Old {
            assert_eq!(most, 0, "{wrong_listing:?} is no reason for a hint");
        }
        if wrong_listing == WrongListing::OutsidePrefix {
            assert!(most < 30, "an account listed in a wrong part is left to its own part");
        }
        if wrong_listing == WrongListing::Ends {
            assert!(doubts.keys().any(Option::is_some), "a listing that ends early is accepted");
        }
    }
}

#[test]
fn a_shrunken_listing_is_not_accepted_but_checked_by_reads_when_it_lasts() {
    let mut people = People::new(20_000);
    people.unreported =
        (0..1_000).map(|n| (n * 20, UnreportedChange::Deleted(Side::New))).collect();
    let large_pool = LargePool::new(people, 3);
    large_pool.state().cursor.accounts = BySide { old: Some(20_000), new: Some(20_000) };
    run(&large_pool, PassSettings::default(), || None);
    assert_eq!(last(&large_pool).doubt, Some(Doubt::Undecoded));
    assert!(hints(&large_pool).is_empty());
    // In smaller buckets the difference can be identified, and it is too large to be accepted as
    // true.
    while large_pool.state().cursor.doubted == 0 {
        assert!(hints(&large_pool).is_empty());
        run(&large_pool, PassSettings::default(), || None);
        assert!(last(&large_pool).doubt.is_some());
    }
    assert!(hints(&large_pool).is_empty());
    // It is the same in the next pass: the sweep sends some of them, and a direct read decides.
    run(&large_pool, PassSettings::default(), || None);
    assert_eq!(last(&large_pool).doubt, Some(Doubt::TooMany));
    let some = hints(&large_pool);
    assert!((1..=400).contains(&some.len()), "{}", some.len());
    assert!(some.is_subset(&expected(&large_pool.people)));
    large_pool.state().cursor.accounts = BySide { old: Some(20_000), new: Some(20_000) };
    run(&large_pool, PassSettings::default(), || None);
    assert_eq!(last(&large_pool).doubt, Some(Doubt::Shrunk));
}

#[test]
fn a_difference_too_large_for_one_pass_is_identified_in_buckets() {
    let mut people = People::new(60_000);
    people.unreported =
        (0..1_100).map(|n| (n * 54 + 1, UnreportedChange::Deleted(Side::Old))).collect();
    let large_pool = LargePool::new(people, 4);
    let mut passes = 0;
    while hints(&large_pool) != expected(&large_pool.people) {
        passes += 1;
        assert!(passes < 6, "{} hints", hints(&large_pool).len());
        run(&large_pool, PassSettings::default(), || None);
    }
    println!("{passes} passes for 1100 missing accounts");
    assert!(passes > 1, "the first pass could not identify them");
}

#[test]
fn an_account_outside_every_partition_is_reported_and_gets_a_partition() {
    let mut people = People::new(30_000);
    people.unreported.insert(77, UnreportedChange::Changed(Side::Old));
    people.unreported.insert(88, UnreportedChange::Changed(Side::Old));
    people.unexpected.extend([(77, "Z"), (88, "a-")]);
    let large_pool = LargePool::new(people, 5);
    run(&large_pool, PassSettings { quota_percent: 1, ..PassSettings::default() }, || None);
    let state = large_pool.state();
    let unexpected: Vec<&str> = state.cursor.unexpected.old.iter().map(Prefix::as_str).collect();
    // With a depth of one letter, the part of "a" holds the other one.
    assert_eq!(unexpected, ["Z"]);
    assert!(state.cursor.unexpected.new.is_empty());
    drop(state);
    assert_eq!(last(&large_pool).counts.old.unexpected, 1);
    assert_eq!(hints(&large_pool), expected(&large_pool.people));
}

#[test]
fn a_listing_that_was_cut_short_too_early_does_not_count_for_a_day() {
    let cover = |invocation| {
        let large_pool = LargePool::new(People::new(30_000), 10);
        let run_of = PassSettings { quota_percent: 1, invocation, ..PassSettings::default() };
        run(&large_pool, run_of, || None);
        let covered = large_pool.state().cursor.covered;
        assert_eq!(large_pool.state().counted.passes.len(), 1, "the pass did not end");
        run(&large_pool, run_of, || None);
        let again = large_pool.state().counted.whole_pages;
        (covered, again)
    };
    // 57 calls per invocation: an unfiltered listing never gets as far as one partition would.
    let (covered, short) = cover(Duration::from_secs(200));
    assert_eq!(covered, BySide::default(), "an unexpected prefix stays unseen for a day");
    // 270 calls: also less than the whole pool, and as far as one listing must get.
    let (covered, long) = cover(Duration::from_mins(15));
    assert!(covered.old.is_some() && covered.new.is_some());
    for side in Side::BOTH {
        let (short, long) = (*short.get(side), *long.get(side));
        assert!(short > 100, "{side}: the next pass lists again, {short} pages in all");
        assert!((89..300).contains(&long), "{side}: once a day is enough, {long} pages in all");
    }
}

#[test]
fn bulk_work_is_bounded_and_waits_for_apply() {
    let mut people = People::new(20_000);
    people.unreported =
        (0..5_000).map(|n| (n * 4 + 1, UnreportedChange::Changed(Side::Old))).collect();
    let large_pool = LargePool::new(people, 6);
    large_pool.state().working = false;
    let stuck = PassSettings { invocations_max: 3, ..PassSettings::default() };
    run(&large_pool, stuck, || None);
    let most = limits::BULK_OUTSTANDING_MAX;
    assert!(
        large_pool.state().counted.passes.is_empty(),
        "the sweep did not wait for a full queue"
    );
    assert!((most - 50..=most).contains(&large_pool.state().counted.outstanding_most));
    large_pool.state().working = true;
    run(&large_pool, PassSettings::default(), || None);
    assert_eq!(hints(&large_pool), expected(&large_pool.people));
    assert!(large_pool.state().counted.outstanding_most <= most);
}

#[test]
fn a_throttled_listing_slows_down_and_ends() {
    let large_pool = LargePool::new(People::new(6_000), 7);
    large_pool.state().throttled = 12;
    let before = large_pool.state().now;
    run(&large_pool, PassSettings::default(), || None);
    let took = large_pool.state().now.since(before);
    assert!(took > Duration::from_secs(12), "{took:?}");
    assert_eq!(last(&large_pool).counts.old.accounts, 6_000);
    assert!(hints(&large_pool).is_empty());
}
