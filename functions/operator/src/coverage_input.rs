//! The state of a bridge's routes, and the worst-case delay of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_config::TriggerSlot;
use poolbridge_config::operations::{Detects, OPERATIONS, Operation, PoolEvent};
use poolbridge_core::limits;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use crate::attach_plan::variable;
use crate::wording::span;

/// The longest time without an event of trail before `coverage` warns. Most pools have at least one
/// event a day.
const SILENCE_MAX: Duration = Duration::from_hours(24);

/// Metrics of a pass that show what it could not check, by the names in the sweep's heartbeat.
const GAPS: [(&str, &str); 3] = [
    ("unconcluded", "could not decide which accounts are missing, deleted ones included"),
    ("uncovered", "found accounts that none of its parts covers"),
    ("groups_unread", "could not list every group"),
];

/// A finished pass of the sweep.
#[derive(Clone, Debug)]
pub(crate) struct LastPass {
    /// When it ended.
    pub(crate) ended: Time,
    /// When it began, if the heartbeat holds it.
    pub(crate) began: Option<Time>,
    /// Its metrics.
    pub(crate) metrics: BTreeMap<String, i64>,
}

impl LastPass {
    /// How long it took; zero if its start is not known.
    pub(crate) fn took(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| self.ended.since(began))
    }
}

/// The state of one pool's routes.
#[derive(Clone, Debug)]
pub(crate) struct PoolRoutes {
    /// The slots that hold capture; `None` if capture's ARN is not known.
    pub(crate) attached: Option<BTreeSet<TriggerSlot>>,
    /// When trail last received an event of the pool.
    pub(crate) trail: Option<Time>,
    /// The last pass of the sweep.
    pub(crate) sweep: Option<LastPass>,
}

/// The state of all routes of the bridge.
#[derive(Clone, Debug)]
pub(crate) struct CoverageInput {
    /// The bridge's name.
    pub(crate) name: String,
    /// When it was read.
    pub(crate) at: Time,
    /// The slots that `bridge.toml` asks for.
    pub(crate) wanted: Vec<TriggerSlot>,
    /// How often a pass of the sweep begins; `None`: never.
    pub(crate) every: Option<Duration>,
    /// How long apply waits after a change before it trusts a read.
    pub(crate) settle: Duration,
    /// The routes of each pool.
    pub(crate) pools: BySide<PoolRoutes>,
}

/// The worst-case delay until a change is detected, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorstDelay {
    /// A trigger detects it at once.
    Seconds,
    /// The sweep detects it within this time.
    Within(Duration),
    /// Only trail detects it, and CloudTrail guarantees no delivery.
    Unbounded,
    /// No route detects it.
    Never,
}

/// Every operation of the newest service model, and the requests to pages.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter()
}

/// Whether each call of the sweep's function detects it, because it reads the pools' triggers.
pub(crate) fn is_settings(operation: &Operation) -> bool {
    operation.detects == Detects::Pool(PoolEvent::Settings)
}

impl CoverageInput {
    /// The pools in which the operation's trigger holds capture. capture ignores the events of a
    /// slot that `bridge.toml` does not ask for.
    pub(crate) fn triggered(&self, operation: &Operation) -> Vec<Side> {
        let slot = operation.trigger.filter(|slot| self.wanted.contains(slot));
        let holds_capture = |side: &Side| {
            let attached = self.pools.get(*side).attached.as_ref();
            slot.is_some_and(|slot| attached.is_some_and(|it| it.contains(&slot)))
        };
        Side::BOTH.into_iter().filter(holds_capture).collect()
    }

    /// The pools of which trail has received an event.
    pub(crate) fn trailed(&self) -> Vec<Side> {
        let received = |side: &Side| self.pools.get(*side).trail.is_some();
        Side::BOTH.into_iter().filter(received).collect()
    }

