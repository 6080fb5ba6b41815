//! Outdated passwords.

use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::facts::Factor;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{Phase, Provision};
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_core::step::Deed;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::{Stage, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::{Fate, Place};

use super::{calls, trouble};

/// A person sets a password: the pool moves the account's last-modified date. Returns the message
/// about it; no pending change is stored.
pub(super) fn new_password(stage: &mut Stage, side: Side, sub: &Sub) -> Change {
    stage.edit(side, sub, |_| {});
    Change { password: true, ..stage.change(side, sub, Proof::Changed) }
}

/// Does what capture or trail does about that change.
fn noted(stage: &mut Stage, change: &Change) {
    let task = TaskId(60_000 + u32::try_from(change.id).unwrap());
    let ports = stage.world.ports(task);
    assert!(finish(capture(ports.ledger(), ports.outbox(), change)).survives());
}

/// The same, and processes it.
pub(super) fn settled(stage: &mut Stage, change: &Change) -> Vec<Verdict> {
    noted(stage, change);
    stage.settle()
}

/// How often the bridge gave that account a random password.
pub(super) fn closed(stage: &Stage, sub: &Sub) -> usize {
    let done = format!("{sub}: {:?} done", Deed::SetRandomPassword);
    stage.world.lock().trace.lines().iter().filter(|line| line.contains(&done)).count()
}

/// How many decisions of that kind and reason the person record holds.
fn decided(stage: &Stage, sub: &Sub, kind: DecisionKind, reason: Option<Reason>) -> usize {
    let entry = stage.entry(Side::Old, sub);
    let is = |it: &&poolbridge_core::entry::Decision| it.kind == kind && it.reason == reason;
    entry.decisions.iter().filter(is).count()
}

#[test]
fn a_sign_out_that_keeps_failing_costs_one_password_and_is_not_forgotten() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    trouble(&stage.world, "AdminUserGlobalSignOut", Fate::Throttled, 3);
    let reset = new_password(&mut stage, Side::Old, &old);
    for _ in 0..3 {
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&reset).verdict;
        assert!(matches!(verdict, Verdict::Later(_, Reason::Outside(_))), "{verdict:?}");
        assert!(stage.entry(Side::New, &new).passwords.owes_sign_out.new);
    }
    let closed = stage.entry(Side::New, &new).passwords.closed.new;
    assert_eq!(closed, Some(reset.at), "the leaked password still opens the account");
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert!(!passwords.owes_sign_out.new);
    assert_eq!(stage.entry(Side::New, &new).state, PersonState::Synced);
    let done = |deed: &str| {
        let world = stage.world.lock();
        world.trace.lines().iter().filter(|it| it.contains(deed) && it.ends_with("done")).count()
    };
    assert_eq!((done("AdminSetUserPassword"), done("AdminUserGlobalSignOut")), (1, 1));
    assert_eq!(calls(&stage.world, "AdminUserGlobalSignOut"), 4);
}

#[test]
fn a_password_that_failed_itself_is_set_again_with_its_sign_out() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    trouble(&stage.world, "AdminSetUserPassword", Fate::NotSent, 1);
    let reset = new_password(&mut stage, Side::Old, &old);
    stage.wait(limits::SETTLE);
    stage.look(&reset);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (None, false));
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let passwords = stage.entry(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (Some(reset.at), false));
    assert!(calls(&stage.world, "AdminUserGlobalSignOut") > 0);
}

#[test]
fn a_password_that_cloudtrail_reports_again_counts_once() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let reset = new_password(&mut stage, Side::Old, &old);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&reset).verdict, Verdict::Applied);
    let closed = stage.entry(Side::New, &new).passwords.closed.new;
    // CloudTrail gives only the second, and the time is rounded up to its end.
    let told = Time(reset.at.0 - reset.at.0.rem_euclid(1_000) + 999);
    stage.wait(limits::SETTLE);
    let again = Change { at: told, id: reset.id + 1, ..reset.clone() };
    assert_eq!(stage.look(&again).verdict, Verdict::AlreadyTrue);
    assert_eq!(stage.entry(Side::New, &new).passwords.closed.new, closed);
    // A second later it is another password.
    let later = Change { at: told + Duration::from_secs(1), id: reset.id + 2, ..reset };
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&later).verdict, Verdict::Applied);
    assert_eq!(stage.entry(Side::New, &new).passwords.closed.new, Some(later.at));
}

