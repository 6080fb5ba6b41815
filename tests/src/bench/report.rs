//! The figures, for people and for machines.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

use super::SETTLE;
use super::bootstrap::StartFigures;
use super::calls::{CallCounts, CallKind};
use super::process::TICK_MILLISECONDS;
use super::target::{Scenario, each};

/// All measurements.
pub(super) struct BenchReport {
    /// The calls that apply makes once, at its start.
    pub(super) start: CallCounts,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) programs: StartFigures,
}

impl BenchReport {
    fn missed(&self) -> Vec<String> {
        let scenarios = self.scenarios.iter().flat_map(Scenario::missed);
        scenarios.chain(self.programs.missed()).collect()
    }

    /// Calls of the start's kind while scenarios were counted: none, unless apply read the pools'
    /// settings again or a second function started.
    fn late_starts(&self) -> usize {
        self.scenarios.iter().map(|it| it.apply.of(CallKind::StartTime)).sum()
    }

    pub(super) fn text(&self) -> String {
        let mut parts = vec![self.table()];
        for scenario in &self.scenarios {
            let Scenario { name, changes, capture, apply, outcomes, .. } = scenario;
            let outcomes = outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}"));
            parts.push(format!(
                "{name}\n  outcomes: {}\n  capture:  {} (all within {:.1} s)\n  apply:    {}\n",
                outcomes.collect::<Vec<_>>().join(", "),
                operations(capture, *changes),
                scenario.captured_in.as_secs_f64(),
                operations(apply, *changes),
            ));
        }
        parts.push(format!(
            "A transaction is one table write here, whatever it writes. Messages are received and\n\
             deleted by Lambda itself, and are counted by apply's log. Changes of b, c and e are\n\
             captured as a trail of API calls would; f and g are observed before they are\n\
             settled (settle = {} s).\n",
            SETTLE.as_secs()
        ));
        parts.push(format!(
            "Not in the figures: {} calls of apply's cold start ({}), and {} such calls later \
             on.\n",
            self.start.all(),
            operations(&self.start, 1),
            self.late_starts(),
        ));
        parts.push(format!(
            "{}\nThe kernel reports processor time in steps of {TICK_MILLISECONDS} ms. Starts \
             are medians of\nfive. All times depend on the load of this machine, so they have no \
             target.\n",
            self.programs.lines().join("\n"),
        ));
        parts.push(match self.missed().as_slice() {
            [] => "Every target is met.\n".to_owned(),
            missed => format!("Targets missed: {}\n", missed.join("; ")),
        });
        parts.join("\n")
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["PER CHANGE", "CALLS", "TARGET", ""]);
        for scenario in &self.scenarios {
            table.add_row([scenario.name, "", "", ""]);
            for figure in scenario.metrics() {
                let target = scenario.bound(figure).map(|bound| match bound {
                    0 => "none".to_owned(),
                    bound => format!("<= {bound}"),
                });
                let met = scenario.met(figure).map(|met| if met { "met" } else { "missed" });
                table.add_row([
                    format!("  {}", figure.name()),
                    scenario.each(figure),
                    target.unwrap_or_default(),
                    met.unwrap_or_default().to_owned(),
                ]);
            }
        }
        let lines = table
            .lines()
            .map(|line| line.trim_end().strip_prefix(' ').unwrap_or_default().to_owned() + "\n");
        lines.collect()
    }

    pub(super) fn json(&self) -> String {
        let missed = self.missed();
        let scenarios: Vec<Value> = self.scenarios.iter().map(Scenario::value).collect();
        let value = json!({
            "settle_milliseconds": SETTLE.as_millis(),
            "cold_start": {"apply": self.start.0, "later": self.late_starts()},
            "scenarios": scenarios,
            "programs": self.programs.value(),
            "missed": missed,
        });
        format!("{value:#}\n")
    }
}

/// Every operation with its calls per change.
fn operations(calls: &CallCounts, many: usize) -> String {
    if calls.0.is_empty() {
        return "nothing".to_owned();
    }
    let words = calls.0.iter().map(|(name, count)| format!("{name} {}", each(*count, many)));
    words.collect::<Vec<_>>().join(", ")
}
