//! The demo: it deploys a bridge to the local stack and lets people use both pools. It checks each
//! claim before it prints it.

mod narrator;
mod people;
mod story;
mod problems;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::deployment::{Deployment, DeploymentKind};
use narrator::{Narrator, say};

/// The whole demo takes a minute. A machine that needs five has a fault.
const LIMIT: Duration = Duration::from_mins(5);

/// Lines of each function's log that are shown after a failure.
const LOG_TAIL_LINES: usize = 30;

/// Runs the demo.
pub async fn run() -> ExitCode {
    let mut narrator = Narrator::new();
    let result = tokio::select! {
        result = run_demo(&mut narrator) => result,
        () = tokio::time::sleep(LIMIT) => Err(anyhow::anyhow!("it took longer than {LIMIT:?}")),
        signal = interrupted() => Err(anyhow::anyhow!("interrupted by {signal}")),
    };
    match result {
        Ok(()) => {
            let (claims, seconds) = (narrator.claims(), narrator.seconds());
            say(&format!("\n{claims} claims, all confirmed, in {seconds:.0} seconds."));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("\nThe demonstration failed after {:.0} seconds.", narrator.seconds()));
            for cause in error.chain() {
                say(&format!("  {cause}"));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run_demo(narrator: &mut Narrator) -> anyhow::Result<()> {
    Narrator::heading("The setup: a local AWS, two user pools, and the bridge between them.");
    let resources = DeploymentKind::Cdk;
    let words = "ministack and two user pools of different shapes are up";
    let stack = narrator.claim(words, Deployment::start_stack(resources)).await?;
    let words = "`cdk bootstrap` and `cdk deploy` created table, queues, functions, alarms";
    let deployment = narrator.claim(words, Deployment::deploy(stack, resources)).await?;
    let ended = story::run(narrator, &deployment).await;
    match ended {
        Ok(()) => {
            Narrator::heading("The end.");
            let words = "everything is stopped and removed";
            narrator.claim(words, async { deployment.stop() }).await
        }
        Err(error) => {
            say(&deployment.log_tails(LOG_TAIL_LINES).await);
            say(&deployment.stack.logs(5));
            Err(error)
        }
    }
}

/// Resolves on a signal to stop. The caller then returns, which removes the stack as usual.
async fn interrupted() -> &'static str {
    let wait = async |kind, name| -> anyhow::Result<&'static str> {
        signal(kind).context(name)?.recv().await;
        Ok(name)
    };
    let first = tokio::select! {
        name = wait(SignalKind::interrupt(), "Ctrl-C") => name,
        name = wait(SignalKind::terminate(), "a request to end") => name,
        name = wait(SignalKind::hangup(), "the terminal's end") => name,
    };
    match first {
        Ok(name) => name,
        // Without handlers the signals end the process at once, and the supervisors remove
        // everything.
        Err(_) => std::future::pending().await,
    }
}
