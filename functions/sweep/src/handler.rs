//! The function `sweep`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::reconcile::Bridge;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::{Cursor, Partition, PartitionResult, Summary};
use poolbridge_sweep_core::ports::{BulkQueue, CheckpointStore, SweepPorts};
use poolbridge_sweep_core::{Sweep, SweepSettings, Tick};
use tokio::sync::OnceCell;

use poolbridge_aws::bridge::{BridgePorts, BridgeResources, StartupError};
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::cognito::PoolLister;
use poolbridge_aws::dynamodb::{DetectionRoute, DynamoLedger, RouteHeartbeat};
use poolbridge_aws::sqs::SqsQueue;
use poolbridge_config::{
    self as config, Component, ConfigErrors, Configuration, Environment, Routes, missing_triggers,
};
use poolbridge_telemetry::{
    self as telemetry, Output, PassMetrics, Seconds, SweepMetrics, Telemetry,
};

use crate::lines;

/// The part of an invocation that is reserved to report that the bridge was not ready in time.
const FALLBACK_TIME: Duration = Duration::from_secs(2);

/// The sweep as Lambda calls it.
#[derive(Debug)]
pub(crate) struct SweepHandler {
    loaded: Result<(Configuration, Environment), ConfigErrors>,
    ports: OnceCell<SweepServices>,
    telemetry: Telemetry,
}

/// The real ports that a sweep needs.
#[derive(Debug)]
struct SweepServices {
    ports: BridgePorts,
    listers: BySide<PoolLister>,
    bulk: SqsBulkQueue,
    telemetry: Telemetry,
    triggers_missing: BySide<AtomicU64>,
}

impl SweepHandler {
    /// Reads the configuration and the environment; never fails.
    pub(crate) fn start() -> Self {
        telemetry::start(Output::Standard);
        let loaded = config::load(Component::Sweep);
        let name = match &loaded {
            Ok((configuration, _)) => configuration.name.clone(),
            Err(config_errors) => config::name_without_configuration(config_errors),
        };
        Self { loaded, ports: OnceCell::new(), telemetry: Telemetry::new(name, Output::Standard) }
    }

    /// Continues the current pass, or begins one that is due, until shortly before `end` (by the
    /// machine's own clock). It also checks that the triggers are still attached.
    ///
    /// It does not send pending changes again. The consumer's own schedule does that every few
    /// minutes without a key, and a second sender would only double the messages.
    pub(crate) async fn tick(&self, end: Time) {
        let loaded = match &self.loaded {
            Ok(loaded) => loaded,
            Err(config_errors) => return telemetry::config_errors(config_errors),
        };
        let patience = end.since(SystemClock::new().now()).saturating_sub(FALLBACK_TIME);
        let wiring = self.ports.get_or_try_init(|| wire(loaded.clone(), self.telemetry.clone()));
        let ports = tokio::time::timeout(patience, wiring).await;
        let field = match ports.unwrap_or(Err(StartupError::OutOfTime)) {
            Ok(field) => field,
            Err(error) => {
                let now = SystemClock::new().now();
                let metrics = SweepMetrics { errors: 1, ..SweepMetrics::default() };
                self.telemetry.publish(now, &metrics);
                return error.log();
            }
        };
        let metrics = field.tick(&loaded.0.routes, end).await;
        self.telemetry.publish(field.clock().now(), &metrics);
    }
}

async fn wire(
    (configuration, environment): (Configuration, Environment),
    telemetry: Telemetry,
) -> Result<SweepServices, StartupError> {
    let resources = Box::pin(BridgeResources::lay(configuration, environment)).await?;
    let ports = Box::pin(BridgePorts::wire(resources)).await?;
    let listers = BySide::from_fn(|side| ports.lister(side));
    // The configuration requires this queue, so it is present.
    let bulk = ports.resources.bulk.clone().unwrap_or_else(|| ports.resources.queue.clone());
    let bulk = SqsBulkQueue(bulk);
    Ok(SweepServices { ports, listers, bulk, telemetry, triggers_missing: BySide::default() })
}

impl SweepServices {
    async fn tick(&self, routes: &Routes, end: Time) -> SweepMetrics {
        let clock = &self.ports.resources.clock;
        let end = Time(end.0.saturating_add(clock.offset_milliseconds()));
        let mut metrics = SweepMetrics::default();
        for side in Side::BOTH {
            match self.look_for_triggers(side, routes).await {
                Ok(missing) => metrics.triggers_missing += missing,
                Err(error) => {
                    metrics.errors += 1;
                    lines::not_swept(&error);
                }
            }
        }
        let Some(every) = routes.sweep_every else { return metrics };
        let pools = &self.ports.resources.configuration.pools;
        let place = |side| {
            let pool = pools.get(side);
            (pool.region().map(str::to_owned), pool.role_arn.clone())
        };
        let settings = SweepSettings {
            every,
            quota_percent: routes.sweep_quota_percent,
            one_quota: place(Side::Old) == place(Side::New),
        };
        let Bridge { policy, keys, configuration, .. } = self.ports.bridge();
        let sweep = Sweep { ports: self, policy, keys, configuration, settings };
        match Box::pin(sweep.tick(end)).await {
            Ok(tick) => {
                lines::swept(&tick);
                if let Tick::Worked(worked) = &tick {
                    metrics.errors += worked.errors.len() as u64;
                }
            }
            Err(error) => {
                metrics.errors += 1;
                lines::not_swept(&error);
            }
        }
        if let Ok(cursor) = self.ports.resources.ledger.sweep_cursor().await {
            // If no pass ever began: the time since one could have begun.
            let began = cursor.began.unwrap_or(configuration.since);
            metrics.since_pass = Seconds(clock.now().since(began));
        }
        metrics
    }

