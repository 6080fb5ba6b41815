//! The targets: the figures per change and their bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{CallCounts, CallKind};

/// One figure, counted per change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallFigure {
    CaptureTableWrites,
    CaptureSends,
    CaptureOther,
    Received,
    Deleted,
    PutOff,
    AccountReads,
    PoolReads,
    PoolWrites,
    TableWrites,
    TableReads,
    Other,
}

impl CallFigure {
    pub(super) const ALL: [Self; 12] = [
        Self::CaptureTableWrites,
        Self::CaptureSends,
        Self::CaptureOther,
        Self::Received,
        Self::Deleted,
        Self::PutOff,
        Self::AccountReads,
        Self::PoolReads,
        Self::PoolWrites,
        Self::TableWrites,
        Self::TableReads,
        Self::Other,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CaptureTableWrites => "capture: table writes",
            Self::CaptureSends => "capture: messages sent",
            Self::CaptureOther => "capture: other calls",
            Self::Received => "messages received",
            Self::Deleted => "messages deleted",
            Self::PutOff => "messages put off",
            Self::AccountReads => "apply: account reads",
            Self::PoolReads => "apply: lists and groups",
            Self::PoolWrites => "apply: pool writes",
            Self::TableWrites => "apply: table writes",
            Self::TableReads => "apply: table reads",
            Self::Other => "apply: other calls",
        }
    }
}

/// The kind of a change. It decides which bounds apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetResult {
    /// One field is written to the other pool.
    Effective,
    /// Nothing to do.
    Echo,
    /// More than one field. Only capture's own part has a target.
    Larger,
}

/// The bounds of capture: one pending change, one message, and nothing else, because it runs during
/// a person's sign-in.
const CAPTURE: [(CallFigure, usize); 3] = [
    (CallFigure::CaptureTableWrites, 1),
    (CallFigure::CaptureSends, 1),
    (CallFigure::CaptureOther, 0),
];

/// Claim, store intent, record, clear. apply reads the changed account and the other one once each.
const EFFECTIVE: [(CallFigure, usize); 4] = [
    (CallFigure::Received, 1),
    (CallFigure::AccountReads, 2),
    (CallFigure::PoolWrites, 1),
    (CallFigure::TableWrites, 4),
];

/// apply reads only the changed account and clears the pending change.
const ECHO: [(CallFigure, usize); 3] =
    [(CallFigure::AccountReads, 1), (CallFigure::PoolWrites, 0), (CallFigure::TableWrites, 1)];

/// One kind of change, counted for many people.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) outcome: TargetResult,
    /// How many changes there were.
    pub(super) changes: usize,
    /// Time to capture all of them. What was captured first may be settled after that.
    pub(super) captured_in: Duration,
    /// Calls while the changes were captured and no worker processed them.
    pub(super) capture: CallCounts,
    /// Calls while apply processed them.
    pub(super) apply: CallCounts,
    /// Messages that were received.
    pub(super) received: usize,
    /// Messages that were deleted.
    pub(super) deleted: usize,
    /// How often each outcome occurred.
    pub(super) outcomes: BTreeMap<String, usize>,
}

impl Scenario {
    /// A figure, as the sum over all changes.
    pub(super) fn total(&self, figure: CallFigure) -> usize {
        let (capture, apply) = (&self.capture, &self.apply);
        match figure {
            CallFigure::CaptureTableWrites => capture.of(CallKind::TableWrite),
            CallFigure::CaptureSends => capture.of(CallKind::Sent),
            CallFigure::CaptureOther => {
                capture.all() - capture.of(CallKind::TableWrite) - capture.of(CallKind::Sent)
            }
            CallFigure::Received => self.received,
            CallFigure::Deleted => self.deleted,
            CallFigure::PutOff => apply.of(CallKind::PutOff),
            CallFigure::AccountReads => apply.of(CallKind::AccountRead),
            CallFigure::PoolReads => apply.of(CallKind::PoolRead),
            CallFigure::PoolWrites => apply.of(CallKind::PoolWrite),
            CallFigure::TableWrites => apply.of(CallKind::TableWrite),
            CallFigure::TableReads => apply.of(CallKind::TableRead),
            CallFigure::Other => apply.of(CallKind::Other) + apply.of(CallKind::Sent),
        }
    }

