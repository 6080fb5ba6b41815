//! A disable waits for nothing (invariant 10): not for a pause, another configuration, an announced
//! switch, or another pending change of the same account.

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::control::{ConfigurationStamp, Control};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::profile::Field;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::resend;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::simulation::tasks;
use poolbridge_tests::world::accounts::{attribute, group};
use poolbridge_tests::world::chance::{Chooser as _, Seeded};
use poolbridge_tests::world::fault_injection::{CallFate, FaultInjection, FaultRates};

use super::inject_faults;

/// The reason why only a disable may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DisableStop {
    Pause,
    OtherConfiguration,
    Closing,
}

const STOPS: [DisableStop; 3] =
    [DisableStop::Pause, DisableStop::OtherConfiguration, DisableStop::Closing];

impl DisableStop {
    const fn reason(self) -> Reason {
        match self {
            Self::Pause => Reason::Paused,
            Self::OtherConfiguration => Reason::OtherConfiguration,
            Self::Closing => Reason::Closing,
        }
    }

    fn begin(self, setup: &Setup) {
        let control = &mut setup.world.lock().table.control;
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

fn remove_stop(setup: &Setup) {
    setup.world.lock().table.control = Control::default();
}

fn disable(setup: &Setup, side: Side, sub: &Sub) {
    setup.edit(side, sub, |body| body.enabled = false);
}

/// The person record except for `enabled`.
fn all_but_enabled(record: &PersonRecord) -> String {
    let mut baseline = record.baseline.clone().unwrap();
    baseline.fields.remove(&Field::Enabled);
    format!("{baseline:?} {:?} {:?}", record.blocked_fields, record.direction_changes)
}

#[test]
fn disable_passes_a_pause_another_configuration_and_an_announced_switch() {
    for stop in STOPS {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, new) = setup.pair();
        let before = all_but_enabled(&setup.record(Side::Old, &old));
        stop.begin(&setup);
        setup.set(Side::Old, &old, "name", "waits");
        disable(&setup, Side::Old, &old);
        let change = setup.change(Side::Old, &old, Evidence::Changed);
        setup.wait(limits::SETTLE);
        setup.process(&change);
        assert!(!setup.body(Side::New, &new).enabled, "{stop:?} held a disable");
        assert_eq!(setup.attribute(Side::New, &new, "name"), None, "{stop:?} let an edit pass");
        if stop != DisableStop::Pause {
            let record = setup.record(Side::Old, &old);
            assert_eq!(
                all_but_enabled(&record),
                before,
                "{stop:?}: the record of other fields moved"
            );
        }
        // Nothing more is to be disabled: now the change waits for the end of the stop.
        setup.wait(limits::SETTLE);
        let outcome = setup.process(&change).outcome;
        assert_eq!(outcome, Outcome::Retry(limits::RETRY_SLOWLY, stop.reason()));
        remove_stop(&setup);
        setup.captured(Side::Old, &old);
        assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("waits"), "{stop:?}");
        assert!(!setup.body(Side::Old, &old).enabled, "{stop:?}: it came back");
        assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    }
}

#[test]
fn a_disable_under_another_configuration_decides_nothing_about_other_fields() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let about_name = |setup: &Setup| {
        let decisions = setup.record(Side::Old, &old).decisions;
        decisions.iter().filter(|it| it.fields.contains(&"name".to_owned())).count()
    };
    DisableStop::OtherConfiguration.begin(&setup);
    setup.set(Side::Old, &old, "name", "one");
    setup.set(Side::New, &new, "name", "two");
    disable(&setup, Side::Old, &old);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert!(!setup.body(Side::New, &new).enabled);
    assert_eq!(about_name(&setup), 0, "explain shows a conflict that was not decided");
    remove_stop(&setup);
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("one"));
    assert!(about_name(&setup) > 0);
}

