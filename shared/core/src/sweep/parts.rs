//! One partition of a pass: the sweep lists it, compares it, and sends the accounts that differ.
//! Several partitions run at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flow::Sweep;
use super::judge::{self, Question};
use super::pace::Pace;
use super::pass::{Done, Scope, Unit, tag};
use super::ports::{Bulk, Chain, Found, Outside, Page, Register, Roster};
use super::shard::{self, Prefix, Stranger};
use crate::account::{Account, Shape};
use crate::change::{Change, Proof};
use crate::entry::Entry;
use crate::fault::{Fault, FaultKind};
use crate::limits;
use crate::names::{GroupName, Sub};
use crate::plan::View;
use crate::ports::Clock;
use crate::side::{BySide, Side};
use crate::time::Time;

/// Why a partition is not finished. It starts again at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The invocation is nearly over.
    OutOfTime,
    /// The same, and the queue of bulk work had no room until then.
    NoRoom,
    /// A call to a service failed.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// State for the duration of an invocation: the pace of the listings, and what was sent.
pub(super) struct Shared {
    pub(super) paces: Vec<Mutex<Pace>>,
    pub(super) gate: Mutex<Gate>,
}

/// State that all running partitions share.
pub(super) struct Desk<'a, O> {
    pub(super) sweep: Sweep<'a, O>,
    pub(super) scope: Scope,
    pub(super) known_since: Time,
    pub(super) depth: BySide<u8>,
    pub(super) strangers: BySide<BTreeSet<Prefix>>,
    pub(super) shapes: BySide<Arc<Shape>>,
    /// The groups that both pools have, by group bucket.
    pub(super) groups: BTreeMap<u8, BTreeSet<GroupName>>,
    pub(super) shared: &'a Shared,
    /// The number of pages from which on an unfiltered listing counts although it was cut off.
    pub(super) cover_pages: u64,
    /// The sweep starts nothing after this time.
    pub(super) end: Time,
}

/// How many more messages may be sent before the counters of the queue are read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    allowance: u64,
    /// Messages that were sent lately, which the counters of the queue may not show yet.
    recent: Vec<(Time, u64)>,
    asked: Option<Time>,
}

impl Gate {
    /// Reserves room for `count` messages, if there is enough.
    fn take(&mut self, count: u64, now: Time) -> bool {
        let free = self.allowance >= count;
        if free {
            self.allowance -= count;
            self.recent.push((now, count));
        }
        free
    }

