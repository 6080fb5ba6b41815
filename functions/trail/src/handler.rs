//! The function `trail`. It decodes `CloudTrail` events, finds their accounts, and stores pending
//! changes and sends messages as capture does.
//!
//! It processes a change of the pool itself as soon as its event arrives. A restore or a deletion
//! goes into the control item, and the bridge stops until an operator decides. After any other
//! change of settings, the trail reads the pool's triggers.
//!
//! No person waits for it, so it need not fail open. If neither the table nor the queue accepted a
//! change, it returns an error. The platform then retries, and finally keeps the event among the
//! failed ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use poolbridge_core::capture::capture;
use poolbridge_core::change::Evidence;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use thiserror::Error;

use poolbridge_aws::bridge::{queue_client, table};
use poolbridge_aws::client::{pool_client, sdk_config};
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::cognito::settings::{Administration, NotRead};
use poolbridge_aws::dynamodb::{DetectionRoute, DynamoLedger, RouteHeartbeat};
use poolbridge_aws::sqs::SqsOutbox;
use poolbridge_config::operations::PoolEvent;
use poolbridge_config::{
    self as config, Component, ConfigErrors, Configuration, TriggerSlot, missing_triggers,
};
use poolbridge_core::account_event::{AccountEvent, EventPool};
use poolbridge_telemetry::{self as telemetry, Output, Telemetry, TrailMetrics};

use crate::decoder::{Detection, Ignored, TrailDecoder, TrailEvent};
use crate::lines::{self, DetectionLine, PoolCheck};

/// How often a process stores that the trail works, for each side. An event may come with every
/// change, and `coverage` only needs to know whether the trail was silent for hours.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Why an event must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotRecorded {
    /// The configuration or the environment is invalid.
    #[error("recording an event: the configuration is broken; hint: see the log for its errors")]
    Broken,
    /// Neither the table nor the queue accepted it.
    #[error("recording an event: neither the table nor the queue accepted it; hint: see the log")]
    Nowhere,
}

/// The trail as Lambda calls it.
#[derive(Debug)]
pub struct TrailHandler {
    services: Result<TrailServices, ConfigErrors>,
    clock: Arc<SystemClock>,
    telemetry: Telemetry,
    /// When each side's next note that the trail works is due, in milliseconds.
    due: BySide<AtomicI64>,
}

#[derive(Debug)]
struct TrailServices {
    decoder: TrailDecoder,
    ledger: DynamoLedger,
    outbox: SqsOutbox,
    pools: BySide<OfPool>,
}

/// A pool whose triggers the trail checks.
#[derive(Debug)]
struct OfPool {
    administration: Administration,
    /// The slots where capture should be attached.
    slots: Vec<TriggerSlot>,
    /// The ARN of that pool's capture function, if it is known.
    capture: Option<String>,
}

impl TrailHandler {
    /// Reads the configuration and the environment and creates the clients. It never fails and
    /// makes no call.
    pub async fn start() -> Self {
        telemetry::start(Output::Standard);
        let clock = SystemClock::new();
        let (services, name) = match config::load(Component::Trail) {
            Ok((configuration, environment)) => {
                let sdk = sdk_config(&clock).await;
                let captures = environment.capture.clone();
                let services = TrailServices {
                    decoder: TrailDecoder::new(&configuration, &environment.own_roles),
                    ledger: table(&sdk, &clock, &environment.table),
                    outbox: SqsOutbox::new(queue_client(&sdk, &clock), environment.queue_url),
                    pools: BySide {
                        old: of_pool(&sdk, &clock, &configuration, Side::Old, captures.old).await,
                        new: of_pool(&sdk, &clock, &configuration, Side::New, captures.new).await,
                    },
                };
                (Ok(services), configuration.name)
            }
            Err(config_errors) => {
                telemetry::config_errors(&config_errors);
                let name = config::name_without_configuration(&config_errors);
                (Err(config_errors), name)
            }
        };
        let telemetry = Telemetry::new(name, Output::Standard);
        Self { services, clock, telemetry, due: BySide::default() }
    }