#[test]
fn observation_that_may_predate_a_disable_is_repeated_while_paused() {
    for stop in STOPS {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, new) = setup.pair();
        setup.wait(limits::SETTLE * 2);
        stop.begin(&setup);
        disable(&setup, Side::Old, &old);
        setup.capture(Side::Old, &old);
        let change = setup.change(Side::Old, &old, Evidence::Changed);
        // Every read of this run shows the account as it was.
        setup.world.lock().fault_injection =
            FaultInjection::new(FaultRates { stale_one_in: 1, stale_max: 9, ..FaultRates::none() });
        setup.set(Side::Old, &old, "name", "n");
        let outcome = setup.process(&change).outcome;
        let later = matches!(outcome, Outcome::Retry(_, Reason::Settling));
        let there = !setup.body(Side::New, &new).enabled;
        assert!(later || there, "{stop:?}: it waits until the end of the stop: {outcome:?}");
        setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
        setup.wait(limits::SETTLE);
        setup.process(&change);
        assert!(!setup.body(Side::New, &new).enabled, "{stop:?}");
    }
}

#[test]
fn open_write_of_another_field_survives_a_disable_under_another_configuration() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "written");
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    inject_faults(&setup.world, "AdminUpdateUserAttributes", CallFate::AnswerLost, 3);
    setup.process(&change);
    let open = |setup: &Setup| {
        let record = setup.record(Side::Old, &old);
        record.intent.is_some_and(|intent| intent.fields.keys().any(|it| it.to_string() == "name"))
    };
    assert!(open(&setup), "apply cannot know whether the name was written");
    DisableStop::OtherConfiguration.begin(&setup);
    disable(&setup, Side::Old, &old);
    setup.wait(Duration::from_mins(2));
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert!(!setup.body(Side::New, &new).enabled);
    assert!(open(&setup), "the open write was forgotten");
    remove_stop(&setup);
    // Meanwhile the person restores the earlier name: poolbridge's own write must not count as an
    // edit.
    setup.set(Side::Old, &old, "name", "");
    setup.wait(Duration::from_mins(2));
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").unwrap_or_default(), "");
}

#[test]
fn deleted_account_causes_nothing_under_another_configuration() {
    for stop in STOPS {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, new) = setup.pair();
        stop.begin(&setup);
        setup.edit(Side::New, &new, |body| body.exists = false);
        for _ in 0..3 {
            let change = setup.change(Side::Old, &old, Evidence::Changed);
            setup.set(Side::Old, &old, "name", "n");
            setup.wait(limits::SETTLE);
            let outcome = setup.process(&change).outcome;
            assert_eq!(outcome, Outcome::Retry(limits::RETRY_SLOWLY, stop.reason()));
        }
        assert!(setup.record(Side::Old, &old).tombstone.is_none());
        assert!(setup.body(Side::Old, &old).enabled);
    }
}

/// The time limit of a disable: five minutes for the schedule that sends changes again, one minute
/// in which the live message has its turn, one minute for which a message may hide its group, and
/// the runs of apply. Without a stop it takes seconds; this is the limit for a lost message.
const BOUND: Duration = Duration::from_mins(9);

/// How long a received message stays hidden if no reader answers it.
const HIDDEN: Duration = Duration::from_mins(3);

/// Processes the queue for that long as apply does, and every five minutes sends again what is due.
fn work(setup: &mut Setup, span: Duration) {
    let end = setup.world.lock().now + span;
    loop {
        let now = setup.world.lock().now;
        if now >= end {
            return;
        }
        let ready = setup.world.lock().queue.ready(now);
        for number in ready {
            let received = setup.world.lock().queue.receive(number, now, HIDDEN);
            if let Some((change, receipt)) = received {
                let report = setup.process(&change);
                tasks::answer(&mut setup.world.lock(), receipt, &report);
            }
        }
        if now.0 / 1_000 % 300 == 0 {
            send_again(setup);
        }
        setup.wait(Duration::from_secs(1));
    }
}

/// A run of the schedule, as the adapters do it.
fn send_again(setup: &Setup) {
    let mut world = setup.world.lock();
    let now = world.now;
    let stopped = world.table.control.only_disables("setup").is_some();
    let pending_changes = world.table.pending_changes.values().cloned().collect();
    for pending in resend::due(pending_changes, now, stopped, 500) {
        let id = world.nonce();
        let change = resend::of_pending(&pending, id);
        poolbridge_tests::world::queue::send(&mut world, &change);
        if let Some(kept) =
            world.table.pending_changes.get_mut(&(pending.side, pending.sub.clone()))
        {
            kept.not_before = now + resend::REST_AFTER;
        }
    }
}

/// Loses every message, as a queue may: only the pending changes are left.
fn lose_messages(setup: &Setup) {
    let mut world = setup.world.lock();
    let now = world.now;
    let numbers: Vec<u64> = world.queue.messages().iter().map(|one| one.number).collect();
    for number in numbers {
        world.queue.lose(number, now);
    }
}

