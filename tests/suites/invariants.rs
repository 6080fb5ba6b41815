//! One test for each invariant that the flow has to keep, named after it: small stories in calm
//! weather, on the simulated world, through the real `capture` and `converge`.
//!
//! Invariants 3, 9, 14 and 15 live at the doors and are shown where the doors are: see the suites
//! `end_to_end` and the adapters' own tests.

#![expect(clippy::unwrap_used, reason = "a test's own names and rules are known to be good")]

#[path = "invariants/deletion.rs"]
mod deletion;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::account::{AttributeShape, Shape, Status};
use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::converge::{Bridge, Report, Work};
use poolbridge_core::entry::{DecisionKind, Entry, State as PersonState};
use poolbridge_core::facts::Factor;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::law::Law;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::names::{Sub, Username};
use poolbridge_core::policy::{
    ConfigurationStamp, ConflictRule, Deletes, MatchBy, Policy, Provision, StalePasswords,
};
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::world::accounts::{Body, SimulatedAccount, Version, attribute, group};
use poolbridge_tests::world::chance::Seeded;
use poolbridge_tests::world::edits::Human;
use poolbridge_tests::world::weather::{Climate, Weather};
use poolbridge_tests::world::{BEGINNING, State, TaskId, World};

/// A calm world with a bridge in it.
struct Stage {
    world: World,
    policy: Policy,
    keys: Keyring,
    configuration: ConfigurationStamp,
    tasks: u32,
}

impl Stage {
    fn new(provision: Provision) -> Self {
        let chooser = Box::new(Seeded::new(1));
        let mut state =
            State::new(chooser, Weather::new(Climate::calm()), limits::SETTLE, Law::WHOLE);
        for side in Side::BOTH {
            state.pools.get_mut(side).shape = shape();
        }
        let policy = Policy {
            match_by: MatchBy::Email,
            provision: BySide { old: provision, new: provision },
            conflicts: ConflictRule::ActiveWins,
            deletes: Deletes::Disable,
            groups: true,
            stale_passwords: StalePasswords::Close,
            settle: limits::SETTLE,
            clock_allowance: Duration::ZERO,
            mapping: Mapping::new(Vec::new(), &BTreeSet::new(), false, true).unwrap(),
            law: Law::WHOLE,
        };
        let configuration = ConfigurationStamp { hash: "stage".to_owned(), since: BEGINNING };
        let keys = Keyring::new(1, [7; 32]);
        Self { world: World::new(state), policy, keys, configuration, tasks: 0 }
    }

    /// A confirmed account with that address, proved or only claimed.
    fn account(&self, side: Side, human: u32, address: &str, proved: bool) -> Sub {
        let mut state = self.world.lock();
        let now = state.now;
        let pool = state.pools.get_mut(side);
        let sub = pool.next_sub();
        let body = Body {
            attributes: BTreeMap::from([
                (attribute("email"), address.to_owned()),
                (attribute("email_verified"), proved.to_string()),
            ]),
            enabled: true,
            groups: BTreeSet::new(),
            factors: BTreeSet::new(),
            status: Status::Confirmed,
            modified: now,
            exists: true,
            origins: BTreeMap::new(),
        };
        let username = Username::try_from(format!("{side}-{human}").as_str()).unwrap();
        let first = Version { at: now, body };
        pool.add(SimulatedAccount::new(sub.clone(), username, Human(human), false, first));
        sub
    }

    fn edit(&self, side: Side, sub: &Sub, edit: impl FnOnce(&mut Body)) {
        let mut state = self.world.lock();
        let now = state.now;
        let account = state.pools.get_mut(side).get_mut(sub).unwrap();
        account.change(now, |body| {
            edit(body);
            body.modified = now;
        });
    }

    fn set(&self, side: Side, sub: &Sub, name: &str, value: &str) {
        self.edit(side, sub, |body| {
            body.attributes.insert(attribute(name), value.to_owned());
        });
    }

    fn says(&self, side: Side, sub: &Sub, name: &str) -> Option<String> {
        self.body(side, sub).attributes.get(&attribute(name)).cloned()
    }

    fn body(&self, side: Side, sub: &Sub) -> Body {
        self.world.lock().account(side, sub).unwrap().body().clone()
    }

