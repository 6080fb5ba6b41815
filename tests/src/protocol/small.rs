//! The parts of a small world, and its budget of each fault.

use std::collections::VecDeque;
use std::fmt;

use poolbridge_core::control::Phase;
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::Side;

use crate::simulation::parameters::{Act, WorldParameters};
use crate::world::chance::Chooser;

/// An edit that a person makes once, at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptedEdit {
    /// The side.
    pub side: Side,
    /// The kind of edit.
    pub act: Act,
    /// The text attribute, for edits of texts.
    pub text: &'static str,
}

/// How the new pool becomes the active one during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    /// The operator announces it, and switches once every lease and every intent has expired
    /// (`AnnounceThenFlip`).
    Announced,
    /// The operator just switches: the planted bug.
    WithoutWaiting,
}

/// A small world: its beginning, people's edits, and the budget of every fault.
#[derive(Clone, Debug)]
pub struct SmallWorld {
    /// Its name in the output.
    pub name: &'static str,
    /// How the world begins, and its fault injection: the budgets of stale reads and failing calls.
    pub parameters: WorldParameters,
    /// The first values of each account, where the two were never agreed: the simulation's own
    /// numbers (0 the same as the other side, 1 a value of its own, 2 none), side after side.
    pub first_values: Vec<usize>,
    /// Whether there are groups.
    pub groups: bool,
    /// The phase at the beginning.
    pub phase: Phase,
    /// Whether and how the operator may switch, at any moment.
    pub switch: Option<Switch>,
    /// People's edits: each once, in any order and at any moment, or never.
    pub edits: Vec<ScriptedEdit>,
    /// Whether pending change and message exist as soon as the edit is made.
    pub prompt: bool,
    /// Workers at the same time.
    pub workers: usize,
    /// Messages received in total. The rest is processed in one order.
    pub receptions: u32,
    /// Workers that crash.
    pub crashes: u32,
    /// Messages that become visible again while a worker processes them.
    pub repeats: u32,
    /// Messages that are lost.
    pub losses: u32,
    /// How often time runs on while a worker is active.
    pub jumps: u32,
}

impl SmallWorld {
    /// The same world without a rule, or with other rules.
    #[must_use]
    pub fn under(mut self, rules: ProtocolRules) -> Self {
        self.parameters.rules = rules;
        self
    }
}

impl fmt::Display for SmallWorld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits: Vec<String> = self.edits.iter().map(ToString::to_string).collect();
        let Self { name, workers, receptions, .. } = self;
        let at_once = if self.prompt { ", captured at once" } else { "" };
        write!(
            formatter,
            "{name}, {workers} workers, {} edits ({}){at_once}",
            edits.len(),
            edits.join(", ")
        )?;
        let rates = &self.parameters.rates;
        let budgets = [
            ("crash", self.crashes),
            ("stale", rates.stale_max),
            ("failing call", rates.faults_max),
            ("refused write", rates.refusals_max),
            ("lost message", self.losses),
            ("repeated message", self.repeats),
            ("jump", self.jumps),
        ];
        for (what, budget) in budgets.into_iter().filter(|(_, budget)| *budget > 0) {
            write!(formatter, ", {what} {budget}")?;
        }
        if self.phase != Phase::Follow {
            write!(formatter, ", {}", self.phase.name())?;
        }
        match self.switch {
            Some(Switch::Announced) => write!(formatter, ", a switch")?,
            Some(Switch::WithoutWaiting) => write!(formatter, ", a switch that does not wait")?,
            None => {}
        }
        write!(formatter, ", {receptions} receptions")
    }
}

impl fmt::Display for ScriptedEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, act, text } = self;
        let what = match act {
            Act::Text | Act::Word | Act::Blank | Act::Restore => text,
            Act::Address | Act::Verify => "email",
            Act::Phone => "phone",
            Act::Factor => "factor",
            Act::Group | Act::Undo => "group",
            Act::Enabled => "enabled",
            Act::Password => "password",
            Act::SignIn => "sign-in",
            Act::Replace | Act::Delete | Act::Return | Act::Join => "account",
        };
        write!(formatter, "{side}.{what}")
    }
}

/// Answers the questions of a world's beginning and of a person's edit as set, and takes the first
/// option of everything else.
#[derive(Clone, Debug, Default)]
pub struct FixedAnswers {
    answers: Vec<(&'static str, VecDeque<usize>)>,
}

impl FixedAnswers {
    /// Answers that question with these values, one after the other.
    #[must_use]
    pub fn with(mut self, what: &'static str, answers: impl IntoIterator<Item = usize>) -> Self {
        self.answers.push((what, answers.into_iter().collect()));
        self
    }
}

impl Chooser for FixedAnswers {
    fn choose(&mut self, options: usize, what: &'static str) -> usize {
        let fixed = self.answers.iter_mut().find(|(question, _)| *question == what);
        let answer = fixed.and_then(|(_, answers)| answers.pop_front()).unwrap_or(0);
        answer.min(options - 1)
    }
}