    /// Takes over how many messages the queue holds by its counters.
    fn learn(&mut self, outstanding: u64, now: Time) {
        self.recent.retain(|(at, _)| now.since(*at) < limits::BULK_COUNTERS_LAG);
        let recent: u64 = self.recent.iter().map(|(_, count)| count).sum();
        let held = outstanding.saturating_add(recent);
        self.allowance = limits::BULK_OUTSTANDING_MAX.saturating_sub(held);
        self.asked = Some(now);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<O: Outside> Desk<'_, O> {
    fn now(&self) -> Time {
        self.sweep.outside.clock().now()
    }

    /// Processes one partition.
    pub(super) async fn work(&self, unit: &Unit) -> Result<Done, Stop> {
        match unit {
            Unit::Accounts(side, prefix) => self.accounts(*side, prefix).await,
            Unit::Members(side, bucket) => self.members(*side, *bucket).await,
            Unit::Cover(side) => self.cover(*side).await,
        }
    }

    /// Lists the accounts of one partition of a pool.
    async fn accounts(&self, side: Side, prefix: &Prefix) -> Result<Done, Stop> {
        let mut done = Done::default();
        let mut chain = self.sweep.outside.roster(side).accounts(prefix);
        for _ in 0..limits::LISTING_PAGES_MAX {
            let page = self.page(side, &mut chain, &mut done).await?;
            let Some(page) = page else { return Ok(done) };
            done.counts.unreadable += page.unreadable;
            let ours = page.read.into_iter().filter(|account| prefix.holds(&account.sub));
            self.compare(side, ours.collect(), &mut done).await?;
        }
        Err(Fault::new(FaultKind::Unreadable, "ListUsers").into())
    }

    /// Requests the next page, at the pool's pace.
    async fn page<T>(
        &self,
        side: Side,
        chain: &mut impl Chain<T>,
        done: &mut Done,
    ) -> Result<Option<Page<T>>, Stop> {
        let pace = match side {
            Side::New if self.shared.paces.len() > 1 => &self.shared.paces[1],
            Side::Old | Side::New => &self.shared.paces[0],
        };
        let mut failed = 0;
        loop {
            let slot = lock(pace).slot(self.now());
            if slot >= self.end {
                return Err(Stop::OutOfTime);
            }
            self.sweep.outside.rest_until(slot).await;
            match chain.next().await {
                Ok(shown) => {
                    // Only answered calls count: a throttled listing covers nothing.
                    done.counts.pages += 1;
                    lock(pace).answered();
                    return Ok(shown);
                }
                Err(fault) if fault.kind == FaultKind::Throttled => {
                    lock(pace).throttled(self.now());
                }
                Err(fault) if unlucky(&fault) && failed < limits::LISTING_ATTEMPTS_MAX => {
                    failed += 1;
                    let later = self.now() + Duration::from_secs(1);
                    self.sweep.outside.rest_until(later).await;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Compares one page with the ledger, and sends the accounts that differ.
    async fn compare(&self, side: Side, page: Vec<Account>, done: &mut Done) -> Result<(), Stop> {
        if page.is_empty() {
            return Ok(());
        }
        let subs: Vec<Sub> = page.iter().map(|account| account.sub.clone()).collect();
        let people = self.sweep.outside.register().people(side, &subs).await?;
        let mut changes = Vec::new();
        for (account, found) in page.into_iter().zip(people) {
            done.counts.accounts += 1;
            match found {
                Found::Nobody if judge::is_news(&account, self.known_since) => {
                    done.counts.news += 1;
                    let at = judge::done_by(&account, self.now());
                    changes.extend(self.unless_marked(side, &account.sub, at, done).await?);
                }
                Found::Nobody => done.counts.unknown += 1,
                Found::Unreadable => done.counts.unreadable += 1,
                Found::Person(entry) => {
                    self.saw(side, &entry, done);
                    changes.extend(self.compared(side, *entry, account, done).await?);
                }
            }
        }
        self.send(changes, done).await
    }

    /// Stores that the account was seen. So it is not missing, and its memberships are expected.
    fn saw(&self, side: Side, entry: &Entry, done: &mut Done) {
        if !judge::takes_part(entry, self.scope.began) {
            return;
        }
        if let Some(key) = self.scope.missing_key(&entry.id) {
            match side {
                Side::Old => done.missing.put(key),
                Side::New => done.missing.take(key),
            }
        }
        for group in judge::memberships(self.sweep.policy, entry).filter(|it| self.listed(it)) {
            if let Some(key) = self.scope.member_key(&entry.id, side, group) {
                done.members.put(key);
            }
        }
    }

    /// Whether the sweep lists that group: both pools have it.
    fn listed(&self, group: &GroupName) -> bool {
        let bucket = self.groups.get(&super::pass::bucket(group));
        bucket.is_some_and(|groups| groups.contains(group))
    }

    /// The change event for this account of a known person, if the account differs.
    async fn compared(
        &self,
        side: Side,
        entry: Entry,
        account: Account,
        done: &mut Done,
    ) -> Result<Option<Change>, Stop> {
        if judge::missed(&self.question(side, &entry)).is_some() {
            return self.missed(side, &entry, done).await;
        }
        let view = View::new(self.sweep.policy, side, account, &self.shapes, self.now());
        if !judge::differs(&self.question(side, &entry), &view) {
            return Ok(None);
        }
        // The table's answer may be stale too: a value recorded just now is no difference.
        let fresh = self.sweep.outside.register().person(&entry.id).await?;
        let Some(fresh) = fresh else { return Ok(None) };
        if !judge::differs(&self.question(side, &fresh), &view) {
            return Ok(None);
        }
        done.counts.differing += 1;
        let at = judge::done_by(&view.account, self.now());
        self.unless_marked(side, &view.account.sub, at, done).await
    }

    /// The change event for the person's other account, which an observation missed before.
    async fn missed(
        &self,
        side: Side,
        entry: &Entry,
        done: &mut Done,
    ) -> Result<Option<Change>, Stop> {
        let Some(fresh) = self.sweep.outside.register().person(&entry.id).await? else {
            return Ok(None);
        };
        let question = self.question(side, &fresh);
        let Some(known) = judge::missed(&question) else { return Ok(None) };
        done.counts.differing += 1;
        self.unless_marked(side.other(), &known.sub, self.now(), done).await
    }

    fn question<'q>(&'q self, side: Side, entry: &'q Entry) -> Question<'q> {
        let Sweep { policy, keys, .. } = self.sweep;
        Question { policy, keys, side, entry, now: self.now() }
    }

    /// The change event, unless the account has a pending change already.
    async fn unless_marked(
        &self,
        side: Side,
        sub: &Sub,
        at: Time,
        done: &mut Done,
    ) -> Result<Option<Change>, Stop> {
        if self.sweep.outside.register().marked(side, sub).await? {
            done.counts.marked += 1;
            return Ok(None);
        }
        Ok(Some(self.hint(side, sub, at)))
    }

    /// A hint that this account may have changed.
    pub(super) fn hint(&self, side: Side, sub: &Sub, at: Time) -> Change {
        let id = self.sweep.outside.clock().nonce();
        let (password, administrator, claimed) = (false, false, false);
        let (sub, proof) = (sub.clone(), Proof::Hint);
        Change { side, sub, at, proof, password, administrator, claimed, id }
    }

    /// Sends change events while the queue has room for them.
    pub(super) async fn send(&self, changes: Vec<Change>, done: &mut Done) -> Result<(), Stop> {
        for change in changes.chunks(10) {
            self.admit(change.len() as u64).await?;
            self.sweep.outside.bulk().send(change).await?;
            done.counts.sent += change.len() as u64;
        }
        Ok(())
    }

    /// Waits until the queue has room.
    async fn admit(&self, count: u64) -> Result<(), Stop> {
        loop {
            let now = self.now();
            let asked = {
                let mut gate = lock(&self.shared.gate);
                if gate.take(count, now) {
                    return Ok(());
                }
                gate.asked
            };
            let again = asked.map_or(now, |asked| asked + limits::BULK_ASK_AGAIN);
            if again >= self.end {
                return Err(Stop::NoRoom);
            }
            self.sweep.outside.rest_until(again).await;
            let outstanding = self.sweep.outside.bulk().outstanding().await?;
            lock(&self.shared.gate).learn(outstanding, self.now());
        }
    }

    /// Lists the groups of one group bucket.
    async fn members(&self, side: Side, bucket: u8) -> Result<Done, Stop> {
        let mut done = Done::default();
        for group in self.groups.get(&bucket).into_iter().flatten() {
            let mut chain = self.sweep.outside.roster(side).members(group);
            loop {
                match self.page(side, &mut chain, &mut done).await {
                    Ok(Some(page)) => self.seen_in(side, group, page, &mut done).await?,
                    Ok(None) => break,
                    // The group was deleted since the pool schema was read. No member left it.
                    Err(Stop::Fault(fault)) if fault.kind == FaultKind::Missing => {
                        done.unread.insert(tag(side, group));
                        break;
                    }
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(done)
    }

    /// Compares one page of a group with the baselines.
    async fn seen_in(
        &self,
        side: Side,
        group: &GroupName,
        page: Page<Sub>,
        done: &mut Done,
    ) -> Result<(), Stop> {
        done.counts.unreadable += page.unreadable;
        if page.read.is_empty() {
            return Ok(());
        }
        let people = self.sweep.outside.register().people(side, &page.read).await?;
        let mut changes = Vec::new();
        for (sub, found) in page.read.iter().zip(people) {
            done.counts.memberships += 1;
            let Found::Person(entry) = found else { continue };
            if !judge::takes_part(&entry, self.scope.began) {
                continue;
            }
            if judge::memberships(self.sweep.policy, &entry).any(|agreed| agreed == group) {
                if let Some(key) = self.scope.member_key(&entry.id, side, group) {
                    done.members.take(key);
                }
            } else if judge::joined(&self.question(side, &entry), group) {
                let fresh = self.sweep.outside.register().person(&entry.id).await?;
                if fresh.is_some_and(|it| judge::joined(&self.question(side, &it), group)) {
                    done.counts.differing += 1;
                    changes.extend(self.unless_marked(side, sub, self.now(), done).await?);
                }
            }
        }
        self.send(changes, done).await
    }

    /// Checks the prefix of every account, as far as one listing gets.
    async fn cover(&self, side: Side) -> Result<Done, Stop> {
        let mut done = Done::default();
        let mut known = self.strangers.get(side).clone();
        let mut chain = self.sweep.outside.roster(side).accounts(&Prefix::default());
        for _ in 0..limits::LISTING_PAGES_MAX {
            let page = match self.page(side, &mut chain, &mut done).await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // The pool is too large for one listing. What was listed is enough.
                Err(Stop::OutOfTime) if done.counts.pages >= self.cover_pages => break,
                Err(stop) => return Err(stop),
            };
            for account in page.read {
                match shard::stranger(*self.depth.get(side), &known, &account.sub) {
                    Stranger::No => continue,
                    Stranger::TooShort => done.counts.uncovered += 1,
                    Stranger::Add(prefix) => {
                        known.insert(prefix.clone());
                        done.strangers.insert(prefix);
                    }
                }
                done.counts.strangers += 1;
            }
        }
        Ok(done)
    }
}

/// Whether the same call may succeed in a moment.
const fn unlucky(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::NoAnswer | FaultKind::NotSent | FaultKind::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_sends_no_more_than_the_queue_has_room_for_even_if_its_counters_lag() {
        let mut gate = Gate::default();
        let most = limits::BULK_OUTSTANDING_MAX;
        assert!(!gate.take(1, Time(0)), "the counters were not read yet");
        gate.learn(most - 10, Time(0));
        assert!(gate.take(10, Time(0)) && !gate.take(1, Time(0)));
        // The counters do not show yet what was just sent.
        gate.learn(most - 10, Time(1_000));
        assert!(!gate.take(1, Time(1_000)));
        gate.learn(most - 10, Time(60_000));
        assert!(gate.take(10, Time(60_000)));
        gate.learn(most + 5, Time(200_000));
        assert!(!gate.take(1, Time(200_000)));
    }
}
