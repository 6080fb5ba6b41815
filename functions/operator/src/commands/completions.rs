//! `completions`: needs no bridge.

use clap::CommandFactory as _;

use super::Outcome;
use crate::cli::{Cli, Completions};
use crate::render;

pub(crate) fn run(arguments: &Completions) -> anyhow::Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "poolbridge", &mut text);
    render::data(&String::from_utf8_lossy(&text))?;
    Ok(Outcome::Done)
}