#[test]
fn temporary_password_of_an_administrator_closes_no_other_until_the_person_chooses_one() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, &old, |body| body.status = Status::ForceChangePassword);
    // CloudTrail hides whether the password is permanent, so only the status shows it.
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let hidden = Change { password: true, administrator: true, ..change };
    let verdicts = settled(&mut stage, &hidden);
    assert_eq!(closed(&stage, &new), 0, "a good password was replaced: {verdicts:?}");
    let ignored = Some(Reason::TemporaryPassword);
    assert_eq!(decided(&stage, &old, DecisionKind::PasswordIgnored, ignored), 1);
    // The person answers NEW_PASSWORD_REQUIRED.
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, &old, |body| body.status = Status::Confirmed);
    let chosen = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &chosen);
    assert_eq!(closed(&stage, &new), 1, "the older one stays");
}

#[test]
fn temporary_password_is_not_judged_by_a_read_that_may_be_older_than_it() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let hidden = Change { password: true, administrator: true, ..change };
    noted(&mut stage, &hidden);
    // A read at once still shows the status before it.
    let verdict = stage.look(&hidden).verdict;
    assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
    stage.edit(Side::Old, &old, |body| body.status = Status::ForceChangePassword);
    stage.settle();
    assert_eq!(closed(&stage, &new), 0);
}

#[test]
fn administrator_in_the_passive_pool_closes_nothing_in_the_active_one() {
    for reset in [false, true] {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, new) = stage.pair();
        stage.wait(Duration::from_hours(1));
        let status = if reset { Status::ResetRequired } else { Status::Confirmed };
        stage.edit(Side::New, &new, |body| body.status = status);
        let change = stage.change(Side::New, &new, Proof::Changed);
        settled(&mut stage, &Change { password: !reset, administrator: !reset, ..change });
        assert_eq!(closed(&stage, &old), 0, "reset: {reset}");
        let ignored = Some(Reason::PassiveAdministrator);
        assert_eq!(decided(&stage, &old, DecisionKind::PasswordIgnored, ignored), 1);
    }
}

#[test]
fn administrator_in_the_active_pool_closes_the_passive_one() {
    let mut stage = Stage::new(Provision::Lazy);
    let (_, new) = stage.pair();
    stage.world.lock().table.control.phase = Phase::Switched;
    stage.wait(Duration::from_hours(1));
    let change = new_password(&mut stage, Side::New, &new);
    settled(&mut stage, &Change { administrator: true, ..change });
    let old = stage.entry(Side::New, &new).accounts.old.unwrap().sub;
    assert_eq!(closed(&stage, &old), 1);
}

#[test]
fn administrators_reset_closes_the_other_password_once() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, &old, |body| body.status = Status::ResetRequired);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(closed(&stage, &new), 1, "it may have leaked as well: {verdicts:?}");
    assert_eq!(decided(&stage, &old, DecisionKind::PasswordReset, None), 1);
    assert_eq!(decided(&stage, &old, DecisionKind::Closed, None), 1);
    // poolbridge's own closing is no reset, and the same reset counts once.
    for _ in 0..3 {
        stage.captured(Side::New, &new);
        stage.captured(Side::Old, &old);
    }
    assert_eq!((closed(&stage, &new), closed(&stage, &old)), (1, 0));
    let counted: u64 = stage.world.lock().table.removals.values().map(|(count, _)| count).sum();
    assert_eq!(counted, 1, "the circuit breaker counts it");
}

#[test]
fn account_that_an_import_left_in_reset_required_closes_no_other_password() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.world.lock().table.control.phase = Phase::Switched;
    stage.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    stage.captured(Side::New, &new);
    stage.set(Side::New, &new, "name", "n");
    stage.captured(Side::New, &new);
    assert_eq!(closed(&stage, &old), 0);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("n"), "they are linked");
}

#[test]
fn password_of_a_reset_account_is_closed_already_and_only_its_sessions_end() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    stage.captured(Side::New, &new);
    stage.wait(Duration::from_hours(1));
    let change = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &change);
    assert_eq!(closed(&stage, &new), 0);
    assert_eq!(stage.body(Side::New, &new).status, Status::ResetRequired);
    let passwords = stage.entry(Side::Old, &old).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (Some(change.at), false));
    assert_eq!(calls(&stage.world, "AdminUserGlobalSignOut"), 1);
}