    /// The bound of a figure for one change, if it has a target.
    pub(super) fn bound(&self, figure: CallFigure) -> Option<usize> {
        let rest: &[_] = match self.outcome {
            TargetResult::Effective => &EFFECTIVE,
            TargetResult::Echo => &ECHO,
            TargetResult::Larger => &[],
        };
        // A message that is delivered once more was captured before.
        let capture: &[_] = if self.capture.0.is_empty() { &[] } else { &CAPTURE };
        let mut bounds = capture.iter().chain(rest);
        bounds.find(|(bounded, _)| *bounded == figure).map(|(_, bound)| *bound)
    }

    /// Whether a figure is within its target; `None` without a target.
    pub(super) fn met(&self, figure: CallFigure) -> Option<bool> {
        Some(self.total(figure) <= self.bound(figure)? * self.changes)
    }

    /// A figure for one change, with two decimals.
    pub(super) fn each(&self, figure: CallFigure) -> String {
        each(self.total(figure), self.changes)
    }

    /// The figures to print: those that are not zero and those with a target.
    pub(super) fn metrics(&self) -> impl Iterator<Item = CallFigure> {
        let is_shown =
            move |figure: &CallFigure| self.total(*figure) > 0 || self.bound(*figure).is_some();
        CallFigure::ALL.into_iter().filter(is_shown)
    }

    /// The missed targets, as text.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = CallFigure::ALL.into_iter().filter(|figure| self.met(*figure) == Some(false));
        let words = |figure: CallFigure| {
            let bound = self.bound(figure).unwrap_or_default();
            format!("{}: {} {} (target {bound})", self.name, figure.name(), self.each(figure))
        };
        missed.map(words).collect()
    }

    pub(super) fn value(&self) -> Value {
        let figure = |figure: CallFigure| {
            let value = json!({
                "total": self.total(figure),
                "at_most_each": self.bound(figure),
                "met": self.met(figure),
            });
            (figure.name().to_owned(), value)
        };
        let metrics: serde_json::Map<String, Value> = self.metrics().map(figure).collect();
        json!({
            "name": self.name,
            "changes": self.changes,
            "captured_in_milliseconds": self.captured_in.as_millis(),
            "figures": metrics,
            "operations": {"capture": self.capture.0, "apply": self.apply.0},
            "outcomes": self.outcomes,
        })
    }
}

/// The share of one change, with two decimals if it is not a whole number.
pub(super) fn each(total: usize, many: usize) -> String {
    if many == 0 || total.is_multiple_of(many) {
        return (total / many.max(1)).to_string();
    }
    let hundredths = (total * 100 + many / 2) / many;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(outcome: TargetResult, apply: &[(&str, usize)]) -> Scenario {
        let apply = apply.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Scenario {
            name: "an edit",
            outcome,
            changes: 20,
            captured_in: Duration::ZERO,
            capture: CallCounts::default(),
            apply: CallCounts(apply),
            received: 20,
            deleted: 20,
            outcomes: BTreeMap::new(),
        }
    }

    #[test]
    fn one_call_too_many_among_twenty_changes_misses_the_target() {
        let met = scenario(TargetResult::Effective, &[("AdminGetUser", 40), ("PutItem", 80)]);
        assert!(met.missed().is_empty());
        let missed = scenario(TargetResult::Effective, &[("AdminGetUser", 41), ("PutItem", 80)]);
        assert_eq!(missed.missed(), ["an edit: apply: account reads 2.05 (target 2)"]);
        let echo = scenario(TargetResult::Echo, &[("AdminGetUser", 20), ("AdminDisableUser", 1)]);
        assert_eq!(echo.missed(), ["an edit: apply: pool writes 0.05 (target 0)"]);
        assert_eq!(echo.met(CallFigure::TableReads), None);
    }

    #[test]
    fn any_other_call_of_capture_misses_the_target() {
        let calls = [("UpdateItem", 20), ("SendMessage", 20), ("GetItem", 1)];
        let mut scenario = scenario(TargetResult::Larger, &[]);
        scenario.capture = CallCounts(calls.map(|(name, count)| (name.to_owned(), count)).into());
        assert_eq!(scenario.missed(), ["an edit: capture: other calls 0.05 (target 0)"]);
    }
}
