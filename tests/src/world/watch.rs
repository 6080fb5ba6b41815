//! What the tasks saw and did, and each violation at the moment it happens.
//!
//! The checks do not ask the bridge: they judge each write by what its task had observed, and by
//! which task held the person's lease when the write landed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::profile::Field;
use poolbridge_core::record::Decision;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::accounts::{Accounts, Body, SimulatedAccount};
pub use super::basis::{Basis, Observed};
use super::connection::Call;
use super::departures;
use super::edits::{EditId, Human};
use super::history::Digest;
use super::passwords::{self, PasswordSet};
use super::table::Table;
use super::{TaskId, WorldState, evidence};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub promise: &'static str,
    /// How it was broken.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.promise, self.detail)
    }
}

/// A stranger took a username after the last observation of its owner and before the write.
pub const NAME_TAKEN: &str = "name taken between look and write";

/// A value that the bridge replaced without having seen it.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Unseen {
    /// The edit that was replaced.
    pub edit: EditId,
    /// When the writer had last observed that side. A stale read hid an edit from before that time.
    pub observed: Time,
    /// Whether the written side was observed last, or the plan writes both sides, so that the gap
    /// is as small as possible.
    pub last: bool,
}

/// A write that was stored as an intent: an edit that sets the same value cannot be distinguished
/// from it.
#[derive(Clone, Debug, Hash)]
pub struct Announced {
    /// The task that stored it.
    pub task: TaskId,
    /// The person.
    pub person: PersonId,
    /// The field.
    pub field: Field,
    /// The side to be written.
    pub side: Side,
    /// The value that it carries, as the edit that it comes from expresses it; `None` if that is
    /// not known.
    pub wanted: Option<Option<String>>,
    /// The moment that the writer's observation of that side showed.
    pub observed: Time,
    /// When the next worker resolved it.
    pub resolved: Option<Time>,
}

/// A recorded decision.
#[derive(Clone, Debug, Hash)]
pub struct Decided {
    /// The person.
    pub person: PersonId,
    /// The decision.
    pub decision: Decision,
    /// The true time. The decision itself holds the time of its worker's clock, which may be wrong.
    pub at: Time,
}

/// All records of the checks.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    pub(super) tasks: BTreeMap<TaskId, Basis>,
    pub(super) holders: BTreeMap<PersonId, TaskId>,
    /// Every recorded decision.
    pub decisions: Vec<Decided>,
    /// When each person was first agreed.
    pub baseline: BTreeMap<PersonId, Time>,
    /// Until when a field was held.
    pub obstructed: BTreeMap<(PersonId, Field), Time>,
    /// Edits that were replaced unseen.
    pub unseen: Vec<Unseen>,
    /// When a person was last recorded from an observation that did not show that edit, although it
    /// was made before. Only for fields with two states: two observations of two moments can make
    /// both sides seem to agree.
    pub outdated: BTreeMap<(PersonId, EditId), Time>,
    /// Writes that were stored as intents.
    pub announced: Vec<Announced>,
    /// Fields that a pool refused, by side and account.
    pub refused: BTreeSet<(Side, Sub, Field)>,
    /// Strangers whose account was written: see [`NAME_TAKEN`].
    pub taken: BTreeSet<Sub>,
    /// When the new pool became the active one during the run.
    pub switched: Option<Time>,
    /// The violations so far.
    pub violations: Vec<Violation>,
    /// Writes to pools that landed.
    pub writes: u64,
    /// Reads of accounts.
    pub reads: u64,
    /// Accounts that the bridge created.
    pub created: BTreeMap<(Human, Side), u32>,
    /// Passwords that people chose.
    pub passwords: Vec<PasswordSet>,
    /// Accounts whose password was closed and whose open sessions were not ended since.
    pub sessions: BTreeSet<(Side, Sub)>,
    /// Accounts whose password was closed although it was the newest: its pending change was not
    /// stored yet.
    pub replaced_unseen: BTreeSet<(Side, Sub)>,
}

impl Watch {
    /// Records a violation.
    pub fn violated(&mut self, promise: &'static str, detail: String) {
        self.violations.push(Violation { promise, detail });
    }

    /// A task observed an account.
    pub fn saw(&mut self, task: TaskId, side: Side, sub: &Sub, seen: Observed) {
        self.reads += 1;
        self.tasks.entry(task).or_default().accounts.insert((side, sub.clone()), seen);
    }

    /// A task found an account in a listing: a hint, which does not replace what a read showed.
    pub fn found(&mut self, task: TaskId, side: Side, sub: &Sub, seen: Observed) {
        let accounts = &mut self.tasks.entry(task).or_default().accounts;
        accounts.entry((side, sub.clone())).or_insert(seen);
    }