    /// Stores what an event reports. An error means that nothing was stored and the event must come
    /// again.
    pub async fn event(&self, event: &str) -> Result<(), NotRecorded> {
        let services = match &self.services {
            Ok(services) => services,
            Err(config_errors) => {
                telemetry::config_errors(config_errors);
                let metrics = TrailMetrics { failed: 1, ..TrailMetrics::default() };
                self.telemetry.publish(self.clock.now(), &metrics);
                return Err(NotRecorded::Broken);
            }
        };
        let (detection, metrics) = self.detection(services, event).await;
        lines::detection(&detection);
        self.telemetry.publish(self.clock.now(), &metrics);
        if is_lost(&detection) { Err(NotRecorded::Nowhere) } else { Ok(()) }
    }

    /// The result of an event, and its metrics.
    async fn detection(
        &self,
        services: &TrailServices,
        event: &str,
    ) -> (DetectionLine, TrailMetrics) {
        let now = self.clock.now();
        let decoded = services.decoder.hear(event, now);
        let delay = decoded.at.map(|at| now.since(at));
        let (detection, ()) = tokio::join!(
            Box::pin(self.work(services, &decoded, now)),
            Box::pin(self.note_alive(services, decoded.pool, now, delay)),
        );
        let detection = DetectionLine { operation: decoded.operation, delay, ..detection };
        let metrics = metrics(&detection, &decoded);
        (detection, metrics)
    }

    async fn work(
        &self,
        services: &TrailServices,
        decoded: &TrailEvent,
        now: Time,
    ) -> DetectionLine {
        let mut detection = DetectionLine::default();
        match &decoded.outcome {
            Err(refusal) => detection.refusal = Some(*refusal),
            Ok(Detection::Sweep { place, .. }) => {
                for side in place.sides() {
                    detection.swept.push((side, services.ledger.want_sweep(side, now).await));
                }
            }
            Ok(Detection::Pool { place, event, at }) => {
                for side in place.sides() {
                    let looked = Box::pin(services.look_at_pool(side, *event, *at)).await;
                    detection.pools.push((side, looked));
                }
            }
            Ok(Detection::AccountEvent(event)) => {
                let (known, unread) = services.known(event).await;
                detection.unread = unread;
                // The account may belong to a third pool. If neither pool knows it, there is
                // nothing to delete.
                let unknown = !known.old && !known.new && detection.unread.is_none();
                let unsaid = matches!(event.place, EventPool::Unsaid(_));
                let foreign = unsaid && unknown && event.evidence == Evidence::Deleted;
                let changes = event.changes(known, self.clock.nonce()).into_iter();
                for change in changes.filter(|_| !foreign) {
                    let captured =
                        Box::pin(capture(&services.ledger, &services.outbox, &change)).await;
                    detection.captured.push((change, captured));
                }
            }
        }
        detection
    }

    /// Stores from time to time that the trail works. Best effort: a failure does not fail the
    /// event.
    async fn note_alive(
        &self,
        services: &TrailServices,
        side: Option<Side>,
        now: Time,
        delay: Option<Duration>,
    ) {
        let Some(side) = side else { return };
        let due = self.due.get(side);
        let seen = due.load(Ordering::Relaxed);
        if now.0 < seen {
            return;
        }
        let next = (now + NOTE_EVERY).0;
        // Another call has just stored the note.
        if due.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let seconds = delay.and_then(|delay| i64::try_from(delay.as_secs()).ok());
        let metrics = seconds.map(|seconds| ("delay_seconds".to_owned(), seconds));
        let metrics = metrics.into_iter().collect();
        let note = RouteHeartbeat { route: DetectionRoute::Trail, side, last: now, metrics };
        if let Err(error) = services.ledger.note_route(&note).await {
            lines::route_not_noted(&error);
        }
    }
}