    /// The number of slots in a pool's settings where poolbridge's function should be attached and
    /// is not.
    async fn look_for_triggers(&self, side: Side, routes: &Routes) -> Result<u64, PortError> {
        let environment = &self.ports.resources.environment;
        let Some(ours) = environment.capture.get(side) else { return Ok(0) };
        let attached = self.listers.get(side).0.overview().await?.triggers;
        let guard = self.ports.resources.configuration.signup_guard;
        let missing = missing_triggers(&routes.slots(guard), &attached, ours);
        for slot in &missing {
            lines::trigger_missing(side, *slot, attached.contains_key(slot));
        }
        let missing = missing.len() as u64;
        self.triggers_missing.get(side).store(missing, Ordering::Relaxed);
        Ok(missing)
    }
}

impl CheckpointStore for SweepServices {
    async fn read(&self) -> Result<Cursor, PortError> {
        self.ports.resources.ledger.sweep_cursor().await
    }

    async fn write(&self, cursor: &Cursor) -> Result<(), PortError> {
        self.ports.resources.ledger.put_sweep_cursor(cursor).await
    }

    async fn wanted(&self) -> Result<Option<Time>, PortError> {
        let ledger = &self.ports.resources.ledger;
        let old = ledger.sweep_wanted(Side::Old).await?;
        Ok(old.max(ledger.sweep_wanted(Side::New).await?))
    }

    async fn began(&self, at: Time) -> Result<(), PortError> {
        for side in Side::BOTH {
            self.ports.resources.ledger.sweep_began(side, at).await?;
        }
        Ok(())
    }

    async fn ended(&self, summary: &Summary) -> Result<(), PortError> {
        lines::pass_ended(summary);
        self.telemetry.publish(summary.ended, &PassMetrics::from(summary));
        for side in Side::BOTH {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let counts = summary.counts.get(side).named();
            let mut metrics: BTreeMap<String, i64> =
                counts.into_iter().map(|(name, count)| (name.to_owned(), number(count))).collect();
            let more = [
                ("began", summary.began.0),
                ("missing", number(*summary.missing.get(side))),
                ("missing_memberships", number(*summary.missing_memberships.get(side))),
                ("groups_unread", number(summary.groups_unread)),
                ("unconcluded", i64::from(summary.doubt.or(summary.members_doubt).is_some())),
                ("seconds", number(summary.ended.since(summary.began).as_secs())),
                (
                    "triggers_missing",
                    number(self.triggers_missing.get(side).load(Ordering::Relaxed)),
                ),
            ];
            metrics.extend(more.map(|(name, figure)| (name.to_owned(), figure)));
            let note =
                RouteHeartbeat { route: DetectionRoute::Sweep, side, last: summary.ended, metrics };
            self.ports.resources.ledger.note_route(&note).await?;
        }
        Ok(())
    }
}

/// The queue of bulk work.
#[derive(Debug)]
struct SqsBulkQueue(SqsQueue);

impl BulkQueue for SqsBulkQueue {
    async fn outstanding(&self) -> Result<u64, PortError> {
        self.0.message_count().await
    }

    async fn send(&self, changes: &[ChangeEvent]) -> Result<(), PortError> {
        let sent = self.0.outbox().send_all(changes).await;
        sent.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl SweepPorts for SweepServices {
    type Lister = PoolLister;
    type Records = DynamoLedger;
    type Checkpoints = Self;
    type Bulk = SqsBulkQueue;
    type Clock = SystemClock;

    fn lister(&self, side: Side) -> &PoolLister {
        self.listers.get(side)
    }

    fn records(&self) -> &DynamoLedger {
        &self.ports.resources.ledger
    }

    fn checkpoints(&self) -> &Self {
        self
    }

    fn bulk(&self) -> &SqsBulkQueue {
        &self.bulk
    }

    fn clock(&self) -> &SystemClock {
        &self.ports.resources.clock
    }

    async fn rest_until(&self, moment: Time) {
        let wait = moment.since(self.clock().now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn progressed(&self, partition: &Partition, done: &PartitionResult, left: usize) {
        lines::part_swept(partition, done, left);
    }
}
