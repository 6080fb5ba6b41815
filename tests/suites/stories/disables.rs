//! A disable waits for nothing (invariant 10): not for a pause, another configuration, an announced
//! switch, or another pending change of the same account.

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::{Entry, State as PersonState};
use poolbridge_core::facts::Field;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{ConfigurationStamp, ConflictRule, Control, Provision};
use poolbridge_core::resend;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::simulation::tasks;
use poolbridge_tests::world::accounts::{attribute, group};
use poolbridge_tests::world::chance::{Chooser as _, Seeded};
use poolbridge_tests::world::weather::{Climate, Fate, Weather};

use super::trouble;

/// The reason why only a disable may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Pause,
    OtherConfiguration,
    Closing,
}

const STOPS: [Stop; 3] = [Stop::Pause, Stop::OtherConfiguration, Stop::Closing];

impl Stop {
    const fn reason(self) -> Reason {
        match self {
            Self::Pause => Reason::Paused,
            Self::OtherConfiguration => Reason::OtherConfiguration,
            Self::Closing => Reason::Closing,
        }
    }

    fn begin(self, stage: &Stage) {
        let control = &mut stage.world.lock().table.control;
        match self {
            Self::Pause => control.paused = Some("maintenance".to_owned()),
            Self::OtherConfiguration => {
                let hash = "the one that is deployed next".to_owned();
                control.configuration = Some(ConfigurationStamp {
                    hash,
                    since: Time::ZERO,
                    pools: poolbridge_core::side::BySide::default(),
                });
            }
            Self::Closing => control.closing = true,
        }
    }
}

fn lift(stage: &Stage) {
    stage.world.lock().table.control = Control::default();
}

fn disable(stage: &Stage, side: Side, sub: &Sub) {
    stage.edit(side, sub, |body| body.enabled = false);
}

/// The person record except for `enabled`.
fn rest(entry: &Entry) -> String {
    let mut agreed = entry.agreed.clone().unwrap();
    agreed.fields.remove(&Field::Enabled);
    format!("{agreed:?} {:?} {:?}", entry.obstacles, entry.flips)
}

#[test]
fn disable_passes_a_pause_another_configuration_and_an_announced_switch() {
    for stop in STOPS {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, new) = stage.pair();
        let before = rest(&stage.entry(Side::Old, &old));
        stop.begin(&stage);
        stage.set(Side::Old, &old, "name", "waits");
        disable(&stage, Side::Old, &old);
        let change = stage.change(Side::Old, &old, Proof::Changed);
        stage.wait(limits::SETTLE);
        stage.look(&change);
        assert!(!stage.body(Side::New, &new).enabled, "{stop:?} held a disable");
        assert_eq!(stage.says(Side::New, &new, "name"), None, "{stop:?} let an edit pass");
        if stop != Stop::Pause {
            let entry = stage.entry(Side::Old, &old);
            assert_eq!(rest(&entry), before, "{stop:?}: the record of other fields moved");
        }
        // Nothing more is to be disabled: now the change waits for the end of the stop.
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&change).verdict;
        assert_eq!(verdict, Verdict::Later(limits::RETRY_SLOWLY, stop.reason()));
        lift(&stage);
        stage.captured(Side::Old, &old);
        assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("waits"), "{stop:?}");
        assert!(!stage.body(Side::Old, &old).enabled, "{stop:?}: it came back");
        assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    }
}

#[test]
fn a_disable_under_another_configuration_decides_nothing_about_other_fields() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let about_name = |stage: &Stage| {
        let decisions = stage.entry(Side::Old, &old).decisions;
        decisions.iter().filter(|it| it.fields.contains(&"name".to_owned())).count()
    };
    Stop::OtherConfiguration.begin(&stage);
    stage.set(Side::Old, &old, "name", "one");
    stage.set(Side::New, &new, "name", "two");
    disable(&stage, Side::Old, &old);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert!(!stage.body(Side::New, &new).enabled);
    assert_eq!(about_name(&stage), 0, "explain shows a conflict that was not decided");
    lift(&stage);
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("one"));
    assert!(about_name(&stage) > 0);
}

