//! `completions`: prints shell completions. Needs no deployment.

use clap::CommandFactory as _;

use super::CommandResult;
use crate::cli::{Cli, CompletionsArgs};
use crate::render;

pub(crate) fn run(arguments: &CompletionsArgs) -> anyhow::Result<CommandResult> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "poolbridge", &mut text);
    render::data(&String::from_utf8_lossy(&text))?;
    Ok(CommandResult::Done)
}
