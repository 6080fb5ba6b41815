//! What one invocation of the sweep does, and in which order. The order is written only here.
//!
//! The sweep writes nothing to a pool and reads no account. Whatever stops an invocation, the next
//! one continues: an unfinished partition starts again, and the result of a finished partition was
//! stored in the same write that marked it as finished.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;

use futures_util::future::select_all;

use super::gate::Gate;
use super::pace::Pace;
use super::partition::{PartitionRun, SweepState, Unfinished};
use super::pass::{self, Cursor, Partition, PartitionResult, Scope, Summary};
use super::ports::{AccountLister, CheckpointStore, RecordReader, SweepPorts};
use super::sweep::Sweep;
use poolbridge_core::account::PoolSchema;
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::names::GroupName;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Clock;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

/// The result of one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// No pass is due before that time.
    NotDue(Time),
    /// apply could not process anything that the sweep would send now.
    Barred(Reason),
    /// A pass continued.
    Worked(Box<Worked>),
}

/// How far a pass came in one invocation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Worked {
    /// Partitions that were finished.
    pub finished: usize,
    /// Partitions that are left.
    pub left: usize,
    /// The pass, if it ended.
    pub ended: Option<Summary>,
    /// Whether the queue of bulk work had no room: the pass waits for apply.
    pub no_room: bool,
    /// The port errors, each of one partition, which is listed again at another time.
    pub errors: Vec<PortError>,
}

/// The running future of one partition.
type RunningPartition<'d> =
    Pin<Box<dyn Future<Output = (Partition, Result<PartitionResult, Unfinished>)> + Send + 'd>>;

/// After more failed partitions than this, no further one starts: it would very likely fail too.
const ERRORS_MAX: usize = 5;

impl<O: SweepPorts> Sweep<'_, O> {
    /// Continues the current pass, or begins one that is due, until shortly before `end`.
    pub async fn tick(&self, end: Time) -> Result<Tick, PortError> {
        let began = self.now();
        let control = self.ports.records().control().await?;
        if let Some(reason) = control.bars_hints(&self.configuration.hash) {
            return Ok(Tick::Barred(reason));
        }
        let mut cursor = self.ports.checkpoints().read().await?;
        if cursor.pass.is_none() {
            let wanted = self.ports.checkpoints().wanted().await?;
            let next = cursor.next_pass(self.settings.every, wanted);
            if next > began {
                return Ok(Tick::NotDue(next));
            }
            self.begin(&mut cursor).await?;
        }
        let end = end - limits::SWEEP_STOPS_BEFORE;
        let mut worked = Worked::default();
        let state = SweepState { paces: self.paces(), gate: Mutex::new(Gate::default()) };
        loop {
            let run = self.run(&cursor, end, &state).await?;
            let left = cursor.left(&run.groups.keys().copied().collect());
            worked.left = left.old.len() + left.new.len();
            if worked.left == 0 {
                worked.ended = self.conclude(&run, &mut cursor).await?;
                return Ok(Tick::Worked(Box::new(worked)));
            }
            let finished = worked.finished;
            self.work(&run, &mut cursor, left.clone(), &mut worked).await?;
            if worked.finished > finished && worked.errors.is_empty() {
                continue;
            }
            if worked.finished == 0 && worked.errors.is_empty() && !worked.no_room {
                cursor.fruitless(&left, self.pages_max());
                self.write(&mut cursor).await?;
            }
            return Ok(Tick::Worked(Box::new(worked)));
        }
    }

    async fn begin(&self, cursor: &mut Cursor) -> Result<(), PortError> {
        let estimate = BySide {
            old: self.ports.lister(Side::Old).estimate().await?,
            new: self.ports.lister(Side::New).estimate().await?,
        };
        let now = self.now();
        cursor.begin(now, estimate, self.pages_max());
        self.write(cursor).await?;
        // Stored after the pass itself. If this call fails, the request counts as unanswered, and
        // the operator can repeat it.
        self.ports.checkpoints().began(now).await
    }

    /// How many pages a partition may have, so that one listing takes a few minutes.
    fn pages_max(&self) -> BySide<u64> {
        let pages = self.pace().calls_in(limits::LISTING_TIME);
        BySide::from_fn(|_| pages.clamp(1, limits::LISTING_PAGES))
    }

    fn pace(&self) -> Pace {
        // Two pools with one quota share one pace, so each partition has only half of it.
        Pace::new(self.settings.quota_percent, if self.settings.one_quota { 2 } else { 1 })
    }

    pub(super) async fn write(&self, cursor: &mut Cursor) -> Result<(), PortError> {
        cursor.revision += 1;
        cursor.writer = self.ports.clock().nonce();
        self.ports.checkpoints().write(cursor).await
    }

    async fn run<'d>(
        &'d self,
        cursor: &Cursor,
        end: Time,
        state: &'d SweepState,
    ) -> Result<PartitionRun<'d, O>, PortError> {
        let schemas = BySide {
            old: self.ports.lister(Side::Old).schema().await?,
            new: self.ports.lister(Side::New).schema().await?,
        };
        let groups = if self.policy.groups { common(&schemas) } else { Vec::new() };
        let groups = pass::buckets(groups.iter()).into_iter();
        let groups = groups.map(|(bucket, groups)| (bucket, groups.into_iter().cloned().collect()));
        let scope = cursor.pass.as_ref().map(|pass| pass.scope(cursor.buckets));
        let scope = scope.unwrap_or(Scope { number: 0, began: end, buckets: cursor.buckets });
        let depth = cursor.pass.as_ref().map_or(BySide::default(), |pass| pass.depth);
        Ok(PartitionRun {
            sweep: *self,
            scope,
            known_since: cursor.known_since.unwrap_or(end),
            depth,
            unexpected: cursor.unexpected.clone(),
            groups: groups.collect(),
            schemas,
            state,
            cover_pages: self.pages_max().old,
            end,
        })
    }

    fn paces(&self) -> Vec<Mutex<Pace>> {
        let percent = self.settings.quota_percent;
        let pools = if self.settings.one_quota { 1 } else { 2 };
        (0..pools).map(|_| Mutex::new(Pace::new(percent, 1))).collect()
    }

    /// Processes partitions, several of each pool at the same time, and stores each finished one.
    async fn work(
        &self,
        run: &PartitionRun<'_, O>,
        cursor: &mut Cursor,
        left: BySide<Vec<Partition>>,
        worked: &mut Worked,
    ) -> Result<(), PortError> {
        let begun = worked.finished > 0;
        let mut budget =
            BySide::from_fn(|side| Budget { begun, ..self.budget(cursor, side, run.end) });
        let mut waiting = BySide { old: VecDeque::from(left.old), new: VecDeque::from(left.new) };
        let mut running: BySide<Vec<RunningPartition<'_>>> =
            BySide { old: Vec::new(), new: Vec::new() };
        loop {
            for side in Side::BOTH {
                let free = limits::LISTINGS_AT_ONCE.saturating_sub(running.get(side).len());
                let may_start = self.now() < run.end && worked.errors.len() < ERRORS_MAX;
                for _ in 0..if may_start { free } else { 0 } {
                    let next = waiting.get(side).front();
                    if !next.is_some_and(|partition| budget.get_mut(side).takes(partition)) {
                        break;
                    }
                    let Some(partition) = waiting.get_mut(side).pop_front() else { break };
                    running.get_mut(side).push(Box::pin(async move {
                        let done = run.work(&partition).await;
                        (partition, done)
                    }));
                }
            }
            if running.old.is_empty() && running.new.is_empty() {
                return Ok(());
            }
            let (partition, outcome) = next_of(&mut running).await;
            match outcome {
                Ok(done) => {
                    cursor.finish(&partition, &done, self.now());
                    self.write(cursor).await?;
                    worked.finished += 1;
                    worked.left = worked.left.saturating_sub(1);
                    self.ports.progressed(&partition, &done, worked.left);
                }
                Err(Unfinished::OutOfTime) => {}
                Err(Unfinished::NoRoom) => worked.no_room = true,
                Err(Unfinished::PortError(error)) => worked.errors.push(error),
            }
        }
    }

    /// How many calls this invocation has left for a pool, and how many one partition needs.
    fn budget(&self, cursor: &Cursor, side: Side, end: Time) -> Budget {
        let part = cursor.pass.as_ref().map_or(0, |pass| {
            let accounts = pass.estimate.get(side).unwrap_or(0);
            accounts.div_ceil(limits::LIST_PAGE) >> (4 * pass.depth.get(side))
        });
        // One tenth stays unused: a partition that is cut off costs more than a little unused time.
        let left = self.pace().calls_in(end.since(self.now())) / 10 * 9;
        Budget { part, left, begun: false }
    }
}

