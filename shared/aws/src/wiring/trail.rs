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
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use thiserror::Error;

use super::sweep::wanted_slots;
use super::{queue_client, table};
use crate::client::{pool_client, sdk_config};
use crate::clock::SystemClock;
use crate::cognito::settings::{Administration, NotRead, same_function};
use crate::config::{self, Asker, Configuration, Mistakes, TriggerSlot};
use crate::dynamodb::{DynamoLedger, Route, RouteNote};
use crate::operations::PoolEvent;
use crate::sqs::SqsOutbox;
use crate::telemetry::{self, HeardLine, Output, PoolLook, Telemetry, TrailFigures};
use crate::trail::{Deed, Heard, Hearing, Listener, NotHeard, Place};

/// How often a process stores that the trail works, for each side. An event may come with every
/// change, and `coverage` only needs to know whether the trail was silent for hours.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Why an event must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotNoted {
    /// The configuration or the environment is invalid.
    #[error("noting an event: the configuration is broken; hint: see the log for its mistakes")]
    Broken,
    /// Neither the table nor the queue accepted it.
    #[error("noting an event: nothing took it; hint: see the log for what failed")]
    Nowhere,
}

/// The trail as Lambda calls it.
#[derive(Debug)]
pub struct TrailLine {
    line: Result<Line, Mistakes>,
    clock: Arc<SystemClock>,
    telemetry: Telemetry,
    /// When each side's next note that the trail works is due, in milliseconds.
    due: BySide<AtomicI64>,
}

#[derive(Debug)]
struct Line {
    listener: Listener,
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

impl TrailLine {
    /// Reads the configuration and the environment and creates the clients. It never fails and
    /// makes no call.
    pub async fn start() -> Self {
        telemetry::start(Output::Standard);
        let clock = SystemClock::new();
        let (line, name) = match config::load(Asker::Trail) {
            Ok((configuration, environment)) => {
                let sdk = sdk_config(&clock).await;
                let captures = environment.capture.clone();
                let line = Line {
                    listener: Listener::new(&configuration, &environment.own_roles),
                    ledger: table(&sdk, &clock, &environment.table),
                    outbox: SqsOutbox::new(queue_client(&sdk, &clock), environment.queue_url),
                    pools: BySide {
                        old: of_pool(&sdk, &clock, &configuration, Side::Old, captures.old).await,
                        new: of_pool(&sdk, &clock, &configuration, Side::New, captures.new).await,
                    },
                };
                (Ok(line), configuration.name)
            }
            Err(mistakes) => {
                telemetry::mistakes(&mistakes);
                let name = config::name_without_configuration(&mistakes);
                (Err(mistakes), name)
            }
        };
        let telemetry = Telemetry::new(name, Output::Standard);
        Self { line, clock, telemetry, due: BySide::default() }
    }

    /// Stores what an event reports. An error means that nothing was stored and the event must come
    /// again.
    pub async fn event(&self, event: &str) -> Result<(), NotNoted> {
        let line = match &self.line {
            Ok(line) => line,
            Err(mistakes) => {
                telemetry::mistakes(mistakes);
                let figures = TrailFigures { failed: 1, ..TrailFigures::default() };
                self.telemetry.trail(self.clock.now(), figures);
                return Err(NotNoted::Broken);
            }
        };
        let (told, figures) = self.told(line, event).await;
        telemetry::heard(&told);
        self.telemetry.trail(self.clock.now(), figures);
        if is_lost(&told) { Err(NotNoted::Nowhere) } else { Ok(()) }
    }

    /// The result of an event, and its metrics.
    async fn told(&self, line: &Line, event: &str) -> (HeardLine, TrailFigures) {
        let now = self.clock.now();
        let hearing = line.listener.hear(event, now);
        let delay = hearing.at.map(|at| now.since(at));
        let (told, ()) = tokio::join!(
            Box::pin(self.work(line, &hearing, now)),
            Box::pin(self.note_alive(line, hearing.pool, now, delay)),
        );
        let told = HeardLine { operation: hearing.operation, delay, ..told };
        let figures = figures(&told, &hearing);
        (told, figures)
    }

    async fn work(&self, line: &Line, hearing: &Hearing, now: Time) -> HeardLine {
        let mut told = HeardLine::default();
        match &hearing.outcome {
            Err(refusal) => told.refusal = Some(*refusal),
            Ok(Heard::Sweep { place, .. }) => {
                for side in place.sides() {
                    told.swept.push((side, line.ledger.want_sweep(side, now).await));
                }
            }
            Ok(Heard::Pool { place, event, at }) => {
                for side in place.sides() {
                    let looked = Box::pin(line.look_at_pool(side, *event, *at)).await;
                    told.pools.push((side, looked));
                }
            }
            Ok(Heard::Deed(deed)) => {
                let (known, unread) = line.known(deed).await;
                told.unread = unread;
                // The account may belong to a third pool. If neither pool knows it, there is
                // nothing to delete.
                let nobody = !known.old && !known.new && told.unread.is_none();
                let unsaid = matches!(deed.place, Place::Unsaid(_));
                let foreign = unsaid && nobody && deed.proof == Proof::Deleted;
                let changes = changes(deed, known, self.clock.nonce()).into_iter();
                for change in changes.filter(|_| !foreign) {
                    let captured = Box::pin(capture(&line.ledger, &line.outbox, &change)).await;
                    told.captured.push((change, captured));
                }
            }
        }
        told
    }