/// Adds something that is pending for the same account, or blocks it.
fn add_obstacle(setup: &mut Setup, chance: &mut Seeded, old: &Sub, new: &Sub) {
    match chance.choose(9, "what is pending") {
        0 => setup.set(Side::Old, old, "name", "of old"),
        1 => {
            setup.set(Side::Old, old, "name", "old says");
            setup.set(Side::New, new, "name", "new says");
            setup.capture(Side::New, new);
        }
        2 => setup.set(Side::Old, old, "nickname", "much too long for the other pool"),
        3 => setup.set(Side::Old, old, "email", "taken@example.com"),
        4 => setup.edit(Side::Old, old, |body| {
            body.groups.insert(group("staff"));
        }),
        5 => {
            setup.set(Side::Old, old, "name", "half written");
            inject_faults(&setup.world, "AdminUpdateUserAttributes", CallFate::AnswerLost, 3);
        }
        6 => {
            setup.set(Side::Old, old, "email", "other@example.com");
            inject_faults(&setup.world, "ListUsers", CallFate::Throttled, 20);
        }
        7 => inject_faults(&setup.world, "AdminListGroupsForUser", CallFate::NotSent, 20),
        _ => setup.set(Side::New, new, "nickname", "short"),
    }
    setup.capture(Side::Old, old);
}

/// Runs one world. Returns what went wrong.
fn run_world(seed: u64) -> Result<(), String> {
    let mut chance = Seeded::new(seed);
    let mut setup = Setup::new(Provision::Lazy);
    if chance.happens(2, "hold conflicts") {
        setup.policy.conflicts = ConflictRule::Hold;
    }
    setup.world.lock().pools.new.schema.alias_attributes = [attribute("email")].into();
    let (old, new) = setup.pair();
    setup.account(Side::New, 2, "taken@example.com", true);
    let stop = [None, Some(STOPS[0]), Some(STOPS[1]), Some(STOPS[2])];
    let stop = stop[chance.choose(stop.len(), "which stop")];
    let early = chance.happens(2, "the stop comes first");
    if early && let Some(stop) = stop {
        stop.begin(&setup);
    }
    for _ in 0..chance.choose(4, "how much is pending") {
        add_obstacle(&mut setup, &mut chance, &old, &new);
        let wait = [0, 5, 20, 400][chance.choose(4, "how long")];
        work(&mut setup, Duration::from_secs(wait));
    }
    if !early && let Some(stop) = stop {
        stop.begin(&setup);
    }
    let (side, sub) = [(Side::Old, &old), (Side::New, &new)][chance.choose(2, "which side")];
    disable(&setup, side, sub);
    setup.capture(side, sub);
    if chance.happens(2, "every message is lost") {
        lose_messages(&setup);
    }
    if chance.happens(3, "more comes after it") {
        add_obstacle(&mut setup, &mut chance, &old, &new);
    }
    work(&mut setup, BOUND);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        if setup.body(side, sub).enabled {
            let pending_changes = setup.world.lock().table.pending_changes.clone();
            return Err(format!(
                "{stop:?}: {side} is still enabled; pending changes {pending_changes:?}"
            ));
        }
    }
    remove_stop(&setup);
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    work(&mut setup, Duration::from_hours(3));
    let (one, two) = (setup.body(Side::Old, &old), setup.body(Side::New, &new));
    let record = setup.record(Side::Old, &old);
    let name = Field::from_name("name").unwrap();
    let name = record.blocked_fields.contains_key(&name)
        || one.attributes.get(&attribute("name")) == two.attributes.get(&attribute("name"));
    if one.enabled || two.enabled || !name || one.groups != two.groups {
        return Err(format!(
            "{stop:?}: apart at the end: {:?} {:?}",
            record.state, record.blocked_fields
        ));
    }
    Ok(())
}

#[test]
fn disable_reaches_the_other_side_in_time_whatever_else_is_pending() {
    let failed: Vec<(u64, String)> =
        (0..400).filter_map(|seed| Some((seed, run_world(seed).err()?))).collect();
    let first = failed.iter().take(3).collect::<Vec<_>>();
    assert!(failed.is_empty(), "{} of 400 worlds, such as {first:#?}", failed.len());
}
