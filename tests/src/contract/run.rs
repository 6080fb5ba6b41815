//! Runs cases one after the other and reports their results.

use std::time::{Duration, Instant};

use super::Case;

/// The time limit of a case. A case that hangs fails like any other.
const CASE_TIME_MAX: Duration = Duration::from_secs(20);

/// The results of a set of cases.
#[derive(Debug, Default)]
pub struct ContractReport {
    /// How many cases ran.
    pub ran: usize,
    /// The cases that failed, with the reason.
    pub failed: Vec<(String, String)>,
    /// The slowest cases, slowest first.
    pub slowest: Vec<(String, Duration)>,
}

impl ContractReport {
    /// Both reports as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.ran += other.ran;
        self.failed.extend(other.failed);
        self.slowest.extend(other.slowest);
        self.slowest.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        self.slowest.truncate(3);
        self
    }
}

/// Runs the cases whose names contain `filter`, at `fixture`, in order.
pub async fn run<S: Clone + Send + 'static>(
    place: &str,
    fixture: S,
    cases: Vec<Case<S>>,
    filter: &str,
) -> ContractReport {
    let mut report = ContractReport::default();
    for case in cases {
        let name = format!("{place}: {}", case.name);
        if !name.contains(filter) {
            continue;
        }
        let begun = Instant::now();
        // Each case is a task of its own, so that a broken promise ends the case and not the suite.
        let mut task = tokio::spawn((case.run)(fixture.clone()));
        let failure = match tokio::time::timeout(CASE_TIME_MAX, &mut task).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("{error:#}")),
            Ok(Err(panic)) => Some(message(panic)),
            Err(_) => {
                task.abort();
                Some(format!("not done within {CASE_TIME_MAX:?}"))
            }
        };
        let one = ContractReport {
            ran: 1,
            failed: failure.map(|failure| (name.clone(), failure)).into_iter().collect(),
            slowest: vec![(name, begun.elapsed())],
        };
        report = report.and(one);
    }
    report
}

fn message(panic: tokio::task::JoinError) -> String {
    let Ok(panic) = panic.try_into_panic() else { return "it was given up".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "it panicked".to_owned())
}
