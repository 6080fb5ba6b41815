//! `coverage`: which route detects each operation on this bridge, and the worst-case delay.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::PoolSettings;
use poolbridge_aws::dynamodb::{DetectionRoute, RouteHeartbeat};
use poolbridge_config::TriggerSlot;
use poolbridge_config::same_function;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::CommandResult;
use super::context::Context;
use crate::attach_plan::capture_arn;
use crate::coverage_input::{CoverageInput, LastPass, PoolRoutes};
use crate::render;

/// The metric of a sweep's heartbeat that holds the start of its pass, in milliseconds since 1970.
const BEGAN: &str = "began";

/// Reads the state of all routes once, and shows the result.
pub(crate) async fn run(context: &Context, json: bool) -> anyhow::Result<CommandResult> {
    let input = read(&context.resources).await?;
    render::coverage::show(&input, json)?;
    Ok(if input.warnings().is_empty() { CommandResult::Done } else { CommandResult::NotYet })
}

async fn read(resources: &BridgeResources) -> anyhow::Result<CoverageInput> {
    let heartbeats = Box::pin(resources.ledger.routes())
        .await
        .context("reading when trail and sweep last ran")?;
    let configuration = &resources.configuration;
    let mut pools = Vec::new();
    for side in Side::BOTH {
        let administration = resources.administration(side).await;
        let settings = Box::pin(administration.read()).await;
        let settings =
            settings.with_context(|| format!("reading the triggers of the {side} pool"))?;
        pools.push(pool_routes(resources, side, &settings, &heartbeats));
    }
    let mut pools = pools.into_iter();
    let (Some(old), Some(new)) = (pools.next(), pools.next()) else {
        anyhow::bail!("reading the triggers of both pools: one is missing");
    };
    Ok(CoverageInput {
        name: configuration.name.clone(),
        at: resources.clock.now(),
        wanted: configuration.routes.slots(configuration.signup_guard),
        every: configuration.routes.sweep_every,
        settle: configuration.policy.settle,
        pools: BySide { old, new },
    })
}

fn pool_routes(
    resources: &BridgeResources,
    side: Side,
    settings: &PoolSettings,
    heartbeats: &[RouteHeartbeat],
) -> PoolRoutes {
    let attached = |capture: &str| {
        let holds_capture = |slot: &TriggerSlot| {
            settings.holder(*slot).function().is_some_and(|arn| same_function(arn, capture))
        };
        TriggerSlot::ALL.into_iter().filter(holds_capture).collect()
    };
    let last = |route| heartbeats.iter().find(|it| it.route == route && it.side == side);
    let sweep = last(DetectionRoute::Sweep).map(|it| {
        let began = it.metrics.get(BEGAN).copied().map(Time);
        LastPass { ended: it.last, began, metrics: it.metrics.clone() }
    });
    PoolRoutes {
        attached: capture_arn(&resources.environment, side).ok().map(attached),
        trail: last(DetectionRoute::Trail).map(|it| it.last),
        sweep,
    }
}
