//! `people`: lists the people in one state.

use anyhow::Context as _;
use poolbridge_core::ports::Clock as _;

use super::CommandResult;
use super::context::Context;
use crate::cli;
use crate::render;
use crate::terminal;

/// Lists them.
pub(crate) async fn run(
    context: &Context,
    arguments: &cli::PeopleArgs,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ledger = &context.resources.ledger;
    let listed = ledger.people(arguments.state, arguments.limit).await;
    let people = listed.context("listing the people")?;
    render::people::show(&people.people, context.resources.clock.now(), json)?;
    for (person, error) in &people.unreadable {
        terminal::message(&format!("warning: person record {person} cannot be read: {error}"));
    }
    if people.more {
        terminal::message("there are more people in this state; hint: raise --limit");
    }
    Ok(CommandResult::Done)
}