    fn change(&mut self, side: Side, sub: &Sub, proof: Proof) -> Change {
        self.tasks += 1;
        let at = self.world.lock().now;
        Change { side, sub: sub.clone(), at, proof, password: false, id: u128::from(self.tasks) }
    }

    /// What a trigger does.
    fn capture(&mut self, side: Side, sub: &Sub) {
        let change = self.change(side, sub, Proof::Changed);
        let ports = self.world.ports(TaskId(self.tasks));
        assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    }

    /// One look at one change.
    fn look(&mut self, change: &Change) -> Report {
        self.tasks += 1;
        let ports = self.world.ports(TaskId(self.tasks));
        let bridge = Bridge {
            ports: &ports,
            policy: &self.policy,
            keys: &self.keys,
            configuration: &self.configuration,
        };
        let now = self.world.lock().now;
        let deadline = now + limits::PERSON_TIME_MAX;
        let work = Work { deadline, invocation_end: deadline, suspendable: false };
        finish(bridge.converge(change, &work))
    }

    fn wait(&self, span: Duration) {
        let mut state = self.world.lock();
        let until = state.now + span;
        state.pass(until);
    }

    /// Looks at every mark, again and again, until none is left. Answers the verdicts.
    fn settle(&mut self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for _ in 0..50 {
            self.wait(limits::SETTLE);
            let marks: Vec<(Side, Sub)> = self.world.lock().table.marks.keys().cloned().collect();
            if marks.is_empty() {
                return verdicts;
            }
            for (side, sub) in marks {
                let mark = self.world.lock().table.marks.get(&(side, sub.clone())).cloned();
                let Some(at) = mark.map(|mark| mark.last) else { continue };
                let change = Change { at, ..self.change(side, &sub, Proof::Hint) };
                verdicts.push(self.look(&change).verdict);
            }
        }
        panic!("it does not come to rest: {verdicts:?}");
    }

    fn captured(&mut self, side: Side, sub: &Sub) -> Vec<Verdict> {
        self.capture(side, sub);
        self.settle()
    }

    /// What the trail does about a deletion.
    fn deleted(&mut self, side: Side, sub: &Sub) -> Vec<Verdict> {
        let change = self.change(side, sub, Proof::Deleted);
        let mut verdicts = Vec::new();
        self.wait(limits::SETTLE);
        for _ in 0..10 {
            let report = self.look(&change);
            verdicts.push(report.verdict.clone());
            let Verdict::Later(after, _) = report.verdict else { return verdicts };
            self.wait(after);
        }
        panic!("it does not come to rest: {verdicts:?}");
    }

    fn entry(&self, side: Side, sub: &Sub) -> Entry {
        self.world.lock().table.find(side, sub).unwrap().clone()
    }

    fn writes(&self) -> u64 {
        self.world.lock().watch.writes
    }

    fn living(&self, side: Side) -> usize {
        self.world.lock().pools.get(side).living().count()
    }

    /// Two accounts of one human, linked and in step.
    fn pair(&mut self) -> (Sub, Sub) {
        let old = self.account(Side::Old, 1, "one@example.com", true);
        let new = self.account(Side::New, 1, "one@example.com", true);
        self.captured(Side::Old, &old);
        assert_eq!(self.entry(Side::Old, &old).state, PersonState::Synced);
        assert_eq!(self.entry(Side::New, &new).id, self.entry(Side::Old, &old).id);
        (old, new)
    }
}

fn shape() -> Shape {
    let names = ["email", "email_verified", "name", "nickname", "phone_number"];
    let names = names.into_iter().chain(["phone_number_verified"]);
    Shape {
        attributes: names
            .map(|name| (attribute(name), AttributeShape { mutable: true, longest: Some(20) }))
            .collect(),
        case_sensitive: true,
        groups: BTreeSet::from([group("staff"), group("admins")]),
        factors: BTreeSet::from([Factor::Sms, Factor::Email]),
        ..Shape::default()
    }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the flow does not end");
}

