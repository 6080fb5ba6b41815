//! Decides how the triggers of a pool change. Pure: it reads and writes nothing.

use std::collections::BTreeMap;

use poolbridge_aws::cognito::settings::{PoolSettings, SlotOwner, UnsupportedSetting};
use poolbridge_config::{Environment, TriggerSlot, same_function};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::failure::Failure;
use crate::wording::moment;

/// What the configuration and the deployment ask of one pool.
#[derive(Clone, Debug)]
pub(crate) struct AttachRequest<'a> {
    /// The pool's side.
    pub(crate) side: Side,
    /// The pool's id.
    pub(crate) pool: &'a str,
    /// The ARN of the pool's capture function.
    pub(crate) capture: &'a str,
    /// The slots that capture must hold.
    pub(crate) slots: Vec<TriggerSlot>,
    /// The chained functions, by slot.
    pub(crate) chained: &'a BTreeMap<TriggerSlot, String>,
}

impl AttachRequest<'_> {
    /// Whether that is the pool's capture function, under any alias or version.
    fn is_capture(&self, arn: &str) -> bool {
        same_function(arn, self.capture)
    }
}

/// A slot that gets another function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachStep {
    /// The slot.
    pub(crate) slot: TriggerSlot,
    /// The function before; `None` if the slot is empty.
    pub(crate) from: Option<String>,
    /// The function after; `None` if the slot becomes empty.
    pub(crate) to: Option<String>,
    /// The chained function that capture calls from there.
    pub(crate) chained: Option<String>,
}

/// Why a pool stays unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachRefusal {
    /// A slot holds a function that `bridge.toml` does not name, so nothing would call it.
    Foreign {
        /// The slot.
        slot: TriggerSlot,
        /// The function.
        arn: String,
    },
    /// `bridge.toml` names capture itself, which would call itself without end.
    Itself {
        /// The slot.
        slot: TriggerSlot,
    },
    /// The pool's settings of a slot contradict each other.
    Unclear {
        /// The slot.
        slot: TriggerSlot,
    },
    /// The pool has settings that this version does not know.
    UnsupportedSetting {
        /// Their names.
        names: Vec<String>,
    },
}

/// What changes in one pool.
#[derive(Clone, Debug)]
pub(crate) struct AttachPlan {
    /// The pool's side.
    pub(crate) side: Side,
    /// The pool's id.
    pub(crate) pool: String,
    /// The slots that get another function.
    pub(crate) steps: Vec<AttachStep>,
    /// The slots that hold capture already.
    pub(crate) kept: Vec<TriggerSlot>,
    /// Other settings that are restored, by name.
    pub(crate) settings: Vec<String>,
    /// Why the pool stays unchanged, if so.
    pub(crate) refused: Vec<AttachRefusal>,
    /// What the operator should check.
    pub(crate) warnings: Vec<String>,
    /// The settings to write.
    pub(crate) wanted: PoolSettings,
}

impl AttachPlan {
    fn new(request: &AttachRequest<'_>, found: &PoolSettings) -> Self {
        Self {
            side: request.side,
            pool: request.pool.to_owned(),
            steps: Vec::new(),
            kept: Vec::new(),
            settings: Vec::new(),
            refused: Vec::new(),
            warnings: Vec::new(),
            wanted: found.clone(),
        }
    }

    /// Whether the pool must be written and nothing forbids it.
    pub(crate) fn is_due(&self) -> bool {
        self.refused.is_empty() && !(self.steps.is_empty() && self.settings.is_empty())
    }

    /// Refuses settings that cannot be sent. They do not matter if nothing is written.
    fn checked(mut self) -> Self {
        if let (true, Err(UnsupportedSetting(names))) =
            (self.is_due(), self.wanted.request(&self.pool))
        {
            self.refused.push(AttachRefusal::UnsupportedSetting { names });
        }
        if self.is_due() && !self.wanted.at_odds().is_empty() {
            self.warnings.push(format!(
                "the {side} pool has {names} set together, which Cognito no longer allows: it may \
                 refuse the whole call, and then nothing is changed",
                side = self.side,
                names = self.wanted.at_odds().join(" and "),
            ));
        }
        self
    }
}

/// The newest backup in which capture holds none of the slots: the settings from before capture.
/// An interrupted run leaves a backup with capture in it, which does not show them. `backups` are
/// of this pool, newest first.
fn before_capture<'a>(
    backups: &'a [(Time, PoolSettings)],
    slots: &[TriggerSlot],
    request: &AttachRequest<'_>,
) -> Option<&'a (Time, PoolSettings)> {
    let holds_capture = |backup: &PoolSettings, slot: TriggerSlot| {
        backup.holder(slot).function().is_some_and(|arn| request.is_capture(arn))
    };
    backups.iter().find(|(_, backup)| !slots.iter().any(|slot| holds_capture(backup, *slot)))
}

