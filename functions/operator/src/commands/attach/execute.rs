//! Executes a plan: stores a settings backup, writes once, and compares all settings afterwards.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::{
    Administration, NotRead, NotWritten, PoolSettings, Written,
};
use poolbridge_aws::dynamodb::SettingsBackup;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::Side;

use crate::attach_plan::{AttachPlan, needs_backup};
use crate::failure::Failure;

/// After an interruption at any point, the pool is either unchanged or as planned. The backup is
/// stored before the write.
pub(super) async fn execute(
    resources: &BridgeResources,
    administration: &Administration,
    found: &PoolSettings,
    plan: &AttachPlan,
) -> anyhow::Result<()> {
    let side = plan.side;
    let backups = match super::backups(resources, side, administration.id()).await {
        Ok(backups) => backups,
        // Backups that cannot be decrypted count as none.
        Err(error) if super::is_other_key(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    if needs_backup(found, &backups) {
        let backup = SettingsBackup {
            side,
            user_pool_id: administration.id().to_owned(),
            at: resources.clock.now(),
            text: found.dump(),
        };
        let stored = Box::pin(resources.ledger.keep_dump(&backup)).await;
        stored.with_context(|| format!("storing a settings backup of the {side} pool"))?;
    }
    match Box::pin(administration.write(found, &plan.wanted)).await {
        Ok(Written::Stands) => Ok(()),
        Ok(Written::Moved(names)) => Err(changed_meanwhile(side, &names).into()),
        Ok(Written::Wrong(names)) => Err(differs(side, &names).into()),
        Err(error) => Err(not_written(side, error)),
    }
}

fn changed_meanwhile(side: Side, names: &[String]) -> Failure {
    let what = format!(
        "settings of the {side} pool changed meanwhile, so nothing was written: {}",
        names.join(", ")
    );
    Failure::new(what, "run it again when no deployment of that pool is running")
}

fn differs(side: Side, names: &[String]) -> Failure {
    let what = format!(
        "the {side} pool was written, but these settings differ from the plan: {}",
        names.join(", ")
    );
    let hint = format!(
        "compare them with your own template first, because it may have been deployed just now; \
         `poolbridge detach --whole --side {side}` restores every setting from before capture was \
         attached"
    );
    Failure::new(what, hint)
}

fn not_written(side: Side, error: NotWritten) -> anyhow::Error {
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

/// The failure for a write that the service refused, if the refusal is a known one.
fn refusal(side: Side, error: &PortError, about: &[String]) -> Option<Failure> {
    if error.operation != "UpdateUserPool" {
        return None;
    }
    let (what, hint) = match (error.code.as_deref(), error.kind) {
        (Some("ConcurrentModificationException"), _) => (
            "another process is changing the settings of the {side} pool",
            "wait until that deployment has ended, then run it again",
        ),
        (Some("UserImportInProgressException"), _) => (
            "a user import runs in the {side} pool and locks its settings",
            "wait until it has ended, or stop it, then run it again",
        ),
        (_, ErrorKind::WritesPaused) => (
            "the {side} pool accepts no writes: a point-in-time recovery is prepared or runs, or \
             it is a replica",
            "wait until the recovery has ended; for a replica, change the settings of the primary",
        ),
        (_, ErrorKind::Denied) => (
            "these credentials may not change the settings of the {side} pool",
            "grant cognito-idp:UpdateUserPool, and iam:PassRole for the roles that the pool names",
        ),
        (_, ErrorKind::Invalid) => (
            "the {side} pool refuses {about}, and nothing was changed",
            "correct these settings, or set the triggers in the template that deploys the pool: \
             `poolbridge attach --print` prints the lines",
        ),
        _ => return None,
    };
    let about = if about.is_empty() {
        "its current settings, without naming which".to_owned()
    } else {
        format!("these of its current settings: {}", about.join(", "))
    };
    let what = what.replace("{side}", side.name()).replace("{about}", &about);
    Some(Failure::new(what, hint))
}
