use super::*;

const DAY: Duration = Duration::from_hours(24);

const NOW: Time = Time(1_800_000_000_000);

fn both<T: Copy>(value: T) -> BySide<T> {
    BySide { old: value, new: value }
}

/// A cursor whose first pass has begun.
fn begun(estimate: u64, pages_max: u64) -> Cursor {
    let mut cursor = Cursor::default();
    cursor.begin(NOW, both(Some(estimate)), both(pages_max));
    cursor
}

/// A pass that saw this many accounts in each pool.
fn saw(old: u64, new: u64) -> Pass {
    let mut pass = begun(0, 1).pass.unwrap();
    pass.counts.old.accounts = old;
    pass.counts.new.accounts = new;
    pass
}

fn prefix(text: &str) -> Prefix {
    Prefix::new(text)
}

#[test]
fn a_pass_begins_when_it_is_due_and_earlier_on_request() {
    let mut cursor = Cursor::default();
    assert_eq!(cursor.next_pass(DAY, None), Time::ZERO, "the first pass is due at once");
    cursor.began = Some(NOW);
    assert_eq!(cursor.next_pass(DAY, None), NOW + DAY);
    let soonest = NOW + limits::SWEEP_WANTED_EVERY;
    assert_eq!(cursor.next_pass(DAY, Some(NOW)), soonest);
    assert_eq!(cursor.next_pass(DAY, Some(NOW + DAY)), soonest);
    assert_eq!(
        cursor.next_pass(DAY, Some(Time(NOW.0 - 1))),
        NOW + DAY,
        "the last pass answered it"
    );
    let often = Duration::from_mins(5);
    assert_eq!(cursor.next_pass(often, Some(NOW)), NOW + often, "no later than the schedule");
}

#[test]
fn the_first_pass_sets_the_time_since_when_accounts_are_news() {
    let mut cursor = begun(10, 100);
    assert_eq!(cursor.known_since, Some(NOW - limits::SWEEP_LOOKS_BACK));
    assert_eq!((cursor.passes, cursor.began), (1, Some(NOW)));
    cursor.begin(NOW + DAY, both(None), both(100));
    assert_eq!(cursor.known_since, Some(NOW - limits::SWEEP_LOOKS_BACK));
    assert_eq!((cursor.passes, cursor.began), (2, Some(NOW + DAY)));
}

#[test]
fn a_pool_is_divided_by_its_largest_known_size_and_depth() {
    let depth = |cursor: &Cursor| cursor.pass.as_ref().map(|pass| pass.depth);
    // 160 pages of one pool, at ten pages a partition.
    let accounts = 160 * limits::LIST_PAGE;
    assert_eq!(depth(&begun(accounts, 10)), Some(both(1)));
    assert_eq!(depth(&begun(0, 10)), Some(both(0)));
    // The pool's own estimate lags, so the number that the last pass saw counts as well.
    let mut cursor =
        Cursor { accounts: BySide { old: Some(accounts), new: None }, ..Cursor::default() };
    cursor.begin(NOW, both(Some(0)), both(10));
    assert_eq!(depth(&cursor), Some(BySide { old: 1, new: 0 }));
    let mut cursor = Cursor { depth: BySide { old: 0, new: 2 }, ..Cursor::default() };
    cursor.begin(NOW, both(Some(accounts)), both(10));
    assert_eq!(depth(&cursor), Some(BySide { old: 1, new: 2 }));
}

#[test]
fn a_divided_pool_is_searched_for_unexpected_prefixes_once_a_day() {
    let accounts = 160 * limits::LIST_PAGE;
    let to_cover = |cursor: &Cursor| cursor.pass.as_ref().map(|pass| pass.to_cover);
    assert_eq!(to_cover(&begun(accounts, 10)), Some(both(true)));
    assert_eq!(to_cover(&begun(0, 10)), Some(both(false)), "one partition holds every account");
    let day = limits::SWEEP_COVERS_EVERY;
    let mut cursor = Cursor {
        covered: BySide { old: Some(NOW - day), new: Some(Time(NOW.0 + 1) - day) },
        ..Cursor::default()
    };
    cursor.begin(NOW, both(Some(accounts)), both(10));
    assert_eq!(to_cover(&cursor), Some(BySide { old: true, new: false }));
}