/// A pair in which the person could not set a new password for the new account.
fn locked_in(lock: impl FnOnce(&mut Stage, &Sub)) {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    lock(&mut stage, &new);
    let change = new_password(&mut stage, Side::Old, &old);
    let verdicts = settled(&mut stage, &change);
    assert_eq!(closed(&stage, &new), 0, "the person is locked out: {verdicts:?}");
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.passwords.kept_open(), Some((Side::New, Reason::NoRecovery)));
    assert_eq!((entry.state, entry.reason), (PersonState::Held, Some(Reason::NoRecovery)));
    assert_eq!(decided(&stage, &old, DecisionKind::Held, Some(Reason::NoRecovery)), 1);
    assert!(entry.passwords.counted.new.is_none(), "the circuit breaker counts what is closed");
}

#[test]
fn password_stays_open_where_no_address_is_verified() {
    locked_in(|stage, new| {
        stage.edit(Side::New, new, |body| {
            body.attributes.insert(attribute("email_verified"), "false".to_owned());
        });
    });
}

#[test]
fn password_stays_open_where_only_administrators_recover_accounts() {
    locked_in(|stage, _| {
        stage.world.lock().pools.new.shape.recovery = Some(std::collections::BTreeSet::new());
    });
}

#[test]
fn password_stays_open_where_the_only_channel_is_a_second_factor() {
    locked_in(|stage, new| {
        stage.edit(Side::New, new, |body| {
            body.factors.insert(Factor::Email);
        });
    });
}

#[test]
fn password_is_closed_once_its_person_can_set_a_new_one() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.world.lock().pools.new.shape.recovery = Some(std::collections::BTreeSet::new());
    let change = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &change);
    assert_eq!(closed(&stage, &new), 0);
    stage.world.lock().pools.new.shape.recovery =
        Some(std::collections::BTreeSet::from([attribute("email")]));
    stage.captured(Side::New, &new);
    assert_eq!(closed(&stage, &new), 1);
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.passwords.kept_open()), (PersonState::Synced, None));
}

#[test]
fn password_closings_open_the_circuit_breaker() {
    let mut stage = Stage::new(Provision::Lazy);
    let pairs: Vec<(Sub, Sub)> = (1..=u32::try_from(limits::REMOVALS_LEAST).unwrap() + 1)
        .map(|human| {
            let address = format!("p{human}@example.com");
            let old = stage.account(Side::Old, human, &address, true);
            let new = stage.account(Side::New, human, &address, true);
            stage.captured(Side::Old, &old);
            (old, new)
        })
        .collect();
    // The next clock hour, so that everything falls into one hour.
    let now = stage.world.lock().now.0;
    let hour = 3_600_000;
    stage.wait(Duration::from_millis(u64::try_from(hour - now.rem_euclid(hour)).unwrap()));
    for (old, _) in &pairs {
        let change = new_password(&mut stage, Side::Old, old);
        noted(&mut stage, &change);
    }
    stage.settle();
    let all: usize = pairs.iter().map(|(_, new)| closed(&stage, new)).sum();
    assert_eq!(all, pairs.len() - 1);
    assert!(stage.world.lock().table.control.breaker.is_some());
    let waiting = |stage: &Stage| {
        let held = pairs
            .iter()
            .find(|(old, _)| stage.entry(Side::Old, old).reason == Some(Reason::Breaker));
        held.cloned()
    };
    let (old, new) = waiting(&stage).unwrap();
    let open = stage.entry(Side::Old, &old).passwords.kept_open();
    assert_eq!(open, Some((Side::New, Reason::Breaker)));
    // An operator closes the breaker and allows one more closing.
    {
        let mut world = stage.world.lock();
        let now = world.now;
        world.table.allow_removals(now, 1);
        world.table.control.breaker = None;
    }
    stage.captured(Side::New, &new);
    assert_eq!((closed(&stage, &new), waiting(&stage)), (1, None));
}

#[test]
fn open_circuit_breaker_closes_no_password() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let now = stage.world.lock().now;
    stage.world.lock().table.control.breaker = Some(Breaker::removals(now));
    let change = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &change);
    assert_eq!(closed(&stage, &new), 0);
    assert_eq!(stage.entry(Side::Old, &old).reason, Some(Reason::Breaker));
}

#[test]
fn federated_account_is_never_given_a_password() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.edit(Side::New, &new, |body| body.status = Status::ExternalProvider);
    let change = new_password(&mut stage, Side::Old, &old);
    settled(&mut stage, &change);
    assert_eq!(closed(&stage, &new), 0, "a password would turn the profile into a local account");
    assert_eq!(stage.body(Side::New, &new).status, Status::ExternalProvider);
    // It has no password that could stay usable, so apply holds no field for one.
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.passwords.open.new, entry.state), (None, PersonState::Synced));
}

