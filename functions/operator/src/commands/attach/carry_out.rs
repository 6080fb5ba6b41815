//! Carries a plan out: a sealed dump first, then one write, and the proof that it did nothing else.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::{
    Administration, NotRead, NotWritten, PoolSettings, Written,
};
use poolbridge_aws::dynamodb::SettingsBackup;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::Side;

use super::plan::{AttachPlan, needs_dump};
use crate::failure::Failure;

/// Interrupted anywhere, the pool is either as it was or as the plan has it, and the dump is there
/// before either can be in doubt.
pub(super) async fn carry_out(
    resources: &BridgeResources,
    administration: &Administration,
    found: &PoolSettings,
    plan: &AttachPlan,
) -> anyhow::Result<()> {
    let side = plan.side;
    let dumps = match super::dumps(resources, side, administration.id()).await {
        Ok(dumps) => dumps,
        // What does not open cannot be gone by, so that it counts as none.
        Err(error) if super::closed(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    if needs_dump(found, &dumps) {
        let dump = SettingsBackup {
            side,
            user_pool_id: administration.id().to_owned(),
            at: resources.clock.now(),
            text: found.dump(),
        };
        let kept = Box::pin(resources.ledger.keep_dump(&dump)).await;
        kept.with_context(|| format!("keeping a dump of the {side} pool's settings"))?;
    }
    match Box::pin(administration.write(found, &plan.wanted)).await {
        Ok(Written::Stands) => Ok(()),
        Ok(Written::Moved(names)) => Err(moved(side, &names).into()),
        Ok(Written::Wrong(names)) => Err(wrong(side, &names).into()),
        Err(error) => Err(explained(side, error)),
    }
}

fn moved(side: Side, names: &[String]) -> Failure {
    let what = format!(
        "settings of the {side} pool changed meanwhile, so nothing was written: {}",
        names.join(", ")
    );
    Failure::new(what, "run it again when no deployment of that pool is running")
}

fn wrong(side: Side, names: &[String]) -> Failure {
    let what = format!(
        "the {side} pool was written, and these of its settings are not as they should be: {}",
        names.join(", ")
    );
    let hint = format!(
        "compare with your own template first, somebody else may have deployed it just now; \
         `poolbridge detach --whole --side {side}` shows, and writes back, every setting as it was \
         before capture came"
    );
    Failure::new(what, hint)
}

fn explained(side: Side, error: NotWritten) -> anyhow::Error {
    let failure = match &error {
        NotWritten::Refused { error, about } => refusal(side, error, about),
        NotWritten::NotRead(NotRead::PortError(error)) => refusal(side, error, &[]),
        NotWritten::NotRead(NotRead::Form) | NotWritten::UnsupportedSetting(_) => None,
    };
    let error = anyhow::Error::from(error);
    match failure {
        Some(failure) => error.context(failure),
        None => error.context(format!("writing the settings of the {side} pool")),
    }
}

/// What the service's refusals of a write come to, and what to do about each.
fn refusal(side: Side, error: &PortError, about: &[String]) -> Option<Failure> {
    if error.operation != "UpdateUserPool" {
        return None;
    }
    let (what, hint) = match (error.code.as_deref(), error.kind) {
        (Some("ConcurrentModificationException"), _) => (
            "another process is changing the settings of the {side} pool",
            "wait until their deployment has ended, then run it again",
        ),
        (Some("UserImportInProgressException"), _) => (
            "a user import is under way in the {side} pool, which keeps its settings locked",
            "wait until it has ended, or stop it, then run it again",
        ),
        (_, ErrorKind::WritesPaused) => (
            "the {side} pool takes no writes: a point-in-time recovery of it is prepared or runs, or \
             it is a replica",
            "wait until the recovery has ended; for a replica, change the settings of the primary",
        ),
        (_, ErrorKind::Denied) => (
            "these credentials may not change the settings of the {side} pool",
            "grant cognito-idp:UpdateUserPool, and iam:PassRole for the roles that the pool names",
        ),
        (_, ErrorKind::Invalid) => (
            "the {side} pool refuses {about}, and nothing was changed",
            "correct the settings that are named, or set the triggers where the pool is deployed \
             from: `poolbridge attach --print` gives the lines",
        ),
        _ => return None,
    };
    let about = if about.is_empty() {
        "its own settings as they stand, without saying which".to_owned()
    } else {
        format!("these of its own settings: {}", about.join(", "))
    };
    let what = what.replace("{side}", side.name()).replace("{about}", &about);
    Some(Failure::new(what, hint))
}
