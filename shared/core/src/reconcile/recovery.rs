//! Whether a person can set a new password in a pool. Only then may their password be closed there
//! (invariant 12).

use crate::account::{PoolSchema, Status};
use crate::mapping;
use crate::plan::{Observation, Plan};
use crate::profile::{Factor, Field};
use crate::side::{BySide, Side};
use crate::step::Action;

/// Whether the person of the account in `side` can set a new password there, after `plan` is done.
/// The account is confirmed, and the pool sends the code for a forgotten password to a verified
/// address that no second factor uses. Cognito sends none to the channel of an active factor ("the
/// setting `AccountRecoverySetting`": SMS does not qualify with SMS as factor, e-mail not with
/// e-mail).
pub(super) fn can_set_a_new_one(
    side: Side,
    observations: &BySide<Observation>,
    schema: &PoolSchema,
    plan: &Plan,
) -> bool {
    // The permanent password that closes a temporary one also confirms the account.
    let status = observations.get(side).account.status;
    let confirmed = matches!(status, Status::Confirmed | Status::ForceChangePassword);
    let ways = [(Field::Email, Factor::Email), (Field::Phone, Factor::Sms)];
    confirmed && ways.iter().any(|way| reaches(side, observations, schema, plan, way))
}

fn reaches(
    side: Side,
    observations: &BySide<Observation>,
    schema: &PoolSchema,
    plan: &Plan,
    (field, factor): &(Field, Factor),
) -> bool {
    // An address that this plan writes brings the flag of its source.
    let written = plan.writes.get(field).is_some_and(|intended| intended.side == side);
    let source = observations.get(if written { side.other() } else { side });
    let Some(flag) = mapping::verified_flag(field) else { return false };
    let Some(attribute) = flag.as_str().strip_suffix("_verified") else { return false };
    let held = source
        .account
        .attributes
        .iter()
        .any(|(name, value)| name.as_str() == attribute && !value.is_empty());
    let allowed = schema
        .recovery
        .as_ref()
        .is_none_or(|ways| ways.iter().any(|name| name.as_str() == attribute));
    allowed
        && held
        && mapping::verified(&source.account, field)
        && free(side, observations, plan, *factor)
}

/// Whether the channel is not used by a second factor of the account, now or after this plan.
/// Unread factors count as used.
fn free(side: Side, observations: &BySide<Observation>, plan: &Plan, factor: Factor) -> bool {
    let switched_on = plan.steps.iter().any(|step| match &step.action {
        Action::SetFactors(factors) => step.side == side && factors.get(&factor) == Some(&true),
        Action::Disable
        | Action::Enable
        | Action::SetAttributes { .. }
        | Action::AddToGroup(_)
        | Action::RemoveFromGroup(_)
        | Action::SetRandomPassword
        | Action::SignOut
        | Action::Delete => false,
    });
    let factors = observations.get(side).account.factors.as_ref();
    !switched_on && factors.is_some_and(|factors| !factors.contains(&factor))
}