    /// A task observed an account's groups.
    pub fn saw_groups(&mut self, task: TaskId, side: Side, sub: &Sub, seen: Observed) {
        self.tasks.entry(task).or_default().groups.insert((side, sub.clone()), seen);
    }

    /// A task read the pending change of an account. The password checks use this.
    pub fn read_pending(&mut self, task: TaskId, side: Side, sub: &Sub, now: Time) {
        if !self.passwords.is_empty() {
            self.tasks.entry(task).or_default().pending_changes.insert((side, sub.clone()), now);
        }
    }

    /// A task took a person's lease.
    pub fn claimed(&mut self, task: TaskId, person: &PersonId) {
        self.holders.insert(person.clone(), task);
        self.tasks.entry(task).or_default().claimed.push(person.clone());
    }

    /// What a task knows now.
    pub fn basis(&self, task: TaskId) -> Basis {
        self.tasks.get(&task).cloned().unwrap_or_default()
    }

    /// Hashes everything that a check may still read: what the tasks in `living` saw, which leases
    /// are held, and what was recorded. The order of the records does not matter.
    pub fn hash_into(&self, living: &BTreeSet<TaskId>, hasher: &mut impl Hasher) {
        // Each field is named, so that a new one cannot be forgotten. A violation ends a run, and
        // the counters are set to zero before they are read.
        let Self {
            tasks,
            holders,
            decisions,
            baseline,
            obstructed,
            unseen,
            outdated,
            announced,
            refused,
            taken,
            switched,
            violations: _,
            writes: _,
            reads: _,
            created,
            passwords,
            replaced_unseen,
            sessions,
        } = self;
        for task in living {
            tasks.get(task).hash(hasher);
        }
        (holders, decisions, baseline, obstructed, created).hash(hasher);
        (outdated, refused, taken, switched, replaced_unseen, sessions).hash(hasher);
        notes(unseen, hasher);
        notes(announced, hasher);
        notes(passwords, hasher);
    }

    /// The human that gets the account created by that task.
    pub fn human_being_created(
        &mut self,
        table: &Table,
        pools: &BySide<Accounts>,
        task: TaskId,
        side: Side,
    ) -> Human {
        let claimed = self.tasks.get(&task).and_then(|basis| basis.claimed.last());
        let mut id = claimed;
        while let Some(next) = id.and_then(|id| table.forwards.get(id)) {
            id = Some(next);
        }
        let source = id
            .and_then(|id| table.people.get(id))
            .and_then(|record| record.accounts.get(side.other()).as_ref())
            .and_then(|known| pools.get(side.other()).get(&known.sub));
        source.map_or(Human(u32::MAX), |account| account.human)
    }
}

/// Hashes a set of records, whatever their order and number of repetitions.
fn notes(notes: &[impl Hash], hasher: &mut impl Hasher) {
    let digest = |note| {
        let mut digest = Digest::default();
        Hash::hash(note, &mut digest);
        digest.whole()
    };
    notes.iter().map(digest).collect::<BTreeSet<u128>>().hash(hasher);
}

/// Judges a creation that has just landed.
pub fn created(state: &mut WorldState, call: Call, side: Side, sub: &Sub, basis: &Basis) {
    state.watch.writes += 1;
    let Some(account) = state.pools.get(side).get(sub) else { return };
    let human = account.human;
    let body = account.body().clone();
    if let Some(person) = basis.claimed.last() {
        judge_holder(state, call, person.clone());
    }
    let count = state.watch.created.entry((human, side)).or_default();
    *count += 1;
    departures::judge_creation(state, call, side, sub, human);
    let living = state.pools.get(side).living().filter(|one| one.human == human).count();
    if living > 1 {
        let detail = format!("{call} {sub}: human {} has {living} there", human.0);
        state.watch.violated("each person has at most one account per pool", detail);
    }
    evidence::judge_flags(state, call, side, human, &body, |_| true);
    evidence::judge_origin(state, call, human);
}

