//! The benchmark: what one change costs in AWS calls, and what the functions cost in processor time
//! and memory, compared with the targets. Call counts are exact and the same on every machine.
//! Times depend on the machine's load, so no result depends on them.

mod bootstrap;
mod calls;
mod process;
mod report;
mod runtime;
mod scenarios;
mod target;
mod trail;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::deployment::{Deployment, DeploymentKind};
use process::EnvVars;
use report::BenchReport;
use scenarios::Bench;

/// The configured settle time. It is longer than it takes to capture one change of each person. So
/// apply observes a change that it processes at once before the change has settled, as on AWS.
const SETTLE: Duration = Duration::from_secs(3);

/// Lines of each function's log that are shown after a failure.
const LOG_TAIL_LINES: usize = 20;

/// Runs the benchmark. Fails only if it cannot run. It reports a missed target and still succeeds.
pub async fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [trail::ARGUMENT] => trail::run().await,
        [] => reported(false).await,
        ["--json"] => reported(true).await,
        _ => Err(anyhow::anyhow!("unknown arguments\nhint: there is `--json` and nothing else")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn reported(json: bool) -> anyhow::Result<()> {
    let stack = Deployment::start_stack(DeploymentKind::Calls).await?;
    let bridge = Deployment::deploy_changed(stack, DeploymentKind::Calls, |text| {
        let text = text.replace(r#"settle = "200ms""#, &settle());
        format!("{text}\n[capture]\npost_authentication = true\n")
    })
    .await?;
    let report = match measure(&bridge).await {
        Ok(report) => report,
        Err(error) => {
            let words = bridge.log_tails(LOG_TAIL_LINES).await;
            return Err(error.context(words));
        }
    };
    bridge.stop()?;
    let text = if json { report.json() } else { report.text() };
    // A closed standard output is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

async fn measure(bridge: &Deployment) -> anyhow::Result<BenchReport> {
    let environment = environment(bridge)?;
    let bench = Bench::new(bridge, &environment).await?;
    let start = bench.warm_up().await?;
    let scenarios = bench.scenarios().await?;
    let programs = bootstrap::measure(bridge, &environment).await?;
    Ok(BenchReport { start, scenarios, programs })
}

fn settle() -> String {
    format!("settle = \"{}s\"", SETTLE.as_secs())
}

/// The variables of the functions, for processes that Lambda does not start.
fn environment(bridge: &Deployment) -> anyhow::Result<EnvVars> {
    // The folder belongs to a program of the stack, which removes it in every case.
    let folder = bridge.stack.folder().join("ministack").join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("bridge.toml");
    let function = bridge.function("bench", "apply");
    let text = function.configuration.unwrap_or_default();
    ensure!(text.contains(&settle()), "the usual bridge.toml has another `settle` than was known");
    fs::write(&path, text).context("writing bridge.toml")?;
    let variables = function.environment.as_object().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut environment: EnvVars =
        variables.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let services = bridge.stack.environment();
    environment.extend(services.into_iter().map(|(name, value)| (name.to_owned(), value)));
    environment.insert("POOLBRIDGE_CONFIG".to_owned(), path.display().to_string());
    Ok(environment)
}
