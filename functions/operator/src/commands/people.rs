//! `people`: who is in a state.

use anyhow::Context as _;
use poolbridge_core::ports::Clock as _;

use super::Outcome;
use super::desk::Desk;
use crate::cli;
use crate::render;
use crate::talk;

/// Lists them.
pub(crate) async fn run(
    desk: &Desk,
    arguments: &cli::People,
    json: bool,
) -> anyhow::Result<Outcome> {
    let ledger = &desk.ground.ledger;
    let listed = ledger.people(arguments.state, arguments.limit).await;
    let people = listed.context("listing the people")?;
    render::people::show(&people.people, desk.ground.clock.now(), json)?;
    for (person, fault) in &people.unreadable {
        talk::say(&format!("warning: person {person} cannot be read: {fault}"));
    }
    if people.more {
        talk::say("there are more; hint: raise --limit");
    }
    Ok(Outcome::Done)
}
