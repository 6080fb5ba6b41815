//! `coverage`: which route detects each operation on this bridge, and the longest delay.

pub(crate) mod input;

#[cfg(test)]
pub(crate) mod tests;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::PoolSettings;
use poolbridge_aws::dynamodb::{DetectionRoute, RouteHeartbeat};
use poolbridge_config::TriggerSlot;
use poolbridge_config::same_function;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};

use self::input::{CoverageInput, LastPass, PoolRoutes};
use super::CommandResult;
use super::attach::capture;
use super::attach::plan::slots;
use super::context::Context;
use crate::render;

/// The figure of a sweep's note that tells when its pass began, in milliseconds since 1970.
const BEGAN: &str = "began";

/// Looks at everything once, and tells.
pub(crate) async fn run(context: &Context, json: bool) -> anyhow::Result<CommandResult> {
    let input = look(&context.resources).await?;
    render::coverage::show(&input, json)?;
    Ok(if input.warnings().is_empty() { CommandResult::Done } else { CommandResult::NotYet })
}

async fn look(resources: &BridgeResources) -> anyhow::Result<CoverageInput> {
    let notes =
        Box::pin(resources.ledger.routes()).await.context("reading when routes were alive")?;
    let configuration = &resources.configuration;
    let mut pools = Vec::new();
    for side in Side::BOTH {
        let administration = resources.administration(side).await;
        let settings = Box::pin(administration.read()).await;
        let settings =
            settings.with_context(|| format!("reading the triggers of the {side} pool"))?;
        pools.push(of_pool(resources, side, &settings, &notes));
    }
    let mut pools = pools.into_iter();
    let (Some(old), Some(new)) = (pools.next(), pools.next()) else {
        anyhow::bail!("reading the triggers of both pools: one is missing");
    };
    Ok(CoverageInput {
        name: configuration.name.clone(),
        at: resources.clock.now(),
        asked: slots(configuration),
        every: configuration.routes.sweep_every,
        settle: configuration.policy.settle,
        pools: BySide { old, new },
    })
}

fn of_pool(
    resources: &BridgeResources,
    side: Side,
    settings: &PoolSettings,
    notes: &[RouteHeartbeat],
) -> PoolRoutes {
    let ours = |capture: &str| {
        let stands = |slot: &TriggerSlot| {
            settings.holder(*slot).function().is_some_and(|arn| same_function(arn, capture))
        };
        TriggerSlot::ALL.into_iter().filter(stands).collect()
    };
    let of = |route| notes.iter().find(|note| note.route == route && note.side == side);
    let sweep = of(DetectionRoute::Sweep).map(|note| {
        let began = note.metrics.get(BEGAN).copied().map(poolbridge_core::time::Time);
        LastPass { ended: note.last, began, metrics: note.metrics.clone() }
    });
    PoolRoutes {
        attached: capture(&resources.environment, side).ok().map(ours),
        trail: of(DetectionRoute::Trail).map(|note| note.last),
        sweep,
    }
}
