//! The trail's own output: one log line and six metrics for each event.

use std::time::Duration;

use poolbridge_core::capture::Captured;
use poolbridge_core::change::Change;
use poolbridge_core::fault::Fault;
use poolbridge_core::restore::Stage;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::Telemetry;
use super::figures::{Figure, line};
use crate::config::TriggerSlot;
use crate::trail::NotHeard;

/// The metrics that the trail publishes.
pub const TRAIL_FIGURES: [&str; 6] = [
    "trail_captured",
    "trail_dropped",
    "trail_unresolved",
    "trail_failed",
    "trail_triggers_missing",
    "trail_restores",
];

/// The metrics of one event of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TrailFigures {
    /// A change was stored, or sent, or both.
    pub captured: u64,
    /// The event led to nothing.
    pub dropped: u64,
    /// The event does not name its account.
    pub unresolved: u64,
    /// A change that should have been stored and sent was not, or only in part.
    pub failed: u64,
    /// Slots in a pool's settings where capture should be attached and is not, after a change of
    /// the settings.
    pub triggers_missing: u64,
    /// A pool is being restored to a point in time, or was deleted.
    pub restores: u64,
}

impl TrailFigures {
    fn figures(self) -> [(&'static str, Figure); 6] {
        let [captured, dropped, unresolved, failed, triggers_missing, restores] = TRAIL_FIGURES;
        [
            (captured, Figure::Count(self.captured)),
            (dropped, Figure::Count(self.dropped)),
            (unresolved, Figure::Count(self.unresolved)),
            (failed, Figure::Count(self.failed)),
            (triggers_missing, Figure::Count(self.triggers_missing)),
            (restores, Figure::Count(self.restores)),
        ]
    }
}

impl Telemetry {
    /// Publishes the metrics of one event of the trail.
    pub fn trail(&self, now: Time, figures: TrailFigures) {
        self.output.write(&line(&self.name, now, &figures.figures()));
    }
}

/// One processed event, for its log line.
#[derive(Clone, Debug, Default)]
pub struct HeardLine {
    /// The operation, as poolbridge's own table names it.
    pub operation: &'static str,
    /// The time between the call and its event, if the event shows the time of the call.
    pub delay: Option<Duration>,
    /// Why the event led to nothing.
    pub refusal: Option<NotHeard>,
    /// Each change and its result.
    pub captured: Vec<(Change, Captured)>,
    /// The sides for which a sweep is requested, and the result of each request.
    pub swept: Vec<(Side, Result<(), Fault>)>,
    /// The pools that were checked because they themselves changed, and the result of each check.
    pub pools: Vec<(Side, Result<PoolLook, Fault>)>,
    /// The account pointers could not be read, so the trail assumed every possible pool.
    pub unread: Option<Fault>,
}

/// The result of checking a pool after an event about the pool itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolLook {
    /// The pool is being restored or was deleted. The control item shows it.
    Restore(Stage),
    /// The slots where capture should be attached and is not.
    Triggers(Vec<TriggerSlot>),
}

/// Writes a line for each pool of an event.
fn looked_at(heard: &HeardLine) {
    for (side, looked) in &heard.pools {
        let (operation, side) = (heard.operation, side.name());
        match looked {
            Ok(PoolLook::Triggers(missing)) if missing.is_empty() => {
                tracing::info!(operation, side, "a pool's settings changed, its triggers stand");
            }
            Ok(PoolLook::Triggers(missing)) => {
                let slots: Vec<&str> = missing.iter().map(|slot| slot.name()).collect();
                tracing::error!(
                    operation,
                    side,
                    slots = %slots.join(" "),
                    "a change of the pool took capture out of its triggers; hint: `poolbridge \
                     attach`, and put the lines of `attach --print` into the pool's own template",
                );
            }
            Ok(PoolLook::Restore(stage)) => tracing::error!(
                operation,
                side,
                stage = stage.name(),
                "a pool is restored or deleted: nothing is written but disables; hint: \
                 `poolbridge status`",
            ),
            Err(fault) => tracing::error!(
                operation,
                side,
                fault = %fault,
                "a change of the pool could not be looked at; hint: the platform tries again",
            ),
        }
    }
}

