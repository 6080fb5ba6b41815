//! One file for each command: asks the bridge, and hands what it found to `render`.

pub(crate) mod attach;
mod breaker;
mod check;
mod completions;
pub(crate) mod coverage;
mod desk;
mod drain;
mod explain;
mod link;
mod pause;
mod people;
mod resend;
mod restore;
mod retry;
mod status;
mod worker;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use desk::Desk;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// It was done, and what was asked for is not so yet.
    NotYet,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::NotYet => 2,
        })
    }
}

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { json, yes, command } = cli;
    // These two need no deployment.
    if let Command::Check(arguments) = &command {
        return check::run(arguments, json);
    }
    if let Command::Completions(arguments) = &command {
        return completions::run(arguments);
    }
    let desk = Desk::open().await?;
    match command {
        Command::Status(arguments) => Box::pin(status::run(&desk, &arguments, json)).await,
        Command::People(arguments) => Box::pin(people::run(&desk, &arguments, json)).await,
        Command::Explain(arguments) => Box::pin(explain::run(desk, &arguments, json)).await,
        Command::Drain(arguments) => Box::pin(drain::run(&desk, &arguments, yes, json)).await,
        Command::Retry(arguments) => Box::pin(retry::run(desk, &arguments, yes, json)).await,
        Command::Link(arguments) => Box::pin(link::link(desk, &arguments, yes, json)).await,
        Command::Unlink(arguments) => Box::pin(link::unlink(desk, &arguments, yes, json)).await,
        Command::Pause(arguments) => Box::pin(pause::pause(&desk, &arguments, yes, json)).await,
        Command::Resume(arguments) => Box::pin(pause::resume(&desk, &arguments, yes, json)).await,
        Command::Attach(arguments) => Box::pin(attach::attach(desk, &arguments, yes, json)).await,
        Command::Detach(arguments) => Box::pin(attach::detach(desk, &arguments, yes, json)).await,
        Command::Coverage => Box::pin(coverage::run(&desk, json)).await,
        Command::Worker => Box::pin(worker::run(desk)).await,
        Command::Check(arguments) => check::run(&arguments, json),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
