//! What is known of a bridge's routes, and what follows from it for each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_config::TriggerSlot;
use poolbridge_config::operations::{Detects, OPERATIONS, Operation, PoolEvent};
use poolbridge_core::limits;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::super::attach::variable;

/// A trail that told nothing for this long is looked at: on most pools somebody does something in a
/// day that it tells of.
const SILENCE_MAX: Duration = Duration::from_hours(24);

/// Figures of a pass that say what it did not see, by the names under which the sweep notes them.
const GAPS: [(&str, &str); 3] = [
    ("unconcluded", "concluded nothing from what it did not find, deletions included"),
    ("uncovered", "met accounts that none of its parts covers"),
    ("groups_unread", "could not list every group"),
];

/// A finished pass of the sweep.
#[derive(Clone, Debug)]
pub(crate) struct LastPass {
    /// When it ended.
    pub(crate) ended: Time,
    /// When it began, where it told.
    pub(crate) began: Option<Time>,
    /// What it counted.
    pub(crate) metrics: BTreeMap<String, i64>,
}

impl LastPass {
    /// How long it took; nothing, where it did not tell when it began.
    pub(crate) fn took(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| self.ended.since(began))
    }
}

/// What is known of one pool.
#[derive(Clone, Debug)]
pub(crate) struct PoolRoutes {
    /// The slots in which capture stands; not known where its ARN is not.
    pub(crate) attached: Option<BTreeSet<TriggerSlot>>,
    /// When the trail last told of something.
    pub(crate) trail: Option<Time>,
    /// The last pass of the sweep.
    pub(crate) sweep: Option<LastPass>,
}

/// What is known of the bridge.
#[derive(Clone, Debug)]
pub(crate) struct CoverageInput {
    /// The bridge's name.
    pub(crate) name: String,
    /// When it was looked at.
    pub(crate) at: Time,
    /// The slots that `bridge.toml` asks for.
    pub(crate) asked: Vec<TriggerSlot>,
    /// How often a pass of the sweep begins; `None`: never.
    pub(crate) every: Option<Duration>,
    /// For how long an account is let alone after a change.
    pub(crate) settle: Duration,
    /// What is known of each pool.
    pub(crate) pools: BySide<PoolRoutes>,
}

/// The longest time until a change is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Late {
    /// By a trigger: with the change itself.
    Seconds,
    /// By the sweep, within this.
    Within(Duration),
    /// By the trail alone, which promises nothing.
    Unbounded,
    /// By nothing.
    Never,
}

/// Every operation of the newest service model, and the requests to pages. What no route is to
/// notice changes nothing that travels.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter()
}

/// Whether the sweep's function notices it at each of its calls: it looks at the pools' triggers.
pub(crate) fn is_settings(operation: &Operation) -> bool {
    operation.detects == Detects::Pool(PoolEvent::Settings)
}

impl CoverageInput {
    /// On which sides capture stands where an operation is seen, and minds it: where `bridge.toml`
    /// does not ask for the slot any more, capture lets its events pass.
    pub(crate) fn triggered(&self, operation: &Operation) -> Vec<Side> {
        let slot = operation.trigger.filter(|slot| self.asked.contains(slot));
        let stands = |side: &Side| {
            let attached = self.pools.get(*side).attached.as_ref();
            slot.is_some_and(|slot| attached.is_some_and(|it| it.contains(&slot)))
        };
        Side::BOTH.into_iter().filter(stands).collect()
    }

    /// On which sides the trail was ever heard from.
    pub(crate) fn trailed(&self) -> Vec<Side> {
        let heard = |side: &Side| self.pools.get(*side).trail.is_some();
        Side::BOTH.into_iter().filter(heard).collect()
    }

    /// How late, on the side where it is later.
    pub(crate) fn late(&self, operation: &Operation) -> Late {
        let late = Side::BOTH.map(|side| self.late_on(side, operation));
        late.into_iter().max().unwrap_or(Late::Never)
    }

    /// How late on one side. Only what proves the deed bounds it, the password included where one
    /// was set.
    pub(crate) fn late_on(&self, side: Side, operation: &Operation) -> Late {
        if operation.trigger_proves() && self.triggered(operation).contains(&side) {
            return Late::Seconds;
        }
        if operation.sweep_proves()
            && let Some(within) = self.swept_within(side)
        {
            return Late::Within(within);
        }
        if let (true, Some(every)) = (is_settings(operation), self.every) {
            return Late::Within(every.min(limits::SWEEP_CALL_EVERY));
        }
        if operation.trail() && self.pools.get(side).trail.is_some() {
            return Late::Unbounded;
        }
        Late::Never
    }

    /// A change just behind a pass waits for the next to begin and to end, and then to settle.
    /// Until a pass has ended there is no bound.
    fn swept_within(&self, side: Side) -> Option<Duration> {
        let pass = self.pools.get(side).sweep.as_ref()?;
        Some(self.every? + pass.took() + self.settle)
    }

    /// What is missing, with what to do about it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for side in Side::BOTH {
            self.of_triggers(side, &mut warnings);
            self.of_trail(side, &mut warnings);
            self.of_sweep(side, &mut warnings);
        }
        if self.every.is_none() {
            warnings.push(
                "the sweep is off, so nothing bounds how late a change without a trigger is \
                 noticed; hint: `[sweep] enabled = true` in bridge.toml"
                    .to_owned(),
            );
        }
        warnings
    }

    fn of_triggers(&self, side: Side, warnings: &mut Vec<String>) {
        let Some(attached) = &self.pools.get(side).attached else {
            warnings.push(format!(
                "whether triggers of the {side} pool are attached is not known; hint: set {}",
                variable(side)
            ));
            return;
        };
        for slot in self.asked.iter().filter(|slot| !attached.contains(slot)) {
            warnings.push(format!(
                "{} of the {side} pool does not hold capture; hint: `poolbridge attach --side \
                 {side}`",
                slot.name()
            ));
        }
    }

    fn of_trail(&self, side: Side, warnings: &mut Vec<String>) {
        match self.pools.get(side).trail {
            None => warnings.push(format!(
                "the trail was never heard of on the {side} pool; hint: a CloudTrail trail with \
                 management events must be logging in that pool's Region and account"
            )),
            Some(last) if self.at.since(last) > SILENCE_MAX => warnings.push(format!(
                "the trail told nothing of the {side} pool for {}; hint: see that its CloudTrail \
                 trail is logging still, unless nobody did anything",
                crate::render::span(self.at.since(last))
            )),
            Some(_) => {}
        }
    }

    fn of_sweep(&self, side: Side, warnings: &mut Vec<String>) {
        let Some(every) = self.every else { return };
        let Some(pass) = &self.pools.get(side).sweep else {
            warnings.push(format!(
                "no sweep of the {side} pool has ended yet; hint: look at the sweep function's log \
                 if that stays so"
            ));
            return;
        };
        for (figure, what) in GAPS {
            if pass.metrics.get(figure).is_some_and(|count| *count > 0) {
                warnings.push(format!(
                    "the last sweep of the {side} pool {what}; hint: look at the sweep function's \
                     log, and wait for the next pass"
                ));
            }
        }
        // One pass may be late; two were not made.
        let since = self.at.since(pass.ended);
        if since > every * 2 + pass.took() {
            warnings.push(format!(
                "the sweep of the {side} pool is overdue: the last one ended {} ago; hint: look at \
                 the sweep function's log",
                crate::render::span(since)
            ));
        }
    }
}
