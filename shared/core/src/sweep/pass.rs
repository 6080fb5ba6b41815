//! A pass: one look at everybody, in parts, and what is known of it between the parts. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use super::counts::{Counts, Doubt, Summary};
use super::difference::{CELLS, Difference, Key};
use super::shard::{self, Prefix};
use crate::limits;
use crate::names::{GroupName, PersonId};
use crate::side::{BySide, Side};
use crate::time::Time;

/// Groups are listed in so many parts: enough that the largest number of groups (10,000, quota)
/// makes parts of a few minutes, few enough for their names to be the bits of one number.
pub const BUCKETS: u8 = 64;

/// Everything that is known between two invocations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Counts every write.
    pub revision: u64,
    /// Who wrote it last, so that a write whose answer was lost is known again.
    pub writer: u128,
    /// Accounts made or changed since then are news where nobody knows them.
    pub known_since: Option<Time>,
    /// Passes begun so far.
    pub passes: u64,
    /// When the last one began.
    pub began: Option<Time>,
    /// First letters of accounts that no part by hexadecimal digits holds.
    pub strangers: BySide<BTreeSet<Prefix>>,
    /// When an unfiltered listing last looked for strangers.
    pub covered: BySide<Option<Time>>,
    /// How many accounts the last pass saw.
    pub accounts: BySide<Option<u64>>,
    /// In how many classes people are asked for the absence of an account, and of a membership.
    pub classes: Classes,
    /// How many passes in a row, up to the last one, found more accounts missing than is likely.
    pub doubted: u32,
    /// By how many letters each pool had to be cut so far: its accounts need not be spread evenly.
    pub depth: BySide<u8>,
    /// The pass under way.
    pub pass: Option<Pass>,
}

/// In how many classes people are divided, where what is left over was too much to be told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Classes {
    /// For absent accounts.
    pub missing: u32,
    /// For absent memberships.
    pub members: u32,
}

/// A pass under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// By how many letters each pool is cut into parts.
    pub depth: BySide<u8>,
    /// How many accounts each pool said that it has.
    pub estimate: BySide<Option<u64>>,
    /// Parts of each pool that are done.
    pub finished: BySide<BTreeSet<Prefix>>,
    /// Parts of each pool's groups that are done, by bit.
    pub buckets: BySide<u64>,
    /// Parts of the groups that are too large to be listed in one invocation, by bit.
    pub given_up: u64,
    /// Groups that could not be listed: nothing follows from their absence.
    pub unread: BTreeSet<u32>,
    /// Whether strangers are looked for in this pass, and have not been yet.
    pub to_cover: BySide<bool>,
    /// Invocations in a row that finished no part.
    pub fruitless: u32,
    /// People with two accounts: in when seen in the old pool, out when seen in the new one.
    pub missing: Difference,
    /// Memberships agreed upon: in when the account was seen, out when the group's listing showed
    /// it.
    pub members: Difference,
    /// What it came to so far.
    pub counts: BySide<Counts>,
}

/// One part of a pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The accounts of one part of a pool.
    Accounts(Side, Prefix),
    /// The groups of one bucket of a pool.
    Members(Side, u8),
    /// Who is in none of the parts.
    Cover(Side),
}

/// What one part came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Done {
    /// What was counted.
    pub counts: Counts,
    /// See [`Pass::missing`].
    pub missing: Difference,
    /// See [`Pass::members`].
    pub members: Difference,
    /// See [`Pass::unread`].
    pub unread: BTreeSet<u32>,
    /// First letters of accounts in none of the parts.
    pub strangers: BTreeSet<Prefix>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            revision: 0,
            writer: 0,
            known_since: None,
            passes: 0,
            began: None,
            strangers: BySide::default(),
            covered: BySide::default(),
            accounts: BySide::default(),
            classes: Classes { missing: 1, members: 1 },
            doubted: 0,
            depth: BySide::default(),
            pass: None,
        }
    }
}

impl Cursor {
    /// From when on a pass may begin.
    pub fn next_pass(&self, every: Duration, wanted: Option<Time>) -> Time {
        let Some(began) = self.began else { return Time::ZERO };
        let soonest = began + limits::SWEEP_WANTED_EVERY.min(every);
        match wanted.filter(|at| *at >= began) {
            Some(_) => soonest,
            None => began + every,
        }
    }

