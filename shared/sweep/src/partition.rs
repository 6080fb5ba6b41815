//! One partition of a pass: the sweep lists it, compares it, and sends the accounts that differ.
//! Several partitions run at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::compare::{self, CompareInput};
use super::gate::Gate;
use super::pace::Pace;
use super::pass::{Partition, PartitionResult, Scope, tag};
use super::ports::{
    AccountLister, BulkQueue, Page, PageStream, RecordOwner, RecordReader, SweepPorts,
};
use super::shard::{self, Prefix, Unexpected};
use super::sweep::Sweep;
use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, Sub};
use poolbridge_core::plan::Observation;
use poolbridge_core::ports::Clock;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

/// Why a partition is not finished. It starts again at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// The invocation is nearly over.
    OutOfTime,
    /// The same, and the queue of bulk work had no room until then.
    NoRoom,
    /// A call to a service failed.
    PortError(PortError),
}

impl From<PortError> for Unfinished {
    fn from(error: PortError) -> Self {
        Self::PortError(error)
    }
}

/// State for the duration of an invocation: the pace of the listings, and what was sent.
pub(super) struct SweepState {
    pub(super) paces: Vec<Mutex<Pace>>,
    pub(super) gate: Mutex<Gate>,
}

/// State that all running partitions share.
pub(super) struct PartitionRun<'a, O> {
    pub(super) sweep: Sweep<'a, O>,
    pub(super) scope: Scope,
    pub(super) known_since: Time,
    pub(super) depth: BySide<u8>,
    pub(super) unexpected: BySide<BTreeSet<Prefix>>,
    pub(super) schemas: BySide<Arc<PoolSchema>>,
    /// The groups that both pools have, by group bucket.
    pub(super) groups: BTreeMap<u8, BTreeSet<GroupName>>,
    pub(super) state: &'a SweepState,
    /// The number of pages from which on an unfiltered listing counts although it was cut off.
    pub(super) cover_pages: u64,
    /// The sweep starts nothing after this time.
    pub(super) end: Time,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<O: SweepPorts> PartitionRun<'_, O> {
    fn now(&self) -> Time {
        self.sweep.ports.clock().now()
    }

    /// Processes one partition.
    pub(super) async fn work(&self, partition: &Partition) -> Result<PartitionResult, Unfinished> {
        match partition {
            Partition::Accounts(side, prefix) => self.accounts(*side, prefix).await,
            Partition::Members(side, bucket) => self.members(*side, *bucket).await,
            Partition::Cover(side) => self.cover(*side).await,
        }
    }

    /// Lists the accounts of one partition of a pool.
    async fn accounts(&self, side: Side, prefix: &Prefix) -> Result<PartitionResult, Unfinished> {
        let mut done = PartitionResult::default();
        let mut pages = self.sweep.ports.lister(side).accounts(prefix);
        for _ in 0..limits::LISTING_PAGES_MAX {
            let page = self.page(side, &mut pages, &mut done).await?;
            let Some(page) = page else { return Ok(done) };
            done.counts.unreadable += page.unreadable;
            let ours = page.read.into_iter().filter(|account| prefix.holds(&account.sub));
            self.compare(side, ours.collect(), &mut done).await?;
        }
        Err(PortError::new(ErrorKind::Unreadable, "ListUsers").into())
    }

    /// Requests the next page, at the pool's pace.
    async fn page<T>(
        &self,
        side: Side,
        pages: &mut impl PageStream<T>,
        done: &mut PartitionResult,
    ) -> Result<Option<Page<T>>, Unfinished> {
        let pace = match side {
            Side::New if self.state.paces.len() > 1 => &self.state.paces[1],
            Side::Old | Side::New => &self.state.paces[0],
        };
        let mut failed = 0;
        loop {
            let slot = lock(pace).slot(self.now());
            if slot >= self.end {
                return Err(Unfinished::OutOfTime);
            }
            self.sweep.ports.rest_until(slot).await;
            match pages.next().await {
                Ok(shown) => {
                    // Only answered calls count: a throttled listing covers nothing.
                    done.counts.pages += 1;
                    lock(pace).answered();
                    return Ok(shown);
                }
                Err(error) if error.kind == ErrorKind::Throttled => {
                    lock(pace).throttled(self.now());
                }
                Err(error) if may_pass(&error) && failed < limits::LISTING_ATTEMPTS_MAX => {
                    failed += 1;
                    let later = self.now() + Duration::from_secs(1);
                    self.sweep.ports.rest_until(later).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Compares one page with the ledger, and sends the accounts that differ.
    async fn compare(
        &self,
        side: Side,
        page: Vec<Account>,
        done: &mut PartitionResult,
    ) -> Result<(), Unfinished> {
        if page.is_empty() {
            return Ok(());
        }
        let subs: Vec<Sub> = page.iter().map(|account| account.sub.clone()).collect();
        let people = self.sweep.ports.records().people(side, &subs).await?;
        let mut changes = Vec::new();
        for (account, found) in page.into_iter().zip(people) {
            done.counts.accounts += 1;
            match found {
                RecordOwner::Unknown if compare::is_news(&account, self.known_since) => {
                    done.counts.news += 1;
                    let at = compare::done_by(&account, self.now());
                    changes.extend(self.unless_pending(side, &account.sub, at, done).await?);
                }
                RecordOwner::Unknown => done.counts.unknown += 1,
                RecordOwner::Unreadable => done.counts.unreadable += 1,
                RecordOwner::Person(record) => {
                    self.note_seen(side, &record, done);
                    changes.extend(self.compared(side, *record, account, done).await?);
                }
            }
        }
        self.send(changes, done).await
    }

    /// Notes that the account was seen. So it is not missing, and its memberships are expected.
    fn note_seen(&self, side: Side, record: &PersonRecord, done: &mut PartitionResult) {
        if !compare::takes_part(record, self.scope.began) {
            return;
        }
        if let Some(key) = self.scope.missing_key(&record.id) {
            match side {
                Side::Old => done.missing.put(key),
                Side::New => done.missing.take(key),
            }
        }
        for group in compare::memberships(self.sweep.policy, record).filter(|it| self.listed(it)) {
            if let Some(key) = self.scope.member_key(&record.id, side, group) {
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
        record: PersonRecord,
        account: Account,
        done: &mut PartitionResult,
    ) -> Result<Option<ChangeEvent>, Unfinished> {
        if compare::missed(&self.input(side, &record)).is_some() {
            return self.missed(side, &record, done).await;
        }
        let observation =
            Observation::new(self.sweep.policy, side, account, &self.schemas, self.now());
        if !compare::differs(&self.input(side, &record), &observation) {
            return Ok(None);
        }
        // The table's answer may be stale too: a value recorded just now is no difference.
        let fresh = self.sweep.ports.records().person(&record.id).await?;
        let Some(fresh) = fresh else { return Ok(None) };
        if !compare::differs(&self.input(side, &fresh), &observation) {
            return Ok(None);
        }
        done.counts.differing += 1;
        let at = compare::done_by(&observation.account, self.now());
        self.unless_pending(side, &observation.account.sub, at, done).await
    }

    /// The change event for the person's other account, which an observation missed before.
    async fn missed(
        &self,
        side: Side,
        record: &PersonRecord,
        done: &mut PartitionResult,
    ) -> Result<Option<ChangeEvent>, Unfinished> {
        let Some(fresh) = self.sweep.ports.records().person(&record.id).await? else {
            return Ok(None);
        };
        let input = self.input(side, &fresh);
        let Some(known) = compare::missed(&input) else { return Ok(None) };
        done.counts.differing += 1;
        self.unless_pending(side.other(), &known.sub, self.now(), done).await
    }

    fn input<'q>(&'q self, side: Side, record: &'q PersonRecord) -> CompareInput<'q> {
        let Sweep { policy, keys, .. } = self.sweep;
        CompareInput { policy, keys, side, record, now: self.now() }
    }

    /// The change event, unless the account has a pending change already.
    async fn unless_pending(
        &self,
        side: Side,
        sub: &Sub,
        at: Time,
        done: &mut PartitionResult,
    ) -> Result<Option<ChangeEvent>, Unfinished> {
        if self.sweep.ports.records().has_pending(side, sub).await? {
            done.counts.has_pending += 1;
            return Ok(None);
        }
        Ok(Some(self.hint(side, sub, at)))
    }

    /// A hint that this account may have changed.
    pub(super) fn hint(&self, side: Side, sub: &Sub, at: Time) -> ChangeEvent {
        let id = self.sweep.ports.clock().nonce();
        let (password, administrator, claimed) = (false, false, false);
        let (sub, evidence) = (sub.clone(), Evidence::Hint);
        ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id }
    }

    /// Sends change events while the queue has room for them.
    pub(super) async fn send(
        &self,
        changes: Vec<ChangeEvent>,
        done: &mut PartitionResult,
    ) -> Result<(), Unfinished> {
        for change in changes.chunks(10) {
            self.admit(change.len() as u64).await?;
            self.sweep.ports.bulk().send(change).await?;
            done.counts.sent += change.len() as u64;
        }
        Ok(())
    }

    /// Waits until the queue has room.
    async fn admit(&self, count: u64) -> Result<(), Unfinished> {
        loop {
            let now = self.now();
            let asked = {
                let mut gate = lock(&self.state.gate);
                if gate.take(count, now) {
                    return Ok(());
                }
                gate.asked
            };
            let again = asked.map_or(now, |asked| asked + limits::BULK_ASK_AGAIN);
            if again >= self.end {
                return Err(Unfinished::NoRoom);
            }
            self.sweep.ports.rest_until(again).await;
            let outstanding = self.sweep.ports.bulk().outstanding().await?;
            lock(&self.state.gate).learn(outstanding, self.now());
        }
    }

    /// Lists the groups of one group bucket.
    async fn members(&self, side: Side, bucket: u8) -> Result<PartitionResult, Unfinished> {
        let mut done = PartitionResult::default();
        for group in self.groups.get(&bucket).into_iter().flatten() {
            let mut pages = self.sweep.ports.lister(side).members(group);
            loop {
                match self.page(side, &mut pages, &mut done).await {
                    Ok(Some(page)) => self.compare_members(side, group, page, &mut done).await?,
                    Ok(None) => break,
                    // The group was deleted since the pool schema was read. No member left it.
                    Err(Unfinished::PortError(error)) if error.kind == ErrorKind::Missing => {
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
    async fn compare_members(
        &self,
        side: Side,
        group: &GroupName,
        page: Page<Sub>,
        done: &mut PartitionResult,
    ) -> Result<(), Unfinished> {
        done.counts.unreadable += page.unreadable;
        if page.read.is_empty() {
            return Ok(());
        }
        let people = self.sweep.ports.records().people(side, &page.read).await?;
        let mut changes = Vec::new();
        for (sub, found) in page.read.iter().zip(people) {
            done.counts.memberships += 1;
            let RecordOwner::Person(record) = found else { continue };
            if !compare::takes_part(&record, self.scope.began) {
                continue;
            }
            if compare::memberships(self.sweep.policy, &record).any(|baseline| baseline == group) {
                if let Some(key) = self.scope.member_key(&record.id, side, group) {
                    done.members.take(key);
                }
            } else if compare::joined(&self.input(side, &record), group) {
                let fresh = self.sweep.ports.records().person(&record.id).await?;
                if fresh.is_some_and(|it| compare::joined(&self.input(side, &it), group)) {
                    done.counts.differing += 1;
                    changes.extend(self.unless_pending(side, sub, self.now(), done).await?);
                }
            }
        }
        self.send(changes, done).await
    }

    /// Checks the prefix of every account, as far as one listing gets.
    async fn cover(&self, side: Side) -> Result<PartitionResult, Unfinished> {
        let mut done = PartitionResult::default();
        let mut known = self.unexpected.get(side).clone();
        let mut pages = self.sweep.ports.lister(side).accounts(&Prefix::default());
        for _ in 0..limits::LISTING_PAGES_MAX {
            let page = match self.page(side, &mut pages, &mut done).await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // The pool is too large for one listing. What was listed is enough.
                Err(Unfinished::OutOfTime) if done.counts.pages >= self.cover_pages => break,
                Err(stop) => return Err(stop),
            };
            for account in page.read {
                match shard::unexpected(*self.depth.get(side), &known, &account.sub) {
                    Unexpected::No => continue,
                    Unexpected::TooShort => done.counts.uncovered += 1,
                    Unexpected::Add(prefix) => {
                        known.insert(prefix.clone());
                        done.unexpected.insert(prefix);
                    }
                }
                done.counts.unexpected += 1;
            }
        }
        Ok(done)
    }
}

/// Whether the same call may succeed in a moment.
const fn may_pass(error: &PortError) -> bool {
    matches!(error.kind, ErrorKind::NoAnswer | ErrorKind::NotSent | ErrorKind::Broken)
}
