//! `attach` and `detach`: put capture into the pools' trigger slots, and take it out.

mod execute;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::{Administration, PoolSettings};
use poolbridge_core::error::PortError;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use self::execute::execute;
use super::CommandResult;
use super::context::{Context, journal};
use crate::attach_plan::{self as plan, AttachPlan, AttachRequest, capture_arn};
use crate::cli;
use crate::failure::Failure;
use crate::render::attach as render;
use crate::terminal;

/// One pool: its settings and the plan for them.
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
        let needs_backups =
            !arguments.print && plan::needs_backups(&found, &request(&resources, side)?);
        let (mut earlier, mut unreadable) = (Vec::new(), false);
        if needs_backups {
            resources = resources.unlock().await?;
            match backups(&resources, side, administration.id()).await {
                Ok(backups) => earlier = backups,
                Err(error) if is_other_key(&error) => unreadable = true,
                Err(error) => return Err(error),
            }
        }
        let mut plan = plan::attach(&found, &request(&resources, side)?, &earlier);
        if unreadable {
            plan.warnings.push(format!(
                "the settings backups of the {side} pool cannot be decrypted, so it is not known \
                 whether capture replaced a function that bridge.toml no longer names"
            ));
        }
        works.push(AttachWork { administration, found, plan });
    }
    if arguments.print {
        let chosen: Vec<_> = works.iter().map(|work| (&work.plan, &work.found)).collect();
        render::print(&chosen, &resources.environment, json)?;
        return Ok(CommandResult::Done);
    }
    change(resources, "attach", works, yes, json).await
}

/// Puts the former functions back into the slots; or, with `--whole`, restores every setting.
pub(crate) async fn detach(
    context: Context,
    arguments: &cli::DetachArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = context.resources.unlock().await?;
    let mut works = Vec::new();
    for side in arguments.side.sides() {
        let request = request(&resources, side)?;
        let (administration, found) = read(&resources, side).await?;
        let backups = backups(&resources, side, administration.id()).await?;
        let plan = if arguments.whole {
            let plan = plan::restore(&found, &request, &backups);
            plan.ok_or_else(|| no_backup(side, backups.is_empty()))?
        } else {
            plan::detach(&found, &request, &backups)
        };
        works.push(AttachWork { administration, found, plan });
    }
    change(resources, "detach", works, yes, json).await
}

/// Why `detach --whole` has no settings to restore.
fn no_backup(side: Side, none: bool) -> Failure {
    if none {
        let hint = "attach and detach store a settings backup before they write";
        return Failure::new(format!("there is no settings backup of the {side} pool"), hint);
    }
    let what = format!("capture holds a trigger in every settings backup of the {side} pool");
    let hint = format!(
        "remove capture with `poolbridge detach --side {side}`, and take the other settings from \
         your own template"
    );
    Failure::new(what, hint)
}

/// Shows the plans, asks, executes them, and shows the result.
async fn change(
    mut resources: BridgeResources,
    command: &'static str,
    works: Vec<AttachWork>,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let plans: Vec<AttachPlan> = works.iter().map(|work| work.plan.clone()).collect();
    let refused = plans.iter().any(|plan| !plan.refused.is_empty());
    let shown = render::plan(command, &resources.configuration.name, &plans);
    if plans.iter().any(AttachPlan::is_due) {
        if !terminal::confirm(&shown, yes)? {
            return Ok(CommandResult::Failed);
        }
        // The key encrypts the settings backups. Without a write, none is stored.
        resources = resources.unlock().await?;
    } else {
        terminal::message(&shown);
    }
    let mut done: Vec<Side> = Vec::new();
    let mut result = Ok(());
    for work in works.iter().filter(|work| work.plan.is_due()) {
        result = execute(&resources, &work.administration, &work.found, &work.plan).await;
        if result.is_err() {
            break;
        }
        done.push(work.plan.side);
    }
    if !done.is_empty() {
        let changed = plans.iter().filter(|plan| done.contains(&plan.side));
        let details: Vec<_> =
            changed.map(|plan| (plan.side.name(), render::changes(plan))).collect();
        journal(&resources, command, &details).await;
    }
    // The journal also holds what was done before a failure.
    result?;
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

fn request(resources: &BridgeResources, side: Side) -> anyhow::Result<AttachRequest<'_>> {
    let configuration = &resources.configuration;
    Ok(AttachRequest {
        side,
        pool: &configuration.pools.get(side).user_pool_id,
        capture: capture_arn(&resources.environment, side)?,
        slots: configuration.routes.slots(configuration.signup_guard),
        chained: configuration.routes.chained.get(side),
    })
}

/// The settings backups of that pool, newest first.
async fn backups(
    resources: &BridgeResources,
    side: Side,
    pool: &str,
) -> anyhow::Result<Vec<(Time, PoolSettings)>> {
    let backups = Box::pin(resources.ledger.dumps(side)).await.map_err(|error| {
        let error = anyhow::Error::from(error);
        if !is_other_key(&error) {
            return error;
        }
        let hint = "add the key that encrypted them to the secret, as an older key";
        error.context(Failure::new("the settings backups cannot be decrypted", hint))
    });
    let backups =
        backups.with_context(|| format!("reading the settings backups of the {side} pool"))?;
    let of_pool = backups.into_iter().filter(|backup| backup.user_pool_id == pool);
    of_pool.map(|backup| Ok((backup.at, PoolSettings::of_backup(&backup.text)?))).collect()
}

/// Whether settings backups exist that were encrypted with a key that is not in the secret.
fn is_other_key(error: &anyhow::Error) -> bool {
    let codes =
        error.chain().filter_map(|cause| cause.downcast_ref::<PortError>()?.code.as_deref());
    codes.into_iter().any(|code| matches!(code, "ClosedSeal" | "UnknownKey"))
}
