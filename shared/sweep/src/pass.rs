//! A pass: one comparison of every person, in partitions, and its state between them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use super::counts::{Counts, Doubt, Summary};
use super::difference::{CELLS, Difference, PersonKey};
use super::shard::{self, Prefix};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, PersonId};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

/// The number of group buckets: enough that the largest number of groups (10,000, quota) makes
/// buckets of a few minutes, and few enough for one bit each in one number.
pub const BUCKETS: u8 = 64;

/// Everything that the sweep keeps between two invocations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Increases with every write.
    pub revision: u64,
    /// Identifies the last writer, to recognise a repeated write after its answer was lost.
    pub writer: u128,
    /// Unknown accounts that were created or changed since then are news.
    pub known_since: Option<Time>,
    /// The number of passes begun.
    pub passes: u64,
    /// When the last one began.
    pub began: Option<Time>,
    /// Unexpected prefixes: first characters of accounts that no hexadecimal partition contains.
    pub unexpected: BySide<BTreeSet<Prefix>>,
    /// When an unfiltered listing last looked for unexpected prefixes.
    pub covered: BySide<Option<Time>>,
    /// How many accounts the last pass saw.
    pub accounts: BySide<Option<u64>>,
    /// Into how many buckets people are divided for the comparison of accounts, and of memberships.
    pub buckets: Buckets,
    /// How many passes in a row, the last included, found implausibly many missing accounts.
    pub doubted: u32,
    /// How deep each pool had to be divided so far: its accounts need not be evenly spread.
    pub depth: BySide<u8>,
    /// The current pass.
    pub pass: Option<Pass>,
}

/// The numbers of buckets into which people are divided if too many keys are left to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buckets {
    /// For missing accounts.
    pub missing: u32,
    /// For missing memberships.
    pub members: u32,
}

/// The current pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// By how many characters each pool is divided into partitions.
    pub depth: BySide<u8>,
    /// How many accounts each pool has, by its own estimate.
    pub estimate: BySide<Option<u64>>,
    /// The finished partitions of each pool.
    pub finished: BySide<BTreeSet<Prefix>>,
    /// The finished group buckets of each pool, by bit.
    pub buckets: BySide<u64>,
    /// The group buckets that are too large for one invocation, by bit.
    pub given_up: u64,
    /// Groups that could not be listed. Nothing follows from members that were not shown.
    pub unread: BTreeSet<u32>,
    /// Whether this pass still has to look for unexpected prefixes.
    pub to_cover: BySide<bool>,
    /// The number of invocations in a row that finished no partition.
    pub fruitless: u32,
    /// People with two accounts: put in when seen in the old pool, taken out in the new one.
    pub missing: Difference,
    /// Agreed memberships: put in when the account was seen, taken out when the group's listing
    /// showed the member.
    pub members: Difference,
    /// The results so far.
    pub counts: BySide<Counts>,
}

/// One partition of a pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// The accounts of one partition of a pool.
    Accounts(Side, Prefix),
    /// The groups of one group bucket of a pool.
    Members(Side, u8),
    /// The search for accounts outside all partitions.
    Cover(Side),
}