/// Judges a write that is about to land.
pub fn written(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    action: &Action,
    after: Option<&Body>,
    basis: &Basis,
) {
    state.watch.writes += 1;
    let Some(target) = state.pools.get(side).get(sub) else { return };
    let (human, body, ours) = (target.human, target.body().clone(), target.ours);
    if taken_since(side, target, state, basis) {
        state.watch.taken.insert(sub.clone());
        state.fault_injection.count(NAME_TAKEN);
        return;
    }
    let person = state.table.find(side, sub).map(|record| record.id.clone());
    match person.clone().or_else(|| basis.claimed.last().cloned()) {
        Some(person) => judge_holder(state, call, person),
        None => state.watch.violated("no write without a lease", format!("{call} {sub}")),
    }
    if !ours && departures::named_again(state, side, sub, basis) {
        return;
    }
    let disabled = |body: &Body| !body.enabled;
    let merged = *action == Action::Disable
        && basis.body(&state.pools, side.other(), human, &Field::Enabled).is_some_and(disabled);
    if matches!(action, Action::Disable | Action::Delete) && !merged {
        // Nothing is copied, so it does not matter which account was observed on the other side.
        departures::judge_removal(state, call, side, sub, human);
    } else {
        judge_stranger(state, call, side, sub, human, basis);
    }
    if let Action::RemoveFromGroup(group) = action {
        let field = Field::Group(group.clone());
        let gone = departures::departed(state, human, side.other());
        if gone {
            // Groups are read by username, and the username may belong to another account by then.
            state.fault_injection.count(departures::NAMED_AGAIN);
        } else if basis.body(&state.pools, side.other(), human, &field).is_none() {
            let detail = format!("{call} {sub}: {group} was never read on the other side");
            state.watch.violated("an unknown list is not an empty list", detail);
        }
    }
    if let (Action::SetAttributes { fields }, Some(after)) = (action, after)
        && fields.keys().any(Field::is_address)
    {
        evidence::judge_flags(state, call, side, human, after, |it| fields.contains_key(it));
        evidence::judge_spelling(state, call, side, &body, after);
    }
    // Disabling an account revokes its tokens (page of `AdminDisableUser`).
    if matches!(action, Action::SignOut | Action::Disable) {
        state.watch.sessions.remove(&(side, sub.clone()));
    }
    if *action == Action::SetRandomPassword {
        passwords::judge_closing(state, call, side, sub, body.password, basis);
    }
    for field in action.fields() {
        let Some(&edit) = body.origins.get(&field) else { continue };
        let Some(seen) = basis.seen(side, sub, &field) else { continue };
        let target = state.pools.get(side).get(sub);
        let then = target.and_then(|one| one.versions()[seen.version].body.origins.get(&field));
        if then != Some(&edit) {
            let last =
                basis.writes_both || basis.observed_last(&state.pools, side, human, &field, seen);
            state.watch.unseen.push(Unseen { edit, observed: seen.at, last });
            state.say(|| format!("  edit {} of {field} is replaced unseen", edit.0));
        }
    }
}

fn judge_holder(state: &mut WorldState, call: Call, mut person: PersonId) {
    while let Some(next) = state.table.forwards.get(&person) {
        person = next.clone();
    }
    let holder = state.watch.holders.get(&person).copied();
    if holder.is_some_and(|holder| holder != call.task) {
        let detail = format!("{call} landed after {} took the lease", holder.unwrap_or(call.task));
        state.watch.violated("no two writers", detail);
    }
}

/// Whether another account took that username since the moment that the writer's last observation
/// of its owner showed: after that observation, or within the bound on stale reads before it. In a
/// pool that accepts only usernames, no component can distinguish the two then. An account that was
/// observed can be distinguished (`SameSub`).
fn taken_since(side: Side, target: &SimulatedAccount, state: &WorldState, basis: &Basis) -> bool {
    let pool = state.pools.get(side);
    let bore = |sub: &Sub| {
        let other = pool.get(sub).filter(|_| !pool.by_address());
        other.is_some_and(|it| pool.same(it.username.reveal(), target.username.reveal()))
    };
    let looks = basis.accounts.iter().filter(|((of, sub), _)| *of == side && bore(sub));
    let mut looks = looks.peekable();
    let looked = looks.peek().is_some();
    let stranger = |sub: &Sub| pool.get(sub).is_some_and(|it| it.human != target.human);
    let created = target.created;
    let unseen = |seen: &Observed| seen.moment < created && seen.at < created + state.settle;
    looked && looks.all(|((_, sub), seen)| unseen(seen) && stranger(sub))
}

fn judge_stranger(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    human: Human,
    basis: &Basis,
) {
    // A written value must come from an account of the same human, if one was observed on the other
    // side.
    let there = side.other();
    let looked_at = basis.accounts.keys().filter(|(of, _)| *of == there);
    let humans: BTreeSet<Human> = looked_at
        .filter_map(|(_, sub)| state.pools.get(there).get(sub))
        .map(|account| account.human)
        .collect();
    if !humans.is_empty() && !humans.contains(&human) {
        if departures::outlasted(state, human) {
            state.fault_injection.count(departures::OUTLASTED);
            return;
        }
        let detail = format!("{call} {sub}: human {} receives what {humans:?} has", human.0);
        state.watch.violated("no person receives another person's values", detail);
    }
}
