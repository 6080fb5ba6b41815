//! What the tasks saw and did, and each violation at the moment it happens.
//!
//! The checks do not ask the bridge: they check each write against what its task had observed, and
//! by which task held the person's lease when the write landed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::profile::Field;
use poolbridge_core::record::Decision;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::accounts::{Accounts, Body};
use super::connection::Call;
use super::deletions;
use super::edits::{EditId, Human};
use super::history::Digest;
pub use super::observations::{Observations, ObservedVersion};
use super::passwords::{self, PasswordSet};
use super::table::Table;
use super::{TaskId, WorldState, write_checks};

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

/// Another person took a username after the last observation of its owner and before the write.
pub const NAME_TAKEN: &str = "username taken between read and write";

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
    pub(super) tasks: BTreeMap<TaskId, Observations>,
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
    /// Accounts of another person that were written: see [`NAME_TAKEN`].
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
    pub fn saw(&mut self, task: TaskId, side: Side, sub: &Sub, seen: ObservedVersion) {
        self.reads += 1;
        self.tasks.entry(task).or_default().accounts.insert((side, sub.clone()), seen);
    }

    /// A task found an account in a listing: a hint, which does not replace what a read showed.
    pub fn found(&mut self, task: TaskId, side: Side, sub: &Sub, seen: ObservedVersion) {
        let accounts = &mut self.tasks.entry(task).or_default().accounts;
        accounts.entry((side, sub.clone())).or_insert(seen);
    }

    /// A task observed an account's groups.
    pub fn saw_groups(&mut self, task: TaskId, side: Side, sub: &Sub, seen: ObservedVersion) {
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
    pub fn observations(&self, task: TaskId) -> Observations {
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
        let claimed = self.tasks.get(&task).and_then(|observations| observations.claimed.last());
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

/// Checks a creation that has just landed.
pub fn created(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    observations: &Observations,
) {
    state.watch.writes += 1;
    let Some(account) = state.pools.get(side).get(sub) else { return };
    let human = account.human;
    let body = account.body().clone();
    if let Some(person) = observations.claimed.last() {
        write_checks::check_lease_holder(state, call, person.clone());
    }
    let count = state.watch.created.entry((human, side)).or_default();
    *count += 1;
    deletions::check_creation(state, call, side, sub, human);
    let living = state.pools.get(side).living().filter(|one| one.human == human).count();
    if living > 1 {
        let detail = format!("{call} {sub}: human {} has {living} there", human.0);
        state.watch.violated("each person has at most one account per pool", detail);
    }
    write_checks::check_verified_flags(state, call, side, human, &body, |_| true);
    write_checks::check_not_federated(state, call, human);
}

/// Checks a write that is about to land.
pub fn written(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    action: &Action,
    after: Option<&Body>,
    observations: &Observations,
) {
    state.watch.writes += 1;
    let Some(target) = state.pools.get(side).get(sub) else { return };
    let (human, body, by_bridge) = (target.human, target.body().clone(), target.by_bridge);
    if write_checks::username_taken_since(side, target, state, observations) {
        state.watch.taken.insert(sub.clone());
        state.fault_injection.count(NAME_TAKEN);
        return;
    }
    let person = state.table.find(side, sub).map(|record| record.id.clone());
    match person.clone().or_else(|| observations.claimed.last().cloned()) {
        Some(person) => write_checks::check_lease_holder(state, call, person),
        None => state.watch.violated("no write without a lease", format!("{call} {sub}")),
    }
    if !by_bridge && deletions::username_reused(state, side, sub, observations) {
        return;
    }
    let disabled = |body: &Body| !body.enabled;
    let merged = *action == Action::Disable
        && observations
            .body(&state.pools, side.other(), human, &Field::Enabled)
            .is_some_and(disabled);
    if matches!(action, Action::Disable | Action::Delete) && !merged {
        // Nothing is copied, so it does not matter which account was observed on the other side.
        deletions::check_removal(state, call, side, sub, human);
    } else {
        write_checks::check_same_human(state, call, side, sub, human, observations);
    }
    if let Action::RemoveFromGroup(group) = action {
        let field = Field::Group(group.clone());
        let gone = deletions::has_deleted(state, human, side.other());
        if gone {
            // Groups are read by username, and the username may belong to another account by then.
            state.fault_injection.count(deletions::USERNAME_REUSED);
        } else if observations.body(&state.pools, side.other(), human, &field).is_none() {
            let detail = format!("{call} {sub}: {group} was never read on the other side");
            state.watch.violated("an unknown list is not an empty list", detail);
        }
    }
    if let (Action::SetAttributes { fields }, Some(after)) = (action, after)
        && fields.keys().any(Field::is_address)
    {
        write_checks::check_verified_flags(state, call, side, human, after, |it| {
            fields.contains_key(it)
        });
        write_checks::check_spelling(state, call, side, &body, after);
    }
    // Disabling an account revokes its tokens (page of `AdminDisableUser`).
    if matches!(action, Action::SignOut | Action::Disable) {
        state.watch.sessions.remove(&(side, sub.clone()));
    }
    if *action == Action::SetRandomPassword {
        passwords::check_password_closing(state, call, side, sub, body.password, observations);
    }
    for field in action.fields() {
        let Some(&edit) = body.origins.get(&field) else { continue };
        let Some(seen) = observations.seen(side, sub, &field) else { continue };
        let target = state.pools.get(side).get(sub);
        let then = target.and_then(|one| one.versions()[seen.version].body.origins.get(&field));
        if then != Some(&edit) {
            let last = observations.writes_both
                || observations.observed_last(&state.pools, side, human, &field, seen);
            state.watch.unseen.push(Unseen { edit, observed: seen.at, last });
            state.say(|| format!("  edit {} of {field} is replaced unseen", edit.0));
        }
    }
}