#[test]
fn only_unfinished_partitions_are_left() {
    let accounts = 160 * limits::LIST_PAGE;
    let mut cursor = begun(accounts, 10);
    cursor.unexpected.old.insert(prefix("z"));
    let buckets = BTreeSet::from([3, 63]);
    let left = cursor.left(&buckets);
    assert_eq!((left.old.len(), left.new.len()), (17 + 2 + 1, 16 + 2 + 1));
    let partitions = [
        Partition::Accounts(Side::Old, prefix("a")),
        Partition::Accounts(Side::Old, prefix("z")),
        Partition::Members(Side::Old, 63),
        Partition::Cover(Side::Old),
    ];
    for (count, partition) in partitions.iter().enumerate() {
        assert!(cursor.left(&buckets).old.contains(partition), "{partition:?}");
        cursor.finish(partition, &PartitionResult::default(), NOW);
        let left = cursor.left(&buckets);
        assert!(!left.old.contains(partition), "{partition:?} is still left");
        assert_eq!((left.old.len(), left.new.len()), (19 - count, 19));
    }
    let pass = cursor.pass.as_mut().unwrap();
    pass.given_up = bit(3);
    let left = cursor.left(&buckets);
    assert!(!left.old.contains(&Partition::Members(Side::Old, 3)));
    assert!(!left.new.contains(&Partition::Members(Side::New, 3)), "given up for both pools");
    assert_eq!(Cursor::default().left(&buckets), BySide::default());
}

#[test]
fn a_finished_partition_adds_its_result() {
    let key = |person| PersonKey { person, tag: 0 };
    let mut done = PartitionResult { unread: [7].into(), ..PartitionResult::default() };
    done.counts.accounts = 5;
    done.missing.put(key(1));
    done.members.put(key(2));
    let mut cursor = begun(0, 10);
    cursor.pass.as_mut().unwrap().fruitless = 1;
    cursor.finish(&Partition::Accounts(Side::New, prefix("")), &done, NOW);
    cursor.finish(&Partition::Members(Side::New, 0), &done, NOW);
    assert_eq!(cursor.covered, BySide { old: None, new: Some(NOW) }, "the whole pool was listed");
    let pass = cursor.pass.unwrap();
    assert_eq!((pass.counts.new.accounts, pass.counts.old.accounts), (10, 0));
    assert_eq!(pass.missing.unmatched().keys, [(key(1), 2)]);
    assert_eq!(pass.members.unmatched().keys, [(key(2), 2)]);
    assert_eq!((pass.fruitless, pass.unread), (0, [7].into()));
    // A partition is not the whole pool.
    let mut cursor = begun(160 * limits::LIST_PAGE, 10);
    cursor.finish(&Partition::Accounts(Side::New, prefix("a")), &done, NOW);
    assert_eq!(cursor.covered, BySide::default());
}

#[test]
fn unexpected_prefixes_are_kept_up_to_their_limit() {
    let mut cursor = begun(160 * limits::LIST_PAGE, 10);
    let found =
        |from: usize, count| (from..from + count).map(|n| prefix(&format!("z{n:03}"))).collect();
    let done = |unexpected| PartitionResult { unexpected, ..PartitionResult::default() };
    let most = limits::UNEXPECTED_PREFIXES_MAX;
    cursor.finish(&Partition::Cover(Side::Old), &done(found(0, most - 1)), NOW);
    assert_eq!(cursor.unexpected.old.len(), most - 1);
    cursor.finish(&Partition::Cover(Side::Old), &done(found(most, 3)), NOW);
    assert_eq!(cursor.unexpected.old.len(), most);
    assert!(cursor.unexpected.new.is_empty());
    assert_eq!(cursor.covered, BySide { old: Some(NOW), new: None });
}