#[test]
fn observation_that_may_predate_a_disable_is_repeated_while_paused() {
    for stop in STOPS {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, new) = stage.pair();
        stage.wait(limits::SETTLE * 2);
        stop.begin(&stage);
        disable(&stage, Side::Old, &old);
        stage.capture(Side::Old, &old);
        let change = stage.change(Side::Old, &old, Proof::Changed);
        // Every read of this run shows the account as it was.
        stage.world.lock().weather =
            Weather::new(Climate { stale_one_in: 1, stale_max: 9, ..Climate::calm() });
        stage.set(Side::Old, &old, "name", "n");
        let verdict = stage.look(&change).verdict;
        let later = matches!(verdict, Verdict::Later(_, Reason::Settling));
        let there = !stage.body(Side::New, &new).enabled;
        assert!(later || there, "{stop:?}: it waits until the end of the stop: {verdict:?}");
        stage.world.lock().weather = Weather::new(Climate::calm());
        stage.wait(limits::SETTLE);
        stage.look(&change);
        assert!(!stage.body(Side::New, &new).enabled, "{stop:?}");
    }
}

#[test]
fn open_write_of_another_field_survives_a_disable_under_another_configuration() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "written");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    trouble(&stage.world, "AdminUpdateUserAttributes", Fate::AnswerLost, 3);
    stage.look(&change);
    let open = |stage: &Stage| {
        let entry = stage.entry(Side::Old, &old);
        entry.intent.is_some_and(|intent| intent.fields.keys().any(|it| it.to_string() == "name"))
    };
    assert!(open(&stage), "apply cannot know whether the name was written");
    Stop::OtherConfiguration.begin(&stage);
    disable(&stage, Side::Old, &old);
    stage.wait(Duration::from_mins(2));
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert!(!stage.body(Side::New, &new).enabled);
    assert!(open(&stage), "the open write was forgotten");
    lift(&stage);
    // Meanwhile the person restores the earlier name: poolbridge's own write must not count as an
    // edit.
    stage.set(Side::Old, &old, "name", "");
    stage.wait(Duration::from_mins(2));
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").unwrap_or_default(), "");
}

#[test]
fn deleted_account_causes_nothing_under_another_configuration() {
    for stop in STOPS {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, new) = stage.pair();
        stop.begin(&stage);
        stage.edit(Side::New, &new, |body| body.exists = false);
        for _ in 0..3 {
            let change = stage.change(Side::Old, &old, Proof::Changed);
            stage.set(Side::Old, &old, "name", "n");
            stage.wait(limits::SETTLE);
            let verdict = stage.look(&change).verdict;
            assert_eq!(verdict, Verdict::Later(limits::RETRY_SLOWLY, stop.reason()));
        }
        assert!(stage.entry(Side::Old, &old).tombstone.is_none());
        assert!(stage.body(Side::Old, &old).enabled);
    }
}

/// The time limit of a disable: five minutes for the schedule that sends changes again, one minute
/// in which the live message has its turn, one minute for which a message may hide its group, and
/// the runs of apply. Without a stop it takes seconds; this is the limit for a lost message.
const BOUND: Duration = Duration::from_mins(9);

/// How long a received message stays hidden if no reader answers it.
const HIDDEN: Duration = Duration::from_mins(3);

/// Processes the queue for that long as apply does, and every five minutes sends again what is due.
fn work(stage: &mut Stage, span: Duration) {
    let end = stage.world.lock().now + span;
    loop {
        let now = stage.world.lock().now;
        if now >= end {
            return;
        }
        let ready = stage.world.lock().queue.ready(now);
        for number in ready {
            let received = stage.world.lock().queue.receive(number, now, HIDDEN);
            if let Some((change, receipt)) = received {
                let report = stage.look(&change);
                tasks::answer(&mut stage.world.lock(), receipt, &report);
            }
        }
        if now.0 / 1_000 % 300 == 0 {
            send_again(stage);
        }
        stage.wait(Duration::from_secs(1));
    }
}

/// A run of the schedule, as the adapters do it.
fn send_again(stage: &Stage) {
    let mut world = stage.world.lock();
    let now = world.now;
    let stopped = world.table.control.only_disables("stage").is_some();
    let marks = world.table.marks.values().cloned().collect();
    for mark in resend::due(marks, now, stopped, 500) {
        let id = world.nonce();
        let change = resend::of_mark(&mark, id);
        poolbridge_tests::world::queue::send(&mut world, &change);
        if let Some(kept) = world.table.marks.get_mut(&(mark.side, mark.sub.clone())) {
            kept.not_before = now + resend::REST_AFTER;
        }
    }
}

