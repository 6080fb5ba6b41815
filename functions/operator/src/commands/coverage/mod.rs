//! `coverage`: which route detects each operation on this bridge, and the longest delay.

pub(crate) mod facts;

#[cfg(test)]
pub(crate) mod tests;

use anyhow::Context as _;
use poolbridge_aws::cognito::settings::{Settings, same_function};
use poolbridge_aws::config::TriggerSlot;
use poolbridge_aws::dynamodb::{Route, RouteNote};
use poolbridge_aws::wiring::Ground;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};

use self::facts::{Facts, OfPool, Pass};
use super::Outcome;
use super::attach::capture;
use super::attach::plan::slots;
use super::desk::Desk;
use crate::render;

/// The figure of a sweep's note that tells when its pass began, in milliseconds since 1970.
const BEGAN: &str = "began";

/// Looks at everything once, and tells.
pub(crate) async fn run(desk: &Desk, json: bool) -> anyhow::Result<Outcome> {
    let facts = look(&desk.ground).await?;
    render::coverage::show(&facts, json)?;
    Ok(if facts.warnings().is_empty() { Outcome::Done } else { Outcome::NotYet })
}

async fn look(ground: &Ground) -> anyhow::Result<Facts> {
    let notes = Box::pin(ground.ledger.routes()).await.context("reading when routes were alive")?;
    let configuration = &ground.configuration;
    let mut pools = Vec::new();
    for side in Side::BOTH {
        let administration = ground.administration(side).await;
        let settings = Box::pin(administration.read()).await;
        let settings =
            settings.with_context(|| format!("reading the triggers of the {side} pool"))?;
        pools.push(of_pool(ground, side, &settings, &notes));
    }
    let mut pools = pools.into_iter();
    let (Some(old), Some(new)) = (pools.next(), pools.next()) else {
        anyhow::bail!("reading the triggers of both pools: one is missing");
    };
    Ok(Facts {
        name: configuration.name.clone(),
        at: ground.clock.now(),
        asked: slots(configuration),
        every: configuration.routes.sweep_every,
        settle: configuration.policy.settle,
        pools: BySide { old, new },
    })
}

fn of_pool(ground: &Ground, side: Side, settings: &Settings, notes: &[RouteNote]) -> OfPool {
    let ours = |capture: &str| {
        let stands = |slot: &TriggerSlot| {
            settings.holder(*slot).function().is_some_and(|arn| same_function(arn, capture))
        };
        TriggerSlot::ALL.into_iter().filter(stands).collect()
    };
    let of = |route| notes.iter().find(|note| note.route == route && note.side == side);
    let sweep = of(Route::Sweep).map(|note| {
        let began = note.figures.get(BEGAN).copied().map(poolbridge_core::time::Time);
        Pass { ended: note.last, began, figures: note.figures.clone() }
    });
    OfPool {
        attached: capture(&ground.environment, side).ok().map(ours),
        trail: of(Route::Trail).map(|note| note.last),
        sweep,
    }
}