/// Writes the one wide log line of an event.
pub fn heard(heard: &HeardLine) {
    if !heard.pools.is_empty() {
        return looked_at(heard);
    }
    let faults = |results: &[&Result<(), Fault>]| {
        let faults = results.iter().filter_map(|result| result.as_ref().err());
        let faults: Vec<String> = faults.map(ToString::to_string).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    };
    let captured = &heard.captured;
    let marks = faults(&captured.iter().map(|(_, it)| &it.mark).collect::<Vec<_>>());
    let messages = faults(&captured.iter().map(|(_, it)| &it.message).collect::<Vec<_>>());
    let swept = faults(&heard.swept.iter().map(|(_, it)| it).collect::<Vec<_>>());
    let lost = captured.iter().any(|(_, it)| !it.survives()) || swept.is_some();
    let partly = marks.is_some() || messages.is_some() || heard.unread.is_some();
    let verdict = match (heard.refusal, captured.is_empty()) {
        (Some(_), _) => "dropped",
        (None, _) if lost => "failed",
        (None, true) => "sweep-wanted",
        (None, false) => "captured",
    };
    let sides = captured.iter().map(|(change, _)| change.side);
    let sides = sides.chain(heard.swept.iter().map(|(side, _)| *side));
    let sides: Vec<&str> = sides.map(Side::name).collect();
    let change = captured.first().map(|(change, _)| change);
    macro_rules! write_line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                operation = heard.operation,
                verdict,
                reason = heard.refusal.map(|refusal| refusal.to_string()),
                hint = heard.refusal.map(NotHeard::hint),
                sides = %sides.join(" "),
                change.id = change.map(|change| format!("{:032x}", change.id)),
                change.sub = change.map(|change| change.sub.as_str()),
                change.proof = change.map(|change| change.proof.name()),
                change.password = change.map(|change| change.password),
                delay_seconds = heard.delay.map(|delay| delay.as_secs()),
                mark.fault = marks,
                message.fault = messages,
                sweep.fault = swept,
                find.fault = heard.unread.as_ref().map(ToString::to_string),
                $text,
            )
        };
    }
    match heard.refusal {
        Some(refusal) if refusal.is_failure() => write_line!(error, "an event cannot be read"),
        Some(refusal) if refusal.is_unresolved() => {
            write_line!(warn, "an event names no account, and no sweep can find the account");
        }
        // The `EventBridge` rules pass events of every pool of the account.
        Some(NotHeard::OtherPool) => write_line!(debug, "an event of another pool"),
        Some(_) => write_line!(info, "an event tells nothing that is to be noted"),
        None if lost => write_line!(
            error,
            "not noted; hint: the platform tries again, then keeps it among the failed events"
        ),
        None if partly => write_line!(warn, "noted, but not everywhere it should be"),
        None if captured.is_empty() => {
            write_line!(info, "an event names no account: a sweep is requested");
        }
        None => write_line!(info, "captured"),
    }
}

/// Logs that the trail could not store that it ran.
pub fn route_not_noted(fault: &Fault) {
    tracing::warn!(
        fault = %fault,
        hint = "`poolbridge coverage` may take the trail for silent",
        "the trail's sign of life could not be noted",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_of_metrics_is_closed_and_written_by_name() {
        let figures = TrailFigures {
            captured: 1,
            dropped: 2,
            unresolved: 3,
            failed: 4,
            triggers_missing: 5,
            restores: 6,
        };
        let figures = figures.figures();
        assert_eq!(figures.clone().map(|(name, _)| name), TRAIL_FIGURES);
        let counts = [1, 2, 3, 4, 5, 6].map(Figure::Count);
        assert_eq!(figures.map(|(_, count)| count), counts);
    }
}
