//! The demonstration: a bridge is deployed to the local stack, people live their lives in two
//! pools, and everything that is claimed is looked up before it is told.

mod narrator;
mod people;
mod story;
mod trouble;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::deployment::{Deployment, Ground};
use narrator::{Narrator, say};

/// The whole story takes a minute; a machine that needs five has another problem than patience.
const LIMIT: Duration = Duration::from_mins(5);

/// Lines of each function's log that are shown when something is not so.
const LAST_WORDS_LINES: usize = 30;

/// Plays the demonstration.
pub async fn run() -> ExitCode {
    let mut narrator = Narrator::new();
    let played = tokio::select! {
        played = play(&mut narrator) => played,
        () = tokio::time::sleep(LIMIT) => Err(anyhow::anyhow!("it took longer than {LIMIT:?}")),
        signal = interrupted() => Err(anyhow::anyhow!("interrupted by {signal}")),
    };
    match played {
        Ok(()) => {
            let (claims, seconds) = (narrator.claims(), narrator.seconds());
            say(&format!("\n{claims} claims, all of them so, in {seconds:.0} seconds."));
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

async fn play(narrator: &mut Narrator) -> anyhow::Result<()> {
    Narrator::chapter("The ground: a local AWS, two user pools, and the bridge between them.");
    let ground = Ground::Cdk;
    let words = "ministack and two user pools of different shapes are up";
    let stack = narrator.claim(words, Deployment::start_stack(ground)).await?;
    let words = "`cdk bootstrap` and `cdk deploy` laid table, queues, functions, alarms";
    let deployment = narrator.claim(words, Deployment::deploy(stack, ground)).await?;
    let told = story::tell(narrator, &deployment).await;
    match told {
        Ok(()) => {
            Narrator::chapter("The end.");
            let words = "everything is stopped and taken away";
            narrator.claim(words, async { deployment.stop() }).await
        }
        Err(error) => {
            say(&deployment.last_words(LAST_WORDS_LINES).await);
            say(&deployment.stack.logs(5));
            Err(error)
        }
    }
}

/// Resolves when somebody wants us to stop. Returning then takes the stack away as usual.
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
        // Without handlers the signals end us at once, and the supervisors take everything away.
        Err(_) => std::future::pending().await,
    }
}
