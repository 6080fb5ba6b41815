//! `check`: shows what `bridge.toml` declares, or every mistake in it. Needs no deployment and
//! calls no AWS service.

use poolbridge_config::{self as config, Configuration};

use super::CommandResult;
use crate::cli::CheckArgs;
use crate::render;

/// Reads the file and shows what it declares.
pub(crate) fn run(arguments: &CheckArgs, json: bool) -> anyhow::Result<CommandResult> {
    let path = arguments.config.clone().unwrap_or_else(config::path);
    let configuration = Configuration::read(&path)?;
    render::check::show(&configuration, json)?;
    Ok(CommandResult::Done)
}