/// The calls that an invocation has left. A partition that cannot be finished is not started,
/// because it would have to be listed again.
struct Budget {
    part: u64,
    left: u64,
    begun: bool,
}

impl Budget {
    /// Whether there is time for this partition, by the estimate. The first one always starts, or
    /// no partition ever would.
    fn takes(&mut self, partition: &Partition) -> bool {
        let needed = match partition {
            Partition::Accounts(..) => self.part,
            // The number of members of a group is not known in advance.
            Partition::Members(..) | Partition::Cover(_) => 0,
        };
        let takes = !self.begun || needed <= self.left;
        if takes {
            self.begun = true;
            self.left = self.left.saturating_sub(needed);
        }
        takes
    }
}

/// The groups that both pools have. A group that only one pool has is unread in the other pool: no
/// account there is a member or is no member.
fn common(schemas: &BySide<Arc<PoolSchema>>) -> Vec<GroupName> {
    schemas.old.groups.intersection(&schemas.new.groups).cloned().collect()
}

/// The first running partition that ends, of either pool. At least one is running.
///
/// `select_all` polls every future on each poll, in the order of the list. `FuturesUnordered` would
/// poll only those that were woken: the order of calls would then depend on the runtime, and a
/// simulated run polls without a waker.
async fn next_of(
    running: &mut BySide<Vec<RunningPartition<'_>>>,
) -> (Partition, Result<PartitionResult, Unfinished>) {
    let BySide { old, new } = running;
    let (ended, at, _) = select_all(old.iter_mut().chain(new.iter_mut())).await;
    match at.checked_sub(old.len()) {
        None => drop(old.swap_remove(at)),
        Some(at) => drop(new.swap_remove(at)),
    }
    ended
}
