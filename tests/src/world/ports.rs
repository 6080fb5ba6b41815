//! The ports of one task: every service of the world through the task's own connection.

use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::{Partition, PartitionResult};

use super::clock::SimulatedClock;
use super::connection::Connection;
use super::ledger::SimulatedLedger;
use super::pool::SimulatedPool;
use super::{TaskId, World, give_way, lister, queue};

impl World {
    /// The ports of one task.
    pub fn ports(&self, task: TaskId) -> SimulatedPorts {
        let connection = Connection::new(self.clone(), task);
        SimulatedPorts {
            pools: BySide::from_fn(|side| SimulatedPool::new(connection.clone(), side)),
            ledger: SimulatedLedger::new(connection.clone()),
            outbox: queue::SimulatedOutbox::new(connection.clone()),
            listers: BySide::from_fn(|side| lister::SimulatedLister::new(connection.clone(), side)),
            records: lister::SimulatedRecords::new(connection.clone()),
            checkpoints: lister::SimulatedCheckpoints::new(connection.clone()),
            bulk: lister::SimulatedBulkQueue::new(connection),
            clock: SimulatedClock::new(self.clone(), task),
        }
    }
}

/// The services as one task sees them.
#[derive(Clone)]
pub struct SimulatedPorts {
    pools: BySide<SimulatedPool>,
    ledger: SimulatedLedger,
    outbox: queue::SimulatedOutbox,
    clock: SimulatedClock,
    listers: BySide<lister::SimulatedLister>,
    records: lister::SimulatedRecords,
    checkpoints: lister::SimulatedCheckpoints,
    bulk: lister::SimulatedBulkQueue,
}

impl SimulatedPorts {
    /// The queue, for a sender.
    pub const fn outbox(&self) -> &queue::SimulatedOutbox {
        &self.outbox
    }
}

impl poolbridge_core::ports::Ports for SimulatedPorts {
    type Pool = SimulatedPool;
    type Ledger = SimulatedLedger;
    type Clock = SimulatedClock;

    fn pool(&self, side: Side) -> &SimulatedPool {
        self.pools.get(side)
    }

    fn ledger(&self) -> &SimulatedLedger {
        &self.ledger
    }

    fn clock(&self) -> &SimulatedClock {
        &self.clock
    }
}

impl poolbridge_sweep_core::ports::SweepPorts for SimulatedPorts {
    type Lister = lister::SimulatedLister;
    type Records = lister::SimulatedRecords;
    type Checkpoints = lister::SimulatedCheckpoints;
    type Bulk = lister::SimulatedBulkQueue;
    type Clock = SimulatedClock;

    fn lister(&self, side: Side) -> &lister::SimulatedLister {
        self.listers.get(side)
    }

    fn records(&self) -> &lister::SimulatedRecords {
        &self.records
    }

    fn checkpoints(&self) -> &lister::SimulatedCheckpoints {
        &self.checkpoints
    }

    fn bulk(&self) -> &lister::SimulatedBulkQueue {
        &self.bulk
    }

    fn clock(&self) -> &SimulatedClock {
        &self.clock
    }

    async fn rest_until(&self, moment: Time) {
        use poolbridge_core::ports::Clock as _;
        while self.clock.now() < moment {
            give_way().await;
        }
    }

    fn progressed(&self, partition: &Partition, done: &PartitionResult, left: usize) {
        self.bulk.say(|| format!("{partition:?} is done, {left} left: {:?}", done.counts));
    }
}