/// Loses every message, as a queue may: only the pending changes are left.
fn lose_messages(stage: &Stage) {
    let mut world = stage.world.lock();
    let now = world.now;
    let numbers: Vec<u64> = world.queue.messages().iter().map(|one| one.number).collect();
    for number in numbers {
        world.queue.lose(number, now);
    }
}

/// Adds something that is pending for the same account, or blocks it.
fn burden(stage: &mut Stage, chance: &mut Seeded, old: &Sub, new: &Sub) {
    match chance.choose(9, "what is pending") {
        0 => stage.set(Side::Old, old, "name", "of old"),
        1 => {
            stage.set(Side::Old, old, "name", "old says");
            stage.set(Side::New, new, "name", "new says");
            stage.capture(Side::New, new);
        }
        2 => stage.set(Side::Old, old, "nickname", "much too long for the other pool"),
        3 => stage.set(Side::Old, old, "email", "taken@example.com"),
        4 => stage.edit(Side::Old, old, |body| {
            body.groups.insert(group("staff"));
        }),
        5 => {
            stage.set(Side::Old, old, "name", "half written");
            trouble(&stage.world, "AdminUpdateUserAttributes", Fate::AnswerLost, 3);
        }
        6 => {
            stage.set(Side::Old, old, "email", "other@example.com");
            trouble(&stage.world, "ListUsers", Fate::Throttled, 20);
        }
        7 => trouble(&stage.world, "AdminListGroupsForUser", Fate::NotSent, 20),
        _ => stage.set(Side::New, new, "nickname", "short"),
    }
    stage.capture(Side::Old, old);
}

/// Runs one world. Returns what went wrong.
fn plays(seed: u64) -> Result<(), String> {
    let mut chance = Seeded::new(seed);
    let mut stage = Stage::new(Provision::Lazy);
    if chance.happens(2, "hold conflicts") {
        stage.policy.conflicts = ConflictRule::Hold;
    }
    stage.world.lock().pools.new.shape.alias_attributes = [attribute("email")].into();
    let (old, new) = stage.pair();
    stage.account(Side::New, 2, "taken@example.com", true);
    let stop = [None, Some(STOPS[0]), Some(STOPS[1]), Some(STOPS[2])];
    let stop = stop[chance.choose(stop.len(), "which stop")];
    let early = chance.happens(2, "the stop comes first");
    if early && let Some(stop) = stop {
        stop.begin(&stage);
    }
    for _ in 0..chance.choose(4, "how much is pending") {
        burden(&mut stage, &mut chance, &old, &new);
        let wait = [0, 5, 20, 400][chance.choose(4, "how long")];
        work(&mut stage, Duration::from_secs(wait));
    }
    if !early && let Some(stop) = stop {
        stop.begin(&stage);
    }
    let (side, sub) = [(Side::Old, &old), (Side::New, &new)][chance.choose(2, "which side")];
    disable(&stage, side, sub);
    stage.capture(side, sub);
    if chance.happens(2, "every message is lost") {
        lose_messages(&stage);
    }
    if chance.happens(3, "more comes after it") {
        burden(&mut stage, &mut chance, &old, &new);
    }
    work(&mut stage, BOUND);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        if stage.body(side, sub).enabled {
            let marks = stage.world.lock().table.marks.clone();
            return Err(format!("{stop:?}: {side} is still enabled; pending changes {marks:?}"));
        }
    }
    lift(&stage);
    stage.world.lock().weather = Weather::new(Climate::calm());
    work(&mut stage, Duration::from_hours(3));
    let (one, two) = (stage.body(Side::Old, &old), stage.body(Side::New, &new));
    let entry = stage.entry(Side::Old, &old);
    let name = Field::from_name("name").unwrap();
    let name = entry.obstacles.contains_key(&name)
        || one.attributes.get(&attribute("name")) == two.attributes.get(&attribute("name"));
    if one.enabled || two.enabled || !name || one.groups != two.groups {
        return Err(format!("{stop:?}: apart at the end: {:?} {:?}", entry.state, entry.obstacles));
    }
    Ok(())
}

#[test]
fn disable_reaches_the_other_side_in_time_whatever_else_is_pending() {
    let failed: Vec<(u64, String)> =
        (0..400).filter_map(|seed| Some((seed, plays(seed).err()?))).collect();
    let first = failed.iter().take(3).collect::<Vec<_>>();
    assert!(failed.is_empty(), "{} of 400 worlds, such as {first:#?}", failed.len());
}