#[test]
fn invariant_01_level_not_edge() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let early = stage.change(Side::Old, &old, Proof::Changed);
    stage.set(Side::Old, &old, "name", "first");
    stage.captured(Side::Old, &old);
    stage.set(Side::New, &new, "name", "second");
    stage.captured(Side::New, &new);
    let writes = stage.writes();
    // Late, doubled, from the wrong side, and with every proof: costs a read, does no harm.
    for proof in [Proof::Changed, Proof::Confirmed, Proof::Hint, Proof::Deleted] {
        for side in Side::BOTH {
            let sub = if side == Side::Old { &old } else { &new };
            let late = Change { side, sub: sub.clone(), proof, ..early.clone() };
            assert_eq!(stage.look(&late).verdict, Verdict::AlreadyTrue);
        }
    }
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("second"));
    assert_eq!(stage.writes(), writes);
}

#[test]
fn invariant_02_no_lost_change() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "marked");
    stage.capture(Side::Old, &old);
    // The message is lost; the mark alone brings the change home. `settle` knows no queue.
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("marked"));
    // The mark is lost; the message alone does, and leaves a mark where it answers `later`.
    stage.set(Side::Old, &old, "name", "sent");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let report = stage.look(&change);
    assert!(matches!(report.verdict, Verdict::Later(_, Reason::Settling)) && report.marked);
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("sent"));
}

#[test]
fn invariant_04_no_echo() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "told");
    stage.captured(Side::Old, &old);
    let writes = stage.writes();
    stage.captured(Side::New, &new);
    stage.captured(Side::New, &new);
    assert_eq!(stage.writes(), writes);
    let echo = stage.change(Side::New, &new, Proof::Changed);
    stage.wait(limits::SETTLE);
    let report = stage.look(&echo);
    assert_eq!((report.account_reads, report.pool_writes), (1, 0));
}

#[test]
fn invariant_05_no_lost_update() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "of old");
    stage.set(Side::New, &new, "nickname", "of new");
    stage.capture(Side::Old, &old);
    stage.captured(Side::New, &new);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        assert_eq!(stage.says(side, sub, "name").as_deref(), Some("of old"));
        assert_eq!(stage.says(side, sub, "nickname").as_deref(), Some("of new"));
    }
    stage.set(Side::Old, &old, "name", "old says");
    stage.set(Side::New, &new, "name", "new says");
    stage.capture(Side::Old, &old);
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("old says"));
    let conflict = |decision: &&poolbridge_core::entry::Decision| {
        decision.kind == DecisionKind::Conflict && decision.fields == ["name"]
    };
    assert_eq!(stage.entry(Side::Old, &old).decisions.iter().filter(conflict).count(), 1);
}

#[test]
fn invariants_06_and_07_an_absence_neither_resurrects_nor_deletes() {
    let mut stage = Stage::new(Provision::Eager);
    let (old, new) = stage.pair();
    stage.edit(Side::New, &new, |body| body.exists = false);
    stage.set(Side::Old, &old, "name", "still here");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AccountGone)));
    assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 0));
    assert!(stage.body(Side::Old, &old).enabled);
    stage.captured(Side::New, &new);
    assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 0));
}

#[test]
fn invariant_08_nothing_is_weakened() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    // A flag that fell does not travel, and is not raised again either: somebody looks.
    stage.set(Side::New, &new, "email_verified", "false");
    let verdicts = stage.captured(Side::New, &new);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::VerificationLost)));
    assert_eq!(stage.says(Side::Old, &old, "email_verified").as_deref(), Some("true"));
    assert_eq!(stage.says(Side::New, &new, "email_verified").as_deref(), Some("false"));
    // Another address brings its own flag, never the old one's.
    stage.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("email"), "two@example.com".to_owned());
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    stage.set(Side::New, &new, "email_verified", "true");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("two@example.com"));
    assert_eq!(stage.says(Side::New, &new, "email_verified").as_deref(), Some("false"));
}

#[test]
fn invariant_08_a_side_with_an_outdated_password_is_not_believed() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    // Whoever has the leaked password takes the address over in the new pool; nobody captures that.
    stage.set(Side::New, &new, "email", "thief@example.com");
    let reset = Change { password: true, ..stage.change(Side::Old, &old, Proof::Changed) };
    stage.wait(limits::SETTLE);
    let verdict = stage.look(&reset).verdict;
    assert_eq!(verdict, Verdict::Held(Reason::StaleSide));
    assert_eq!(stage.says(Side::Old, &old, "email").as_deref(), Some("one@example.com"));
    let entry = stage.entry(Side::Old, &old);
    assert!(entry.passwords.closed.new.is_some(), "the leaked password still opens the account");
    assert_eq!(entry.passwords.closed.old, None);
}

