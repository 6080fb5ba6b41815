//! The contract: the same cases on the fakes and on the local stack's services.
//!
//! With an argument, it runs the cases whose names contain it. It prints its results itself, so
//! that the output always shows which cases ran where. So it uses no test harness.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test prints what it did")]

use std::process::ExitCode;
use std::time::Instant;

use poolbridge_tests::contract::difference::StackDifference;
use poolbridge_tests::contract::run::ContractReport;
use poolbridge_tests::contract::{fakes, services};

#[tokio::main]
async fn main() -> ExitCode {
    // An argument that is no name, such as `--minimal`, is meant for the harness of other suites.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let filter = filter.unwrap_or_default();
    let outcome = match services::endpoint() {
        Some(endpoint) => Box::pin(on_the_services(endpoint, &filter)).await,
        None => on_both(&filter).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("contract: {error:#}");
        ExitCode::FAILURE
    })
}

async fn on_both(filter: &str) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let report = fakes::every(filter).await;
    if report.ran == 0 {
        // The argument was meant for another suite that runs together with this one.
        println!("contract: no case has {filter} in its name");
        return Ok(ExitCode::SUCCESS);
    }
    let good = reported("fakes", &report, begun);
    let status = services::run_again_on_the_stack(filter).await?;
    println!("contract: {:.1} s in all", begun.elapsed().as_secs_f32());
    Ok(ExitCode::from(u8::from(!good || !status.success())))
}

async fn on_the_services(endpoint: String, filter: &str) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let (report, pool_behaviour) = Box::pin(services::every(endpoint, filter)).await?;
    let good = reported("services of the local stack", &report, begun);
    let met = pool_behaviour.met();
    println!("contract: {} named differences from AWS were met and asserted", met.len());
    let unmet = StackDifference::ALL.into_iter().filter(|difference| !met.contains(difference));
    let unmet: Vec<StackDifference> = unmet.filter(|_| filter.is_empty()).collect();
    for difference in &unmet {
        eprintln!("contract: no case met the difference {difference}");
    }
    Ok(ExitCode::from(u8::from(!good || !unmet.is_empty())))
}

/// Prints the results of the cases. Returns whether all passed.
fn reported(place: &str, report: &ContractReport, begun: Instant) -> bool {
    let (ran, failed) = (report.ran, report.failed.len());
    let took = begun.elapsed().as_secs_f32();
    println!("contract: {ran} cases on the {place}, {failed} failed, {took:.1} s");
    for (name, reason) in &report.failed {
        println!("  FAILED {name}\n    {}", reason.replace('\n', "\n    "));
    }
    for (name, took) in report.slowest.iter().filter(|(_, took)| took.as_secs() > 2) {
        println!("  slow: {name}, {:.1} s", took.as_secs_f32());
    }
    ran > 0 && failed == 0
}