#[test]
fn password_event_is_not_lost_behind_an_older_pending_change() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    stage.world.lock().table.control.paused = Some("maintenance".to_owned());
    stage.set(Side::Old, &old, "name", "n");
    stage.capture(Side::Old, &old);
    stage.wait(Duration::from_mins(5));
    // The table fails while the password is captured: only the message carries it.
    let reset = new_password(&mut stage, Side::Old, &old);
    let report = stage.look(&reset);
    assert!(report.marked, "{report:?}");
    let holds = stage.world.lock().table.marks.values().all(|mark| mark.holds(&reset));
    assert!(holds, "the message is acknowledged, and nothing holds the password event");
    stage.world.lock().table.control.paused = None;
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).passwords.set.old, Some(reset.at));
}

#[test]
fn password_event_outlives_an_outage_in_an_older_pending_change() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "n");
    stage.capture(Side::Old, &old);
    stage.wait(Duration::from_mins(1));
    {
        let mut world = stage.world.lock();
        let until = world.now + Duration::from_hours(1);
        world.weather.cut_off(Place::Pool(Side::New), until);
    }
    let reset = new_password(&mut stage, Side::Old, &old);
    for _ in 0..5 {
        stage.wait(Duration::from_mins(1));
        assert!(stage.look(&reset).marked);
    }
    // Another field changes meanwhile, so the account alone no longer supports the claim.
    stage.set(Side::Old, &old, "name", "m");
    stage.wait(Duration::from_hours(2));
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).passwords.set.old, Some(reset.at));
    assert_eq!(closed(&stage, &new), 1);
}

#[test]
fn forged_message_closes_no_password() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let forged = Change { password: true, claimed: true, ..change };
    // A message that is processed too early becomes a pending change, which is no better evidence.
    assert!(stage.look(&forged).marked);
    let mut verdicts = stage.settle();
    verdicts.push(stage.look(&forged).verdict);
    assert_eq!(closed(&stage, &new), 0, "{verdicts:?}");
    let passwords = stage.entry(Side::Old, &old).passwords;
    assert_eq!((passwords.set.old, passwords.unproven.old), (None, Some(forged.at)));
    let unproven = Some(Reason::PasswordUnproven);
    assert_eq!(decided(&stage, &old, DecisionKind::PasswordIgnored, unproven), 1);
    // CloudTrail reported it: now it counts.
    let told = Time(forged.at.0 - forged.at.0.rem_euclid(1_000) + 999);
    settled(&mut stage, &Change { at: told, ..forged.clone() }.seen());
    assert_eq!(closed(&stage, &new), 1);
}

/// Evidence from a function of the bridge, not from a message alone.
trait Seen {
    fn seen(self) -> Self;
}

impl Seen for Change {
    fn seen(self) -> Self {
        Self { claimed: false, id: self.id + 1_000, ..self }
    }
}

#[test]
fn forged_confirmation_clears_no_pending_change_early() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.set(Side::Old, &old, "name", "n");
    stage.capture(Side::Old, &old);
    let forged = stage.change(Side::Old, &old, Proof::Confirmed);
    let forged = Change { at: forged.at + Duration::from_mins(1), ..forged };
    stage.look(&forged);
    assert_eq!(stage.world.lock().table.marks.len(), 1, "a read may still be older than the edit");
}

#[test]
fn password_owed_to_a_created_account_keeps_the_pending_change_behind_a_disable() {
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    trouble(&stage.world, "AdminSetUserPassword", Fate::NotSent, 1);
    let change = stage.change(Side::Old, &old, Proof::Confirmed);
    noted(&mut stage, &change);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert_eq!(stage.entry(Side::Old, &old).owes_password, Some(Side::New));
    stage.edit(Side::Old, &old, |body| body.enabled = false);
    stage.capture(Side::Old, &old);
    stage.wait(limits::SETTLE * 2);
    let disabled =
        Change { proof: Proof::Changed, ..stage.change(Side::Old, &old, Proof::Changed) };
    stage.wait(limits::SETTLE);
    let verdict = stage.look(&disabled).verdict;
    assert!(matches!(verdict, Verdict::Later(..)), "the password is still owed: {verdict:?}");
    assert!(!stage.world.lock().table.marks.is_empty());
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).owes_password, None);
}
