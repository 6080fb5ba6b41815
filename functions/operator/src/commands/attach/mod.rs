//! `attach` and `detach`: who stands in the pools' trigger slots.

mod carry_out;
pub(crate) mod plan;

#[cfg(test)]
pub(crate) mod tests;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::{Administration, PoolSettings};
use poolbridge_config::Environment;
use poolbridge_core::error::PortError;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use self::carry_out::carry_out;
use self::plan::{AttachPlan, AttachRequest, slots};
use super::CommandResult;
use super::context::{Context, note};
use crate::cli;
use crate::failure::Failure;
use crate::render::attach as render;
use crate::terminal;

/// One pool, as it was found, and what is to become of it.
struct AttachWork {
    administration: Administration,
    found: PoolSettings,
    plan: AttachPlan,
}

/// Puts capture into the slots that `bridge.toml` asks for.
pub(crate) async fn attach(
    context: Context,
    arguments: &cli::AttachArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let mut resources = context.resources;
    let mut works = Vec::new();
    for side in arguments.side.sides() {
        let (administration, found) = read(&resources, side).await?;
        let asks =
            !arguments.fingerprint && plan::asks_for_dumps(&found, &wishes(&resources, side)?);
        let (mut earlier, mut closed_dumps) = (Vec::new(), false);
        if asks {
            resources = resources.unlock().await?;
            match dumps(&resources, side, administration.id()).await {
                Ok(dumps) => earlier = dumps,
                Err(error) if closed(&error) => closed_dumps = true,
                Err(error) => return Err(error),
            }
        }
        let mut plan = plan::attach(&found, &wishes(&resources, side)?, &earlier);
        if closed_dumps {
            plan.warnings.push(format!(
                "the dumps of the {side} pool's settings do not open, so that nothing tells whether \
                 capture stands in the place of a function that bridge.toml does not name any more"
            ));
        }
        works.push(AttachWork { administration, found, plan });
    }
    if arguments.fingerprint {
        let chosen: Vec<_> = works.iter().map(|work| (&work.plan, &work.found)).collect();
        render::fingerprint(&chosen, &resources.environment, json)?;
        return Ok(CommandResult::Done);
    }
    change(resources, "attach", works, yes, json).await
}

/// Gives the slots back to whoever held them; or, with `--whole`, every setting.
pub(crate) async fn detach(
    context: Context,
    arguments: &cli::DetachArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = context.resources.unlock().await?;
    let mut works = Vec::new();
    for side in arguments.side.sides() {
        let wishes = wishes(&resources, side)?;
        let (administration, found) = read(&resources, side).await?;
        let dumps = dumps(&resources, side, administration.id()).await?;
        let plan = if arguments.whole {
            let plan = plan::restore(&found, &wishes, &dumps);
            plan.ok_or_else(|| nothing_before(side, dumps.is_empty()))?
        } else {
            plan::detach(&found, &wishes, &dumps)
        };
        works.push(AttachWork { administration, found, plan });
    }
    change(resources, "detach", works, yes, json).await
}

/// Why there is nothing to go back to, as a whole.
fn nothing_before(side: Side, none: bool) -> Failure {
    if none {
        let hint = "a dump is made whenever attach or detach is about to write";
        return Failure::new(format!("there is no dump of the {side} pool"), hint);
    }
    let what = format!("capture holds a slot in every dump of the {side} pool");
    let hint = format!(
        "give the slots back by `poolbridge detach --side {side}`, and take the other settings from \
         your own template"
    );
    Failure::new(what, hint)
}