#[test]
fn invariant_10_one_bad_apple_and_a_disable_that_nothing_holds() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "nickname", "much too long for the other pool");
    stage.set(Side::Old, &old, "name", "fits");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Refused(Reason::TooLong)));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fits"));
    stage.world.lock().table.control.paused = Some("a test".to_owned());
    stage.edit(Side::Old, &old, |body| body.enabled = false);
    stage.set(Side::Old, &old, "name", "waits");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert!(!stage.body(Side::New, &new).enabled, "a pause held a disable");
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fits"));
    stage.world.lock().table.control.paused = None;
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("waits"));
}

#[test]
fn invariant_11_convergence() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    for round in 0..5 {
        stage.set(Side::Old, &old, "name", &format!("old {round}"));
        stage.capture(Side::Old, &old);
        stage.set(Side::New, &new, "nickname", &format!("new {round}"));
        stage.edit(Side::New, &new, |body| {
            if !body.groups.remove(&group("staff")) {
                body.groups.insert(group("staff"));
            }
        });
        stage.capture(Side::New, &new);
    }
    stage.settle();
    let (one, two) = (stage.body(Side::Old, &old), stage.body(Side::New, &new));
    assert_eq!((one.attributes, one.groups), (two.attributes, two.groups));
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn invariant_12_nobody_is_locked_out() {
    let mut lazy = Stage::new(Provision::Lazy);
    let old = lazy.account(Side::Old, 1, "one@example.com", true);
    lazy.captured(Side::Old, &old);
    assert_eq!(lazy.living(Side::New), 0, "a lazy bridge made an account");
    assert_eq!(lazy.entry(Side::Old, &old).state, PersonState::OnlyOld);
    let mut eager = Stage::new(Provision::Eager);
    let claimed = eager.account(Side::Old, 1, "one@example.com", false);
    let verdicts = eager.captured(Side::Old, &claimed);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::NoWayIn)));
    assert_eq!(eager.living(Side::New), 0, "somebody who cannot get in was created");
    eager.set(Side::Old, &claimed, "email_verified", "true");
    eager.captured(Side::Old, &claimed);
    assert_eq!(eager.living(Side::New), 1);
    let state = eager.world.lock();
    let made = state.pools.new.living().next().unwrap();
    assert_eq!(made.body().status, Status::Confirmed, "forgot-password would not work there");
}

#[test]
fn invariant_13_nothing_is_taken() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.world.lock().pools.new.shape.alias_attributes = BTreeSet::from([attribute("email")]);
    let (old, new) = stage.pair();
    let other = stage.account(Side::New, 2, "two@example.com", true);
    stage.set(Side::Old, &old, "email", "two@example.com");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)));
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("one@example.com"));
    assert_eq!(stage.says(Side::New, &other, "email").as_deref(), Some("two@example.com"));
}

#[test]
fn invariant_16_nobody_is_linked_on_a_claim() {
    for (old_proved, new_proved) in [(false, false), (true, false), (false, true)] {
        let mut stage = Stage::new(Provision::Eager);
        let old = stage.account(Side::Old, 1, "one@example.com", old_proved);
        let new = stage.account(Side::New, 2, "one@example.com", new_proved);
        stage.capture(Side::New, &new);
        let verdicts = stage.captured(Side::Old, &old);
        assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Unproven)));
        assert_ne!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
        assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 1));
    }
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.account(Side::New, 2, "one@example.com", true);
    stage.account(Side::New, 3, "one@example.com", true);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Ambiguous)));
}

#[test]
fn invariant_17_bounded() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    for round in 0..40 {
        stage.set(Side::Old, &old, "name", &format!("round {round}"));
        stage.captured(Side::Old, &old);
    }
    let entry = stage.entry(Side::Old, &old);
    assert!(entry.decisions.len() <= limits::DECISIONS_MAX);
    assert!(entry.flips.len() <= 4 && entry.obstacles.is_empty() && entry.intent.is_none());
}
