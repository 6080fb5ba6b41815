//! One file for each command. It reads the bridge and passes the result to `render`.

pub(crate) mod attach;
mod breaker;
mod check;
mod completions;
pub(crate) mod coverage;
mod context;
mod drain;
mod explain;
mod hint;
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
use context::Context;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandResult {
    /// Done.
    Done,
    /// It failed, or the operator answered no.
    Failed,
    /// The command ran, but its goal is not reached yet or was refused.
    NotYet,
}

impl From<CommandResult> for ExitCode {
    fn from(result: CommandResult) -> Self {
        Self::from(match result {
            CommandResult::Done => 0,
            CommandResult::Failed => 1,
            CommandResult::NotYet => 2,
        })
    }
}

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<CommandResult> {
    let Cli { json, yes, command } = cli;
    // These two need no deployment.
    if let Command::Check(arguments) = &command {
        return check::run(arguments, json);
    }
    if let Command::Completions(arguments) = &command {
        return completions::run(arguments);
    }
    let context = Context::open().await?;
    match command {
        Command::Status(arguments) => Box::pin(status::run(&context, &arguments, json)).await,
        Command::People(arguments) => Box::pin(people::run(&context, &arguments, json)).await,
        Command::Explain(arguments) => Box::pin(explain::run(context, &arguments, json)).await,
        Command::Drain(arguments) => Box::pin(drain::run(&context, &arguments, yes, json)).await,
        Command::Retry(arguments) => Box::pin(retry::run(context, &arguments, yes, json)).await,
        Command::Link(arguments) => Box::pin(link::link(context, &arguments, yes, json)).await,
        Command::Unlink(arguments) => Box::pin(link::unlink(context, &arguments, yes, json)).await,
        Command::Pause(arguments) => Box::pin(pause::pause(&context, &arguments, yes, json)).await,
        Command::Resume(arguments) => {
            Box::pin(pause::resume(&context, &arguments, yes, json)).await
        }
        Command::Attach(arguments) => {
            Box::pin(attach::attach(context, &arguments, yes, json)).await
        }
        Command::Detach(arguments) => {
            Box::pin(attach::detach(context, &arguments, yes, json)).await
        }
        Command::Coverage => Box::pin(coverage::run(&context, json)).await,
        Command::Worker => Box::pin(worker::run(context)).await,
        Command::Check(arguments) => check::run(&arguments, json),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