async fn of_pool(
    sdk: &SdkConfig,
    clock: &Arc<SystemClock>,
    configuration: &Configuration,
    side: Side,
    capture: Option<String>,
) -> OfPool {
    let settings = configuration.pools.get(side);
    let client = pool_client(sdk, settings, clock).await;
    OfPool {
        administration: Administration::new(client, settings.user_pool_id.clone()),
        slots: configuration.routes.slots(configuration.signup_guard),
        capture,
    }
}

impl TrailServices {
    /// Reacts to a change of the pool itself.
    async fn look_at_pool(
        &self,
        side: Side,
        event: PoolEvent,
        at: Time,
    ) -> Result<PoolCheck, PortError> {
        match event {
            PoolEvent::Restore(stage) => {
                self.ledger.note_restore(side, stage, at).await?;
                Ok(PoolCheck::Restore(stage))
            }
            PoolEvent::Settings | PoolEvent::Unwatched => {
                let OfPool { administration, slots, capture } = self.pools.get(side);
                let Some(ours) = capture else { return Ok(PoolCheck::Triggers(Vec::new())) };
                let found = administration.read_pool().await.map_err(|error| match error {
                    NotRead::PortError(error) => error,
                    NotRead::Form => PortError::new(ErrorKind::Unreadable, "DescribeUserPool"),
                })?;
                let attached = slots
                    .iter()
                    .filter_map(|slot| Some((*slot, found.holder(*slot).function()?.to_owned())));
                Ok(PoolCheck::Triggers(missing_triggers(slots, &attached.collect(), ours)))
            }
        }
    }

    /// The sides on which the account is known, if the event does not name its pool. A side that
    /// cannot be read counts as not known.
    async fn known(&self, event: &AccountEvent) -> (BySide<bool>, Option<PortError>) {
        let mut known = BySide::default();
        if matches!(event.place, EventPool::Pool(_)) {
            return (known, None);
        }
        let mut unread = None;
        // Both pools are checked, because one may be in another Region than its `userPoolId` says.
        for side in Side::BOTH {
            match self.ledger.is_known(side, &event.sub).await {
                Ok(is_known) => *known.get_mut(side) = is_known,
                Err(error) => unread = Some(error),
            }
        }
        (known, unread)
    }
}

/// Whether the event must come again.
fn is_lost(detection: &DetectionLine) -> bool {
    let captured = detection.captured.iter().any(|(_, captured)| !captured.survives());
    let unlooked = detection.pools.iter().any(|(_, looked)| looked.is_err());
    captured || unlooked || detection.swept.iter().any(|(_, wanted)| wanted.is_err())
}

fn metrics(detection: &DetectionLine, decoded: &TrailEvent) -> TrailMetrics {
    let unnamed = matches!(decoded.outcome, Ok(Detection::Sweep { unnamed: true, .. }));
    let unresolved = unnamed || detection.refusal.is_some_and(Ignored::is_unresolved);
    let faulty =
        detection.captured.iter().any(|(_, it)| it.pending.is_err() || it.message.is_err());
    let unreadable = detection.refusal.is_some_and(Ignored::is_failure);
    let captured = !detection.captured.is_empty() && !is_lost(detection);
    let looks = || detection.pools.iter().filter_map(|(_, looked)| looked.as_ref().ok());
    let missing = looks().map(|look| match look {
        PoolCheck::Triggers(missing) => missing.len() as u64,
        PoolCheck::Restore(_) => 0,
    });
    TrailMetrics {
        triggers_missing: missing.sum(),
        restores: looks().filter(|it| matches!(it, PoolCheck::Restore(_))).count() as u64,
        captured: u64::from(captured),
        dropped: u64::from(detection.refusal.is_some()),
        unresolved: u64::from(unresolved),
        failed: u64::from(faulty || unreadable || is_lost(detection)),
    }
}

#[cfg(test)]
mod tests;