    /// The worst-case delay in the pool where it is longer.
    pub(crate) fn worst_delay(&self, operation: &Operation) -> WorstDelay {
        let delays = Side::BOTH.map(|side| self.worst_delay_in(side, operation));
        delays.into_iter().max().unwrap_or(WorstDelay::Never)
    }

    /// The worst-case delay in one pool. A route bounds it only if it detects the operation
    /// completely, a new password included.
    pub(crate) fn worst_delay_in(&self, side: Side, operation: &Operation) -> WorstDelay {
        if operation.trigger_proves() && self.triggered(operation).contains(&side) {
            return WorstDelay::Seconds;
        }
        if operation.sweep_proves()
            && let Some(within) = self.swept_within(side)
        {
            return WorstDelay::Within(within);
        }
        if let (true, Some(every)) = (is_settings(operation), self.every) {
            return WorstDelay::Within(every.min(limits::SWEEP_CALL_EVERY));
        }
        if operation.trail() && self.pools.get(side).trail.is_some() {
            return WorstDelay::Unbounded;
        }
        WorstDelay::Never
    }

    /// A change right after a pass waits for the start and the end of the next pass, and then for
    /// the settle time. Until a pass has ended there is no bound.
    fn swept_within(&self, side: Side) -> Option<Duration> {
        let pass = self.pools.get(side).sweep.as_ref()?;
        Some(self.every? + pass.took() + self.settle)
    }

    /// What is missing, each with a hint.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for side in Side::BOTH {
            self.check_triggers(side, &mut warnings);
            self.check_trail(side, &mut warnings);
            self.check_sweep(side, &mut warnings);
        }
        if self.every.is_none() {
            warnings.push(
                "the sweep is disabled, so a change without a trigger has no bounded delay; hint: \
                 set `[sweep] enabled = true` in bridge.toml"
                    .to_owned(),
            );
        }
        warnings
    }

    fn check_triggers(&self, side: Side, warnings: &mut Vec<String>) {
        let Some(attached) = &self.pools.get(side).attached else {
            warnings.push(format!(
                "it is not known whether capture is attached to the {side} pool; hint: set {}",
                variable(side)
            ));
            return;
        };
        for slot in self.wanted.iter().filter(|slot| !attached.contains(slot)) {
            warnings.push(format!(
                "{} of the {side} pool does not hold capture; hint: run `poolbridge attach --side \
                 {side}`",
                slot.name()
            ));
        }
    }

    fn check_trail(&self, side: Side, warnings: &mut Vec<String>) {
        match self.pools.get(side).trail {
            None => warnings.push(format!(
                "no CloudTrail event of the {side} pool has arrived yet; hint: create a CloudTrail \
                 trail with management events in that pool's Region and account"
            )),
            Some(last) if self.at.since(last) > SILENCE_MAX => warnings.push(format!(
                "the last CloudTrail event of the {side} pool arrived {} ago; hint: check that its \
                 CloudTrail trail still logs, unless the pool was not used",
                span(self.at.since(last))
            )),
            Some(_) => {}
        }
    }

    fn check_sweep(&self, side: Side, warnings: &mut Vec<String>) {
        let Some(every) = self.every else { return };
        let Some(pass) = &self.pools.get(side).sweep else {
            warnings.push(format!(
                "no pass of the sweep of the {side} pool has ended yet; hint: if this stays so, \
                 read the log of the sweep's function"
            ));
            return;
        };
        for (metric, what) in GAPS {
            if pass.metrics.get(metric).is_some_and(|count| *count > 0) {
                warnings.push(format!(
                    "the last pass of the sweep of the {side} pool {what}; hint: read the log of \
                     the sweep's function, and wait for the next pass"
                ));
            }
        }
        // One pass may be late. Twice the interval means that a pass is missing.
        let since = self.at.since(pass.ended);
        if since > every * 2 + pass.took() {
            warnings.push(format!(
                "the sweep of the {side} pool is overdue: the last pass ended {} ago; hint: read \
                 the log of the sweep's function",
                span(since)
            ));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
