//! Exploration: every run of a small world, depth first, each state once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use super::initial_world::InitialWorld;
use super::small::SmallWorld;
use crate::world::chance::DepthFirst;
use crate::world::trace::Trace;
use crate::world::watch::Violation;

/// No small world has this many states; one that has more is too large for a suite.
pub const STATES_MAX: usize = 1_000_000;

/// The result of an exploration.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// The world's name and bounds.
    pub world: String,
    /// Different states.
    pub states: u64,
    /// Choices that were taken.
    pub choices: u64,
    /// Runs that ended, in different states.
    pub ends: u64,
    /// The most choices in one run.
    pub depth: usize,
    /// Ends with an edit in a gap that Cognito leaves, by gap. An end may have several.
    pub gaps: BTreeMap<&'static str, u64>,
    /// Ends with an edit in any gap.
    pub gapped: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether every state was seen.
    pub whole: bool,
    /// The first violation, if there is one.
    pub found: Option<BrokenPromise>,
}

/// A broken promise and the choices that lead to it.
#[derive(Clone, Debug)]
pub struct BrokenPromise {
    /// What was broken.
    pub violation: Violation,
    /// The choices.
    pub path: Vec<usize>,
    /// The trace of the run.
    pub trace: Vec<String>,
}

impl fmt::Display for Explored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { world, states, choices, ends, depth, gaps, gapped, took, .. } = self;
        let seconds = took.as_secs_f64();
        write!(formatter, "protocol: {world}: {states} states, {choices} choices, {ends} ends")?;
        if *gapped > 0 {
            let gaps: Vec<String> =
                gaps.iter().map(|(gap, ends)| format!("{ends} {gap}")).collect();
            write!(formatter, " ({gapped} with a gap: {})", gaps.join(", "))?;
        }
        write!(formatter, ", at most {depth} choices deep, {seconds:.1} s")
    }
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.violation)?;
        writeln!(formatter, "choices: {:?}", self.path)?;
        for line in &self.trace {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

/// Explores a small world to its last state, or to the first violation.
pub fn explore(small: &SmallWorld) -> Explored {
    let began = Instant::now();
    let mut explored = Explored { world: small.to_string(), ..Explored::default() };
    let mut seen: HashSet<u128> = HashSet::new();
    let initial_world = InitialWorld::new(small, Trace::default());
    let mut next = Some(Vec::new());
    while let Some(prefix) = next {
        let replayed = prefix.len();
        let mut run = initial_world.run(&prefix, true);
        run.go(&mut |key| seen.insert(key));
        let answered = run.answered();
        // The last choice of a prefix is the one that was not tried yet.
        explored.choices += (answered.len() - replayed + usize::from(replayed > 0)) as u64;
        explored.depth = explored.depth.max(answered.len());
        explored.ends += u64::from(run.ended.is_some());
        explored.gapped += u64::from(!run.gaps.is_empty());
        for gap in &run.gaps {
            *explored.gaps.entry(gap.name()).or_default() += 1;
        }
        if let Some(violation) = run.violation {
            let path: Vec<usize> = answered.iter().map(|answer| answer.taken).collect();
            let trace = replay(small, &path, true);
            explored.found = Some(BrokenPromise { violation, path, trace });
            break;
        }
        if seen.len() > STATES_MAX {
            break;
        }
        next = DepthFirst::next_prefix(&answered);
        explored.whole = next.is_none();
    }
    explored.states = seen.len() as u64;
    explored.took = began.elapsed();
    explored
}

/// Runs the world of those choices again, as a `reduced` or a complete search made them, and
/// returns its trace.
pub fn replay(small: &SmallWorld, path: &[usize], reduced: bool) -> Vec<String> {
    let mut run = InitialWorld::new(small, Trace::recording()).run(path, reduced);
    run.go(&mut |_| true);
    run.trace_lines()
}

/// What a search saw.
#[derive(Debug, Default)]
pub struct SearchStats {
    /// Every state.
    pub states: HashSet<u128>,
    /// The states in which runs ended, and the choices that led there.
    pub ends: BTreeMap<u128, Vec<usize>>,
    /// The promises that were broken. A run ends with the first.
    pub broken: BTreeSet<&'static str>,
    /// The number of runs.
    pub runs: u64,
}

/// Searches a world to its last state, whatever breaks in it. With `pruned`, a run ends at a state
/// that was seen before. With `reduced`, the search tries only the moves that make a difference.
pub fn search(small: &SmallWorld, pruned: bool, reduced: bool) -> SearchStats {
    let mut seen = SearchStats::default();
    let initial_world = InitialWorld::new(small, Trace::default());
    let mut next = Some(Vec::new());
    while let Some(prefix) = next {
        let mut run = initial_world.run(&prefix, reduced);
        run.go(&mut |key| seen.states.insert(key) || !pruned);
        if let Some(end) = run.ended {
            let path = || run.answered().iter().map(|answer| answer.taken).collect();
            seen.ends.entry(end).or_insert_with(path);
        }
        seen.broken.extend(run.violation.as_ref().map(|violation| violation.promise));
        seen.runs += 1;
        next = DepthFirst::next_prefix(&run.answered());
    }
    seen
}