/// The result of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PartitionResult {
    /// The counters.
    pub counts: Counts,
    /// See [`Pass::missing`].
    pub missing: Difference,
    /// See [`Pass::members`].
    pub members: Difference,
    /// See [`Pass::unread`].
    pub unread: BTreeSet<u32>,
    /// Unexpected prefixes that were found.
    pub unexpected: BTreeSet<Prefix>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            revision: 0,
            writer: 0,
            known_since: None,
            passes: 0,
            began: None,
            unexpected: BySide::default(),
            covered: BySide::default(),
            accounts: BySide::default(),
            buckets: Buckets { missing: 1, members: 1 },
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
        // What was changed during the deployment of the bridge counts as news too.
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

    /// The partitions that are left, by pool.
    pub fn left(&self, buckets: &BTreeSet<u8>) -> BySide<Vec<Partition>> {
        BySide::from_fn(|side| {
            let Some(pass) = &self.pass else { return Vec::new() };
            let depth = *pass.depth.get(side);
            let prefixes = shard::prefixes(depth, self.unexpected.get(side)).into_iter();
            let finished = pass.finished.get(side);
            let accounts = prefixes.filter(|prefix| !finished.contains(prefix));
            let cover = pass.to_cover.get(side).then_some(Partition::Cover(side));
            let listed = pass.buckets.get(side) | pass.given_up;
            let members = buckets.iter().filter(|bucket| listed & bit(**bucket) == 0);
            accounts
                .map(|prefix| Partition::Accounts(side, prefix))
                .chain(members.map(|bucket| Partition::Members(side, *bucket)))
                .chain(cover)
                .collect()
        })
    }

    /// Stores a finished partition. The same write contains its result.
    pub fn finish(&mut self, partition: &Partition, done: &PartitionResult, now: Time) {
        let Some(pass) = &mut self.pass else { return };
        let side = match partition {
            Partition::Accounts(side, prefix) => {
                if prefix.is_whole() {
                    *self.covered.get_mut(*side) = Some(now);
                }
                pass.finished.get_mut(*side).insert(prefix.clone());
                *side
            }
            Partition::Members(side, bucket) => {
                *pass.buckets.get_mut(*side) |= bit(*bucket);
                *side
            }
            Partition::Cover(side) => {
                *self.covered.get_mut(*side) = Some(now);
                *pass.to_cover.get_mut(*side) = false;
                let room = limits::UNEXPECTED_PREFIXES_MAX
                    .saturating_sub(self.unexpected.get(*side).len());
                let unexpected = done.unexpected.iter().take(room).cloned();
                self.unexpected.get_mut(*side).extend(unexpected);
                *side
            }
        };
        pass.fruitless = 0;
        pass.missing.add(&done.missing);
        pass.members.add(&done.members);
        pass.unread.extend(&done.unread);
        pass.counts.get_mut(side).add(&done.counts);
    }

    /// Counts an invocation with its full time and no finished partition: one was too large. A pool
    /// is then divided deeper, and the pass starts again. Group buckets cannot be divided.
    pub fn fruitless(&mut self, left: &BySide<Vec<Partition>>, pages_max: BySide<u64>) {
        let Some(pass) = &mut self.pass else { return };
        pass.fruitless += 1;
        if pass.fruitless < limits::SWEEP_FRUITLESS_MAX {
            return;
        }
        let (began, estimate, depth) = (pass.began, pass.estimate, pass.depth);
        let mut deeper = depth;
        for partition in Side::BOTH.into_iter().flat_map(|side| left.get(side)) {
            match partition {
                Partition::Accounts(side, _) => {
                    let cut = depth.get(*side).saturating_add(1).min(shard::DEPTH_MAX);
                    *deeper.get_mut(*side) = cut;
                }
                Partition::Members(_, bucket) => pass.given_up |= bit(*bucket),
                Partition::Cover(side) => *pass.to_cover.get_mut(*side) = false,
            }
        }
        pass.fruitless = 0;
        if deeper != depth {
            self.passes -= 1;
            self.depth = deeper;
            self.begin(began, estimate, pages_max);
        }
    }

    /// Ends the pass. `missing` and `members`: how many keys were left, and whether all of them
    /// could be decoded. If few were left, the next pass compares more people at once.
    pub fn end(&mut self, missing: (usize, bool), members: (usize, bool), doubt: Option<Doubt>) {
        let Some(pass) = self.pass.take() else { return };
        let doubted = doubt == Some(Doubt::TooMany);
        self.doubted = if doubted { self.doubted.saturating_add(1) } else { 0 };
        self.accounts = BySide::from_fn(|side| Some(pass.counts.get(side).accounts));
        self.buckets.missing = next_buckets(self.buckets.missing, missing);
        self.buckets.members = next_buckets(self.buckets.members, members);
    }
}