/// Whether the plan needs the former owner of a slot: capture holds it and calls no chained
/// function there.
pub(crate) fn needs_backups(found: &PoolSettings, request: &AttachRequest<'_>) -> bool {
    TriggerSlot::ALL.into_iter().any(|slot| {
        !request.chained.contains_key(&slot)
            && found.holder(slot).function().is_some_and(|arn| request.is_capture(arn))
    })
}

/// The function that capture replaced in the slot and that bridge.toml no longer names. If
/// bridge.toml names another function, the team has chosen that one.
fn replaced(
    slot: TriggerSlot,
    request: &AttachRequest<'_>,
    backups: &[(Time, PoolSettings)],
) -> Option<String> {
    if request.chained.contains_key(&slot) {
        return None;
    }
    let (_, before) = before_capture(backups, &[slot], request)?;
    before.holder(slot).function().map(str::to_owned)
}

/// Puts capture into the slots of the request. `backups` are of this pool, newest first, and matter
/// only if [`needs_backups`] says so.
pub(crate) fn attach(
    found: &PoolSettings,
    request: &AttachRequest<'_>,
    backups: &[(Time, PoolSettings)],
) -> AttachPlan {
    let mut plan = AttachPlan::new(request, found);
    for slot in TriggerSlot::ALL {
        let wanted = request.slots.contains(&slot);
        let owner = found.holder(slot);
        let is_attached = owner.function().is_some_and(|arn| request.is_capture(arn));
        if wanted {
            take(&mut plan, slot, owner, request);
        }
        let (name, side) = (slot.name(), request.side);
        match is_attached.then(|| replaced(slot, request, backups)) {
            Some(Some(arn)) => plan.warnings.push(format!(
                "in {name} of the {side} pool, capture replaced {arn}, which bridge.toml no longer \
                 names: nothing calls it once this bridge.toml is deployed. To keep it, put \
                 `{name} = \"{arn}\"` back under [{side}.triggers] and deploy, or run `poolbridge \
                 detach`"
            )),
            Some(None) if !wanted => plan.warnings.push(format!(
                "{name} of the {side} pool holds capture, but bridge.toml does not ask for it; it \
                 does no harm. To remove it, run `poolbridge detach` and then `poolbridge attach`"
            )),
            Some(None) | None => {}
        }
    }
    plan.checked()
}

fn take(plan: &mut AttachPlan, slot: TriggerSlot, owner: SlotOwner, request: &AttachRequest<'_>) {
    let chained = request.chained.get(&slot);
    if chained.is_some_and(|arn| request.is_capture(arn)) {
        plan.refused.push(AttachRefusal::Itself { slot });
        return;
    }
    let from = match owner {
        SlotOwner::Unclear => return plan.refused.push(AttachRefusal::Unclear { slot }),
        SlotOwner::Function(arn) if arn == request.capture => return plan.kept.push(slot),
        SlotOwner::Function(arn) if request.is_capture(&arn) => Some(arn),
        SlotOwner::Function(arn) if chained != Some(&arn) => {
            return plan.refused.push(AttachRefusal::Foreign { slot, arn });
        }
        SlotOwner::Function(arn) => Some(arn),
        SlotOwner::Empty => None,
    };
    if let (None, Some(chained)) = (&from, chained) {
        plan.warnings.push(format!(
            "[{side}.triggers] names {chained} for {slot}, which is empty: capture will call that \
             function from now on",
            side = request.side,
            slot = slot.name(),
        ));
    }
    plan.wanted = plan.wanted.clone().with_function(slot, request.capture);
    let (to, chained) = (Some(request.capture.to_owned()), chained.cloned());
    plan.steps.push(AttachStep { slot, from, to, chained });
}

/// Removes capture from the slots that hold it. `backups` are of this pool, newest first.
pub(crate) fn detach(
    found: &PoolSettings,
    request: &AttachRequest<'_>,
    backups: &[(Time, PoolSettings)],
) -> AttachPlan {
    let mut plan = AttachPlan::new(request, found);
    for slot in TriggerSlot::ALL {
        let SlotOwner::Function(from) = found.holder(slot) else { continue };
        if request.is_capture(&from) {
            let earlier = before_capture(backups, &[slot], request).map(|(_, backup)| backup);
            let step = AttachStep { slot, from: Some(from), to: None, chained: None };
            give_back(&mut plan, step, earlier, request);
        }
    }
    plan.checked()
}