    /// Begins a pass.
    pub fn begin(&mut self, now: Time, estimate: BySide<Option<u64>>, pages_max: BySide<u64>) {
        self.passes += 1;
        self.began = Some(now);
        // What was done while the bridge was being deployed is news too.
        self.known_since.get_or_insert(now - limits::SWEEP_LOOKS_BACK);
        let depth = BySide::from_fn(|side| {
            let known = (*estimate.get(side)).max(*self.accounts.get(side)).unwrap_or(0);
            let even = shard::depth(known, limits::LIST_PAGE, *pages_max.get(side));
            even.max(*self.depth.get(side))
        });
        let to_cover = BySide::from_fn(|side| {
            let covered = *self.covered.get(side);
            let due = covered.is_none_or(|at| now.since(at) >= limits::SWEEP_COVERS_EVERY);
            *depth.get(side) > 0 && due
        });
        self.pass = Some(Pass {
            number: self.passes,
            began: now,
            depth,
            estimate,
            finished: BySide::default(),
            buckets: BySide::default(),
            given_up: 0,
            unread: BTreeSet::new(),
            to_cover,
            fruitless: 0,
            missing: Difference::default(),
            members: Difference::default(),
            counts: BySide::default(),
        });
    }

    /// The parts that are still to be done, those of one pool after those of the other.
    pub fn left(&self, buckets: &BTreeSet<u8>) -> BySide<Vec<Unit>> {
        BySide::from_fn(|side| {
            let Some(pass) = &self.pass else { return Vec::new() };
            let depth = *pass.depth.get(side);
            let prefixes = shard::prefixes(depth, self.strangers.get(side)).into_iter();
            let finished = pass.finished.get(side);
            let accounts = prefixes.filter(|prefix| !finished.contains(prefix));
            let cover = pass.to_cover.get(side).then_some(Unit::Cover(side));
            let listed = pass.buckets.get(side) | pass.given_up;
            let members = buckets.iter().filter(|bucket| listed & bit(**bucket) == 0);
            accounts
                .map(|prefix| Unit::Accounts(side, prefix))
                .chain(members.map(|bucket| Unit::Members(side, *bucket)))
                .chain(cover)
                .collect()
        })
    }

    /// Takes note of a part that is done: what it came to counts in the very write that says so.
    pub fn finish(&mut self, unit: &Unit, done: &Done, now: Time) {
        let Some(pass) = &mut self.pass else { return };
        let side = match unit {
            Unit::Accounts(side, prefix) => {
                if prefix.is_whole() {
                    *self.covered.get_mut(*side) = Some(now);
                }
                pass.finished.get_mut(*side).insert(prefix.clone());
                *side
            }
            Unit::Members(side, bucket) => {
                *pass.buckets.get_mut(*side) |= bit(*bucket);
                *side
            }
            Unit::Cover(side) => {
                *self.covered.get_mut(*side) = Some(now);
                *pass.to_cover.get_mut(*side) = false;
                let room = limits::STRANGERS_MAX.saturating_sub(self.strangers.get(*side).len());
                let strangers = done.strangers.iter().take(room).cloned();
                self.strangers.get_mut(*side).extend(strangers);
                *side
            }
        };
        pass.fruitless = 0;
        pass.missing.add(&done.missing);
        pass.members.add(&done.members);
        pass.unread.extend(&done.unread);
        pass.counts.get_mut(side).add(&done.counts);
    }

    /// Takes note of an invocation that had its full time and finished no part: a part was too
    /// large for it. Pools are cut deeper, in a pass that begins anew; groups cannot be cut.
    pub fn fruitless(&mut self, left: &BySide<Vec<Unit>>, pages_max: BySide<u64>) {
        let Some(pass) = &mut self.pass else { return };
        pass.fruitless += 1;
        if pass.fruitless < limits::SWEEP_FRUITLESS_MAX {
            return;
        }
        let (began, estimate, depth) = (pass.began, pass.estimate, pass.depth);
        let mut deeper = depth;
        for unit in Side::BOTH.into_iter().flat_map(|side| left.get(side)) {
            match unit {
                Unit::Accounts(side, _) => {
                    let cut = depth.get(*side).saturating_add(1).min(shard::DEPTH_MAX);
                    *deeper.get_mut(*side) = cut;
                }
                Unit::Members(_, bucket) => pass.given_up |= bit(*bucket),
                Unit::Cover(side) => *pass.to_cover.get_mut(*side) = false,
            }
        }
        pass.fruitless = 0;
        if deeper != depth {
            self.passes -= 1;
            self.depth = deeper;
            self.begin(began, estimate, pages_max);
        }
    }