/// Shows the plans, asks, carries them out, notes and tells what came of it.
async fn change(
    resources: BridgeResources,
    command: &'static str,
    works: Vec<AttachWork>,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let plans: Vec<AttachPlan> = works.iter().map(|work| work.plan.clone()).collect();
    let refused = plans.iter().any(|plan| !plan.refused.is_empty());
    let shown = render::plan(command, &resources.configuration.name, &plans);
    if plans.iter().any(AttachPlan::is_due) {
        if !terminal::baseline(&shown, yes)? {
            return Ok(CommandResult::Failed);
        }
    } else {
        terminal::say(&shown);
    }
    // The key seals the dumps; where nothing is written none is needed.
    let resources =
        if plans.iter().any(AttachPlan::is_due) { resources.unlock().await? } else { resources };
    let mut done: Vec<Side> = Vec::new();
    let mut command_result = Ok(());
    for work in works.iter().filter(|work| work.plan.is_due()) {
        command_result = carry_out(&resources, &work.administration, &work.found, &work.plan).await;
        if command_result.is_err() {
            break;
        }
        done.push(work.plan.side);
    }
    if !done.is_empty() {
        let changed = plans.iter().filter(|plan| done.contains(&plan.side));
        let details: Vec<_> =
            changed.map(|plan| (plan.side.name(), render::changes(plan))).collect();
        note(&resources, command, &details).await;
    }
    // What was done before a fault was done, and is journalled.
    command_result?;
    render::show(command, &plans, json)?;
    Ok(if refused { CommandResult::NotYet } else { CommandResult::Done })
}

async fn read(
    resources: &BridgeResources,
    side: Side,
) -> anyhow::Result<(Administration, PoolSettings)> {
    let administration = resources.administration(side).await;
    let found = Box::pin(administration.read()).await;
    let found = found.with_context(|| format!("reading the settings of the {side} pool"))?;
    Ok((administration, found))
}

fn wishes(resources: &BridgeResources, side: Side) -> anyhow::Result<AttachRequest<'_>> {
    let configuration = &resources.configuration;
    Ok(AttachRequest {
        side,
        pool: &configuration.pools.get(side).user_pool_id,
        capture: capture(&resources.environment, side)?,
        slots: slots(configuration),
        chained: configuration.routes.chained.get(side),
    })
}

/// The ARN of the capture function beside a pool, as the stack's outputs tell it.
pub(crate) fn capture(environment: &Environment, side: Side) -> Result<&str, Failure> {
    let variable = variable(side);
    let hint = "set it as the stack's outputs tell it; a pool in another Region or account has a \
                capture stack of its own";
    let found = environment.capture.get(side).as_deref();
    let arn = found.ok_or_else(|| Failure::new(format!("{variable} is not set"), hint))?;
    let parts: Vec<&str> = arn.split(':').collect();
    if !matches!(parts.as_slice(), ["arn", _, "lambda", _, _, "function", name, ..] if !name.is_empty())
    {
        return Err(Failure::new(format!("{variable} is not a function's ARN"), hint));
    }
    Ok(arn)
}

/// The variable that names the capture function beside a pool.
pub(crate) const fn variable(side: Side) -> &'static str {
    match side {
        Side::Old => "POOLBRIDGE_CAPTURE_OLD",
        Side::New => "POOLBRIDGE_CAPTURE_NEW",
    }
}

/// The dumps of that very pool, newest first.
async fn dumps(
    resources: &BridgeResources,
    side: Side,
    pool: &str,
) -> anyhow::Result<Vec<(Time, PoolSettings)>> {
    let dumps = Box::pin(resources.ledger.dumps(side)).await.map_err(|error| {
        let error = anyhow::Error::from(error);
        if !closed(&error) {
            return error;
        }
        let hint = "put the key that they were sealed with back into the secret, as an older one";
        error.context(Failure::new("the dumps of the pool's settings do not open", hint))
    });
    let dumps = dumps.with_context(|| format!("reading the dumps of the {side} pool"))?;
    let ours = dumps.into_iter().filter(|dump| dump.user_pool_id == pool);
    ours.map(|dump| Ok((dump.at, PoolSettings::of_backup(&dump.text)?))).collect()
}

/// Whether dumps are there, but sealed with a key that the secret does not hold any more.
fn closed(error: &anyhow::Error) -> bool {
    let codes =
        error.chain().filter_map(|cause| cause.downcast_ref::<PortError>()?.code.as_deref());
    codes.into_iter().any(|code| matches!(code, "ClosedSeal" | "UnknownKey"))
}