fn give_back(
    plan: &mut AttachPlan,
    mut step: AttachStep,
    earlier: Option<&PoolSettings>,
    request: &AttachRequest<'_>,
) {
    let slot = step.slot;
    let (name, side) = (slot.name(), request.side);
    let before = earlier.and_then(|backup| backup.holder(slot).function().map(str::to_owned));
    let chained = request.chained.get(&slot).filter(|arn| !request.is_capture(arn)).cloned();
    match (&chained, &before, earlier) {
        (Some(chained), before, Some(_)) if before.as_ref() != Some(chained) => {
            let former = before.as_deref().unwrap_or("no function");
            plan.warnings.push(format!(
                "{name} of the {side} pool held {former} before attach; it gets {chained} now, \
                 because bridge.toml names it there"
            ));
        }
        (None, Some(before), _) => plan.warnings.push(format!(
            "{name} of the {side} pool gets {before} back, which it held before attach and which \
             bridge.toml no longer names: check that this function still exists"
        )),
        (None, None, None) => plan.warnings.push(format!(
            "no settings backup shows the function that {name} of the {side} pool held before \
             attach: the trigger is cleared"
        )),
        _ => {}
    }
    step.to = chained.or_else(|| before.clone());
    let wanted = plan.wanted.clone();
    plan.wanted = match (earlier, &step.to) {
        (Some(earlier), to) if *to == before => {
            wanted.with_slot_of(slot, earlier).without_empty_triggers_unless(earlier)
        }
        (_, Some(arn)) => wanted.with_function(slot, arn),
        (_, None) => wanted.without_function(slot),
    };
    plan.steps.push(step);
}

/// Restores every setting that can be written, from the newest backup without capture; `None` if
/// there is no such backup. `backups` are of this pool, newest first.
pub(crate) fn restore(
    found: &PoolSettings,
    request: &AttachRequest<'_>,
    backups: &[(Time, PoolSettings)],
) -> Option<AttachPlan> {
    let (at, backup) = before_capture(backups, &TriggerSlot::ALL, request)?;
    let side = request.side;
    let mut plan = AttachPlan::new(request, found);
    plan.wanted = backup.clone().with_the_rest_of(found);
    plan.settings = found.differences(&plan.wanted);
    let other = backup.differences(&plan.wanted);
    if !other.is_empty() {
        plan.warnings.push(format!(
            "these settings of the {side} pool differ from the backup, and this command cannot \
             restore them: {}",
            other.join(", "),
        ));
    }
    let may_stay = plan.wanted.may_stay(found);
    if !may_stay.is_empty() {
        plan.warnings.push(format!(
            "these settings of the {side} pool are newer than the backup. No value removes them, \
             so they may stay as they are: {}",
            may_stay.join(", "),
        ));
    }
    if plan.wanted.requires_factors() && !found.requires_factors() {
        plan.warnings.push(format!(
            "MfaConfiguration of the {side} pool goes back to ON: Cognito may refuse the whole \
             call, because only SetUserPoolMfaConfig always turns it on; then nothing is changed"
        ));
    }
    if !plan.settings.is_empty() {
        plan.warnings.push(format!(
            "the {side} pool goes back to its settings backup of {}: this reverts everything that \
             was deployed there since",
            moment(*at),
        ));
    }
    Some(plan.checked())
}

/// Whether the pool differs from the newest backup, or there is none.
pub(crate) fn needs_backup(found: &PoolSettings, backups: &[(Time, PoolSettings)]) -> bool {
    backups.first().is_none_or(|(_, newest)| !found.differences(newest).is_empty())
}

/// The ARN of the capture function of a pool, from the stack's outputs.
pub(crate) fn capture_arn(environment: &Environment, side: Side) -> Result<&str, Failure> {
    let variable = variable(side);
    let hint = "set it from the stack's outputs; a pool in another Region or account has a capture \
                stack of its own";
    let found = environment.capture.get(side).as_deref();
    let arn = found.ok_or_else(|| Failure::new(format!("{variable} is not set"), hint))?;
    let parts: Vec<&str> = arn.split(':').collect();
    let is_function = matches!(
        parts.as_slice(),
        ["arn", _, "lambda", _, _, "function", name, ..] if !name.is_empty()
    );
    if !is_function {
        return Err(Failure::new(format!("{variable} is not the ARN of a function"), hint));
    }
    Ok(arn)
}

/// The variable with the ARN of the capture function of a pool.
pub(crate) const fn variable(side: Side) -> &'static str {
    match side {
        Side::Old => "POOLBRIDGE_CAPTURE_OLD",
        Side::New => "POOLBRIDGE_CAPTURE_NEW",
    }
}

#[cfg(test)]
pub(crate) mod tests;