#[test]
fn pools_whose_partitions_never_finish_are_divided_deeper_and_groups_are_given_up() {
    let pages_max = both(10);
    let mut cursor = begun(160 * limits::LIST_PAGE, 10);
    cursor.finish(&Partition::Accounts(Side::New, prefix("a")), &PartitionResult::default(), NOW);
    let left = BySide { old: vec![Partition::Accounts(Side::Old, prefix("a"))], new: Vec::new() };
    for _ in 1..limits::SWEEP_FRUITLESS_MAX {
        cursor.fruitless(&left, pages_max);
        let pass = cursor.pass.as_ref().unwrap();
        assert_eq!((cursor.depth, pass.depth), (both(0), both(1)), "too early");
    }
    cursor.fruitless(&left, pages_max);
    let pass = cursor.pass.as_ref().unwrap();
    assert_eq!(pass.depth, BySide { old: 2, new: 1 });
    assert_eq!((pass.number, cursor.passes, pass.began), (1, 1, NOW), "the same pass starts again");
    assert!(pass.finished.new.is_empty() && pass.fruitless == 0);
    // Group buckets cannot be divided, and the pass does not start again for them.
    let left = BySide {
        old: vec![Partition::Cover(Side::Old)],
        new: vec![Partition::Members(Side::New, 5)],
    };
    cursor.finish(&Partition::Accounts(Side::New, prefix("a")), &PartitionResult::default(), NOW);
    for _ in 0..limits::SWEEP_FRUITLESS_MAX {
        cursor.fruitless(&left, pages_max);
    }
    let pass = cursor.pass.as_ref().unwrap();
    assert_eq!((pass.given_up, pass.fruitless), (bit(5), 0));
    assert!(pass.is_unread(5, 1), "nothing follows from a listing that was not made");
    assert!(!pass.is_unread(4, 1) && !pass.is_unread(0, 1));
    let gone = Pass { unread: [7].into(), ..pass.clone() };
    assert!(gone.is_unread(4, 7) && !gone.is_unread(4, 8));
    assert_eq!(pass.to_cover, BySide { old: false, new: true });
    assert_eq!(pass.finished.new.len(), 1);
    // A pool is not divided deeper than the longest prefix allows.
    let left = BySide { old: vec![Partition::Accounts(Side::Old, prefix("a"))], new: Vec::new() };
    for _ in 0..9 * limits::SWEEP_FRUITLESS_MAX {
        cursor.fruitless(&left, pages_max);
    }
    assert_eq!(cursor.depth.old, shard::DEPTH_MAX);
}

#[test]
fn the_next_pass_knows_the_result_of_the_last_one() {
    let mut cursor = begun(0, 10);
    let reported = (0, true);
    cursor.pass = Some(saw(7, 9));
    cursor.end(reported, reported, Some(Doubt::TooMany));
    assert_eq!(cursor.accounts, BySide { old: Some(7), new: Some(9) });
    assert_eq!((cursor.doubted, cursor.pass.is_none()), (1, true));
    for (doubt, doubted) in [
        (Some(Doubt::TooMany), 2),
        (Some(Doubt::Shrunk), 0),
        (Some(Doubt::TooMany), 1),
        (Some(Doubt::Undecoded), 0),
        (Some(Doubt::TooMany), 1),
        (None, 0),
    ] {
        cursor.pass = Some(saw(7, 9));
        cursor.end(reported, reported, doubt);
        assert_eq!(cursor.doubted, doubted, "{doubt:?}");
    }
    // Accounts and memberships have separate buckets.
    cursor.pass = Some(saw(7, 9));
    cursor.end((CELLS, false), reported, None);
    assert_eq!(cursor.buckets, Buckets { missing: 2, members: 1 });
    cursor.pass = Some(saw(7, 9));
    cursor.end(reported, (CELLS, false), None);
    assert_eq!(cursor.buckets, Buckets { missing: 1, members: 2 });
}