    /// Stores from time to time that the trail works. Best effort: a failure does not fail the
    /// event.
    async fn note_alive(
        &self,
        line: &Line,
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
        let figures = seconds.map(|seconds| ("delay_seconds".to_owned(), seconds));
        let figures = figures.into_iter().collect();
        let note = RouteNote { route: Route::Trail, side, last: now, figures };
        if let Err(fault) = line.ledger.note_route(&note).await {
            telemetry::route_not_noted(&fault);
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
        slots: wanted_slots(&configuration.routes, configuration.signup_guard),
        capture,
    }
}

impl Line {
    /// Reacts to a change of the pool itself.
    async fn look_at_pool(
        &self,
        side: Side,
        event: PoolEvent,
        at: Time,
    ) -> Result<PoolLook, Fault> {
        match event {
            PoolEvent::Restore(stage) => {
                self.ledger.note_restore(side, stage, at).await?;
                Ok(PoolLook::Restore(stage))
            }
            PoolEvent::Settings | PoolEvent::Unwatched => {
                let OfPool { administration, slots, capture } = self.pools.get(side);
                let Some(ours) = capture else { return Ok(PoolLook::Triggers(Vec::new())) };
                let found = administration.read_pool().await.map_err(|error| match error {
                    NotRead::Fault(fault) => fault,
                    NotRead::Form => Fault::new(FaultKind::Unreadable, "DescribeUserPool"),
                })?;
                let stands = |arn: &str| same_function(arn, ours);
                let missing = slots.iter().copied();
                let missing =
                    missing.filter(|slot| !found.holder(*slot).function().is_some_and(stands));
                Ok(PoolLook::Triggers(missing.collect()))
            }
        }
    }

    /// The sides on which the account is known, if the event does not name its pool. A side that
    /// cannot be read counts as not known.
    async fn known(&self, deed: &Deed) -> (BySide<bool>, Option<Fault>) {
        let mut known = BySide::default();
        if matches!(deed.place, Place::Pool(_)) {
            return (known, None);
        }
        let mut unread = None;
        // Both pools are checked, because one may be in another Region than its `userPoolId` says.
        for side in Side::BOTH {
            match self.ledger.is_known(side, &deed.sub).await {
                Ok(is_known) => *known.get_mut(side) = is_known,
                Err(fault) => unread = Some(fault),
            }
        }
        (known, unread)
    }
}

/// The changes that an account event leads to. If the pool is known, there is one. Otherwise there
/// is one hint for each possible pool: a read that finds no account bills no user.
fn changes(deed: &Deed, known: BySide<bool>, nonce: u128) -> Vec<Change> {
    let id = deed.id.unwrap_or(nonce);
    let change = |side: Side, proof| Change {
        side,
        sub: deed.sub.clone(),
        at: deed.at,
        proof,
        password: deed.password,
        administrator: deed.administrator,
        claimed: false,
        // Two changes of one event are two captures.
        id: if side == Side::New { !id } else { id },
    };
    let sure: Vec<Side> = match deed.place {
        Place::Pool(side) => vec![side],
        Place::Unsaid(_) => Side::BOTH.into_iter().filter(|side| *known.get(*side)).collect(),
    };
    if sure.is_empty() {
        return deed.place.sides().map(|side| change(side, Proof::Hint)).collect();
    }
    sure.into_iter().map(|side| change(side, deed.proof)).collect()
}

/// Whether the event must come again.
fn is_lost(told: &HeardLine) -> bool {
    let captured = told.captured.iter().any(|(_, captured)| !captured.survives());
    let unlooked = told.pools.iter().any(|(_, looked)| looked.is_err());
    captured || unlooked || told.swept.iter().any(|(_, wanted)| wanted.is_err())
}

fn figures(told: &HeardLine, hearing: &Hearing) -> TrailFigures {
    let unnamed = matches!(hearing.outcome, Ok(Heard::Sweep { unnamed: true, .. }));
    let unresolved = unnamed || told.refusal.is_some_and(NotHeard::is_unresolved);
    let faulty = told.captured.iter().any(|(_, it)| it.mark.is_err() || it.message.is_err());
    let unreadable = told.refusal.is_some_and(NotHeard::is_failure);
    let captured = !told.captured.is_empty() && !is_lost(told);
    let looks = || told.pools.iter().filter_map(|(_, looked)| looked.as_ref().ok());
    let missing = looks().map(|look| match look {
        PoolLook::Triggers(missing) => missing.len() as u64,
        PoolLook::Restore(_) => 0,
    });
    TrailFigures {
        triggers_missing: missing.sum(),
        restores: looks().filter(|it| matches!(it, PoolLook::Restore(_))).count() as u64,
        captured: u64::from(captured),
        dropped: u64::from(told.refusal.is_some()),
        unresolved: u64::from(unresolved),
        failed: u64::from(faulty || unreadable || is_lost(told)),
    }
}

#[cfg(test)]
mod tests;