    /// Ends the pass. `complete`: whether all that is left over could be told, of accounts and of
    /// memberships; then the next pass may ask for more people at once.
    pub fn end(&mut self, missing: (usize, bool), members: (usize, bool), doubt: Option<Doubt>) {
        let Some(pass) = self.pass.take() else { return };
        let doubted = doubt == Some(Doubt::TooMany);
        self.doubted = if doubted { self.doubted.saturating_add(1) } else { 0 };
        self.accounts = BySide::from_fn(|side| Some(pass.counts.get(side).accounts));
        self.classes.missing = next_classes(self.classes.missing, missing);
        self.classes.members = next_classes(self.classes.members, members);
    }
}

/// In how many classes the next pass divides people: twice as many where too much was left over,
/// half as many where little was.
fn next_classes(classes: u32, (left, complete): (usize, bool)) -> u32 {
    if !complete {
        classes.saturating_mul(2).min(limits::SWEEP_CLASSES_MAX)
    } else if left < CELLS / 8 {
        (classes / 2).max(1)
    } else {
        classes
    }
}

/// Who is asked for in a pass: the same from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The pass.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// In how many classes people are divided.
    pub classes: Classes,
}

impl Scope {
    /// The key under which a person's absence is asked for in this pass; `None` if it is another
    /// class's turn.
    pub fn missing_key(&self, person: &PersonId) -> Option<Key> {
        self.key(self.classes.missing, person, 0)
    }

    /// The same for the absence of a membership.
    pub fn member_key(&self, person: &PersonId, side: Side, group: &GroupName) -> Option<Key> {
        self.key(self.classes.members, person, tag(side, group))
    }

    fn key(&self, classes: u32, person: &PersonId, tag: u32) -> Option<Key> {
        let person = u128::from_str_radix(person.as_str(), 16).ok()?;
        let turn = u32::try_from(self.number % u64::from(classes.max(1))).unwrap_or(0);
        (Key::class(person, classes) == turn).then_some(Key { person, tag })
    }
}

impl Pass {
    /// Who is asked for.
    pub const fn scope(&self, classes: Classes) -> Scope {
        Scope { number: self.number, began: self.began, classes }
    }

    /// Whether that group was not listed in this pass, so that nothing follows from who it did not show.
    pub fn is_unread(&self, bucket: u8, tag: u32) -> bool {
        self.given_up & bit(bucket) != 0 || self.unread.contains(&tag)
    }

    /// Why nothing may be concluded from accounts that were not listed, if so.
    pub fn doubt(&self, before: BySide<Option<u64>>, missing: u64, classes: u32) -> Option<Doubt> {
        let shrunk = Side::BOTH.iter().any(|side| {
            let (now, before) = (self.counts.get(*side).accounts, before.get(*side).unwrap_or(0));
            before.saturating_sub(now) > unlikely(before)
        });
        if shrunk {
            return Some(Doubt::Shrunk);
        }
        let all = missing.saturating_mul(u64::from(classes));
        (all > self.likely()).then_some(Doubt::TooMany)
    }

    /// How many accounts may be missing without a doubt. So many are looked at in a pass, too, where
    /// more are missing from one pass to the next: by then it is not one listing's whim, and a look
    /// believes no listing.
    pub fn likely(&self) -> u64 {
        unlikely(self.counts.old.accounts.max(self.counts.new.accounts))
    }
}

/// More than this many of so many accounts do not go missing between two passes.
const fn unlikely(accounts: u64) -> u64 {
    let share = accounts / 100 * limits::SWEEP_MISSING_PERCENT;
    if share > limits::SWEEP_MISSING_MIN { share } else { limits::SWEEP_MISSING_MIN }
}

/// Which part of the groups a group belongs to.
pub fn bucket(group: &GroupName) -> u8 {
    Sha256::digest(group.as_str().as_bytes())[0] % BUCKETS
}

/// The groups by the part that they belong to.
pub fn buckets<'a>(
    groups: impl Iterator<Item = &'a GroupName>,
) -> BTreeMap<u8, BTreeSet<&'a GroupName>> {
    let mut all = BTreeMap::<u8, BTreeSet<&GroupName>>::new();
    for group in groups {
        all.entry(bucket(group)).or_default().insert(group);
    }
    all
}

/// A number for one group of one pool, never zero. Two groups may share one: then a look is taken
/// at one person for both.
pub fn tag(side: Side, group: &GroupName) -> u32 {
    let digest = Sha256::digest(format!("{side}#{group}").as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
}

const fn bit(bucket: u8) -> u64 {
    1 << (bucket % BUCKETS)
}

#[cfg(test)]
mod tests;