#[test]
fn buckets_double_after_too_much_was_left_and_halve_after_little_was() {
    let little = CELLS / 8;
    assert_eq!(next_buckets(8, (0, false)), 16);
    assert_eq!(next_buckets(8, (little - 1, true)), 4);
    assert_eq!(next_buckets(8, (little, true)), 8, "all was decoded, but not by a wide margin");
    assert_eq!(next_buckets(1, (0, true)), 1);
    assert_eq!(next_buckets(limits::SWEEP_BUCKETS_MAX, (0, false)), limits::SWEEP_BUCKETS_MAX);
}

#[test]
fn invariant_07_missing_accounts_of_one_bucket_in_eight_count_eight_times() {
    let least = limits::SWEEP_MISSING_MIN;
    let pass = saw(100, 100);
    let doubt = |missing, buckets| pass.doubt(both(None), missing, buckets);
    assert_eq!(doubt(least, 1), None);
    assert_eq!(doubt(least + 1, 1), Some(Doubt::TooMany));
    // One bucket of eight was compared, so about eight times as many are missing in all.
    assert_eq!(doubt(least / 8, 8), None);
    assert_eq!(doubt(least / 8 + 1, 8), Some(Doubt::TooMany));
}

#[test]
fn invariant_07_nothing_is_concluded_if_either_pool_has_shrunk() {
    let least = limits::SWEEP_MISSING_MIN;
    for (old, new) in [(100, 100 - least - 1), (100 - least - 1, 100)] {
        assert_eq!(saw(old, new).doubt(both(Some(100)), 0, 1), Some(Doubt::Shrunk));
    }
    assert_eq!(saw(100 - least, 100).doubt(both(Some(100)), 0, 1), None);
    assert_eq!(saw(0, 0).doubt(both(None), 0, 1), None, "nothing is known of the pass before");
    assert_eq!(saw(200, 200).doubt(both(Some(100)), 0, 1), None, "a pool may grow");
}

#[test]
fn plausible_number_is_a_share_of_the_larger_pool_and_at_least_the_minimum() {
    let share = |accounts: u64| accounts / 100 * limits::SWEEP_MISSING_PERCENT;
    assert_eq!(saw(1_000, 10).likely(), limits::SWEEP_MISSING_MIN);
    assert_eq!(saw(100_000, 10).likely(), share(100_000));
    assert_eq!(saw(10, 100_000).likely(), share(100_000));
    let edge = limits::SWEEP_MISSING_MIN * 100 / limits::SWEEP_MISSING_PERCENT;
    assert_eq!(unlikely(edge), limits::SWEEP_MISSING_MIN);
    assert_eq!(unlikely(edge + 100), share(edge + 100));
}

#[test]
fn each_person_is_compared_once_in_as_many_passes_as_there_are_buckets() {
    let buckets = Buckets { missing: 4, members: 2 };
    let staff = GroupName::try_from("staff").unwrap();
    let person = PersonId::from_nonce(77);
    let turns = |key: &dyn Fn(Scope) -> Option<PersonKey>| {
        let scopes = (0..8).map(|number| Scope { number, began: NOW, buckets });
        scopes.filter_map(key).collect::<Vec<_>>()
    };
    let missing = turns(&|scope| scope.missing_key(&person));
    assert_eq!(missing, [PersonKey { person: 77, tag: 0 }; 2], "every fourth pass");
    for side in Side::BOTH {
        let members = turns(&|scope| scope.member_key(&person, side, &staff));
        assert_eq!(
            members,
            [PersonKey { person: 77, tag: tag(side, &staff) }; 4],
            "every other pass"
        );
    }
    assert_ne!(tag(Side::Old, &staff), tag(Side::New, &staff));
}

#[test]
fn every_group_belongs_to_one_bucket() {
    let groups: Vec<GroupName> =
        (0..500).map(|n| GroupName::try_from(format!("group-{n}").as_str()).unwrap()).collect();
    let buckets = buckets(groups.iter());
    assert_eq!(buckets.values().map(BTreeSet::len).sum::<usize>(), groups.len());
    assert!(buckets.keys().all(|bucket| *bucket < BUCKETS) && buckets.len() > 50);
    let bits: BTreeSet<u64> = (0..BUCKETS).map(bit).collect();
    assert_eq!(bits.len(), usize::from(BUCKETS));
}