/// Into how many buckets the next pass divides people: twice as many if too much was left to
/// decode, half as many if little was left.
fn next_buckets(buckets: u32, (left, complete): (usize, bool)) -> u32 {
    if !complete {
        buckets.saturating_mul(2).min(limits::SWEEP_BUCKETS_MAX)
    } else if left < CELLS / 8 {
        (buckets / 2).max(1)
    } else {
        buckets
    }
}

/// Which people a pass compares. It stays the same from the start of the pass to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The number of the pass.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// Into how many buckets people are divided.
    pub buckets: Buckets,
}

impl Scope {
    /// The key under which this pass counts a person's accounts; `None` if it compares another
    /// bucket.
    pub fn missing_key(&self, person: &PersonId) -> Option<PersonKey> {
        self.key(self.buckets.missing, person, 0)
    }

    /// The same for a membership.
    pub fn member_key(
        &self,
        person: &PersonId,
        side: Side,
        group: &GroupName,
    ) -> Option<PersonKey> {
        self.key(self.buckets.members, person, tag(side, group))
    }

    fn key(&self, buckets: u32, person: &PersonId, tag: u32) -> Option<PersonKey> {
        let person = u128::from_str_radix(person.as_str(), 16).ok()?;
        let turn = u32::try_from(self.number % u64::from(buckets.max(1))).unwrap_or(0);
        (PersonKey::bucket(person, buckets) == turn).then_some(PersonKey { person, tag })
    }
}

impl Pass {
    /// Which people this pass compares.
    pub const fn scope(&self, buckets: Buckets) -> Scope {
        Scope { number: self.number, began: self.began, buckets }
    }

    /// Whether this pass did not list that group, so that nothing follows from missing members.
    pub fn is_unread(&self, bucket: u8, tag: u32) -> bool {
        self.given_up & bit(bucket) != 0 || self.unread.contains(&tag)
    }

    /// Why nothing may be concluded from missing accounts, if that is so.
    pub fn doubt(&self, before: BySide<Option<u64>>, missing: u64, buckets: u32) -> Option<Doubt> {
        let shrunk = Side::BOTH.iter().any(|side| {
            let (now, before) = (self.counts.get(*side).accounts, before.get(*side).unwrap_or(0));
            before.saturating_sub(now) > unlikely(before)
        });
        if shrunk {
            return Some(Doubt::Shrunk);
        }
        let all = missing.saturating_mul(u64::from(buckets));
        (all > self.likely()).then_some(Doubt::TooMany)
    }

    /// How many accounts may plausibly be missing. If more are missing in one pass after another, a
    /// pass sends hints about this many. By then it is not the error of one listing, and apply
    /// believes no listing.
    pub fn likely(&self) -> u64 {
        unlikely(self.counts.old.accounts.max(self.counts.new.accounts))
    }
}

/// The largest number of accounts that plausibly disappear between two passes.
const fn unlikely(accounts: u64) -> u64 {
    let share = accounts / 100 * limits::SWEEP_MISSING_PERCENT;
    if share > limits::SWEEP_MISSING_MIN { share } else { limits::SWEEP_MISSING_MIN }
}

/// The bucket of a group.
pub fn bucket(group: &GroupName) -> u8 {
    Sha256::digest(group.as_str().as_bytes())[0] % BUCKETS
}

/// The groups by their bucket.
pub fn buckets<'a>(
    groups: impl Iterator<Item = &'a GroupName>,
) -> BTreeMap<u8, BTreeSet<&'a GroupName>> {
    let mut all = BTreeMap::<u8, BTreeSet<&GroupName>>::new();
    for group in groups {
        all.entry(bucket(group)).or_default().insert(group);
    }
    all
}

/// A number for one group of one pool, never zero. Two groups may share one; then one hint covers
/// both for a person.
pub fn tag(side: Side, group: &GroupName) -> u32 {
    let digest = Sha256::digest(format!("{side}#{group}").as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
}

const fn bit(bucket: u8) -> u64 {
    1 << (bucket % BUCKETS)
}

#[cfg(test)]
mod tests;
