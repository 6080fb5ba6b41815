//! What is to become of a pool's triggers: decided from what was read, and nothing done about it.

use std::collections::BTreeMap;

use poolbridge_aws::cognito::settings::{PoolSettings, SlotOwner, UnsupportedSetting};
use poolbridge_config::{Configuration, TriggerSlot, same_function};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::render::moment;

/// What the configuration and the deployment ask of one pool.
#[derive(Clone, Debug)]
pub(crate) struct AttachRequest<'a> {
    /// The pool's side.
    pub(crate) side: Side,
    /// The pool's id.
    pub(crate) pool: &'a str,
    /// The ARN of the capture function beside that pool.
    pub(crate) capture: &'a str,
    /// The slots in which it is to stand.
    pub(crate) slots: Vec<TriggerSlot>,
    /// The team's functions that it calls beside its own work, by slot.
    pub(crate) chained: &'a BTreeMap<TriggerSlot, String>,
}

/// The slots that a configuration asks for: those of the ways by which it wants to notice.
pub(crate) fn slots(configuration: &Configuration) -> Vec<TriggerSlot> {
    let routes = &configuration.routes;
    let asked = |slot: &TriggerSlot| match slot {
        TriggerSlot::PostConfirmation => true,
        TriggerSlot::PreSignUp => configuration.signup_guard,
        TriggerSlot::PostAuthentication => routes.post_authentication,
        TriggerSlot::PreTokenGeneration => routes.pre_token_generation,
        TriggerSlot::CustomMessage => routes.custom_message,
    };
    TriggerSlot::ALL.into_iter().filter(asked).collect()
}

/// A slot that changes hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachStep {
    /// The slot.
    pub(crate) slot: TriggerSlot,
    /// Who holds it; nobody, if none.
    pub(crate) from: Option<String>,
    /// Who is to hold it; nobody, if none.
    pub(crate) to: Option<String>,
    /// The team's function that capture calls from there.
    pub(crate) chained: Option<String>,
}

/// Why a pool is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachRefusal {
    /// A slot holds a function that `bridge.toml` does not name: its work would be lost.
    Foreign {
        /// The slot.
        slot: TriggerSlot,
        /// The function.
        arn: String,
    },
    /// `bridge.toml` names capture itself, which would call itself without an end.
    Itself {
        /// The slot.
        slot: TriggerSlot,
    },
    /// The pool's settings of a slot contradict each other.
    Unclear {
        /// The slot.
        slot: TriggerSlot,
    },
    /// The pool has settings that are newer than this program.
    UnsupportedSetting {
        /// Their names.
        names: Vec<String>,
    },
}

/// What is to be done to one pool.
#[derive(Clone, Debug)]
pub(crate) struct AttachPlan {
    /// The pool's side.
    pub(crate) side: Side,
    /// The pool's id.
    pub(crate) pool: String,
    /// The slots that change hands.
    pub(crate) steps: Vec<AttachStep>,
    /// The slots that are as they shall be.
    pub(crate) kept: Vec<TriggerSlot>,
    /// Other settings that are written back as they were, by name.
    pub(crate) settings: Vec<String>,
    /// Why nothing is done, if so.
    pub(crate) refused: Vec<AttachRefusal>,
    /// What somebody should look at.
    pub(crate) warnings: Vec<String>,
    /// The settings to set.
    pub(crate) wanted: PoolSettings,
}

impl AttachPlan {
    fn new(wishes: &AttachRequest<'_>, found: &PoolSettings) -> Self {
        Self {
            side: wishes.side,
            pool: wishes.pool.to_owned(),
            steps: Vec::new(),
            kept: Vec::new(),
            settings: Vec::new(),
            refused: Vec::new(),
            warnings: Vec::new(),
            wanted: found.clone(),
        }
    }

    /// Whether there is something to do, and nothing against it.
    pub(crate) fn is_due(&self) -> bool {
        self.refused.is_empty() && !(self.steps.is_empty() && self.settings.is_empty())
    }

    /// Refuses what cannot be sent. Where nothing is to be written it does not matter.
    fn sendable(mut self) -> Self {
        if let (true, Err(UnsupportedSetting(names))) =
            (self.is_due(), self.wanted.request(&self.pool))
        {
            self.refused.push(AttachRefusal::UnsupportedSetting { names });
        }
        if self.is_due() && !self.wanted.at_odds().is_empty() {
            self.warnings.push(format!(
                "the {side} pool has {names} set together, which the service allows no more: it may \
                 refuse the whole call, and then nothing is changed",
                side = self.side,
                names = self.wanted.at_odds().join(" and "),
            ));
        }
        self
    }
}

/// The newest moment at which capture held none of the slots: what there was before it came. An
/// interrupted run leaves a dump of the pool as it is with capture in it, which tells nothing of
/// that. `dumps` are of this pool, newest first.
fn before_capture<'a>(
    dumps: &'a [(Time, PoolSettings)],
    slots: &[TriggerSlot],
    wishes: &AttachRequest<'_>,
) -> Option<&'a (Time, PoolSettings)> {
    let ours = |arn: &str| same_function(arn, wishes.capture);
    dumps
        .iter()
        .find(|(_, dump)| slots.iter().all(|slot| !dump.holder(*slot).function().is_some_and(ours)))
}

/// Whether it must be known who held a slot before: capture holds it, and calls nobody there.
pub(crate) fn asks_for_dumps(found: &PoolSettings, wishes: &AttachRequest<'_>) -> bool {
    let ours = |arn: &str| same_function(arn, wishes.capture);
    TriggerSlot::ALL.into_iter().any(|slot| {
        !wishes.chained.contains_key(&slot) && found.holder(slot).function().is_some_and(ours)
    })
}

/// The team's function that stood where capture stands now, and that bridge.toml does not have it
/// call any more. A line that names another function is the team's own choice.
fn stopped(
    slot: TriggerSlot,
    wishes: &AttachRequest<'_>,
    dumps: &[(Time, PoolSettings)],
) -> Option<String> {
    if wishes.chained.contains_key(&slot) {
        return None;
    }
    let (_, before) = before_capture(dumps, &[slot], wishes)?;
    before.holder(slot).function().map(str::to_owned)
}

/// Puts capture into the slots that are asked for. `dumps` are of this pool, newest first, and
/// matter only where [`asks_for_dumps`] says so.
pub(crate) fn attach(
    found: &PoolSettings,
    wishes: &AttachRequest<'_>,
    dumps: &[(Time, PoolSettings)],
) -> AttachPlan {
    let mut plan = AttachPlan::new(wishes, found);
    for slot in TriggerSlot::ALL {
        let wanted = wishes.slots.contains(&slot);
        let holder = found.holder(slot);
        let ours = holder.function().is_some_and(|arn| same_function(arn, wishes.capture));
        if wanted {
            take(&mut plan, slot, holder, wishes);
        }
        let (name, side) = (slot.name(), wishes.side);
        match ours.then(|| stopped(slot, wishes, dumps)) {
            Some(Some(arn)) => plan.warnings.push(format!(
                "{name} of the {side} pool holds capture in the place of {arn}, which bridge.toml \
                 does not name any more: deployed so, nobody calls it; unless it is to be gone, put \
                 `{name} = \"{arn}\"` back under [{side}.triggers] and deploy, or give the slot \
                 back by `poolbridge detach`"
            )),
            Some(None) if !wanted => plan.warnings.push(format!(
                "{name} of the {side} pool holds capture, and bridge.toml does not ask for it any \
                 more; it does no harm, and `poolbridge detach` followed by `attach` gives it back"
            )),
            Some(None) | None => {}
        }
    }
    plan.sendable()
}

fn take(plan: &mut AttachPlan, slot: TriggerSlot, holder: SlotOwner, wishes: &AttachRequest<'_>) {
    let chained = wishes.chained.get(&slot);
    if chained.is_some_and(|arn| same_function(arn, wishes.capture)) {
        plan.refused.push(AttachRefusal::Itself { slot });
        return;
    }
    let from = match holder {
        SlotOwner::Unclear => return plan.refused.push(AttachRefusal::Unclear { slot }),
        SlotOwner::Function(arn) if arn == wishes.capture => return plan.kept.push(slot),
        SlotOwner::Function(arn) if same_function(&arn, wishes.capture) => Some(arn),
        SlotOwner::Function(arn) if chained != Some(&arn) => {
            return plan.refused.push(AttachRefusal::Foreign { slot, arn });
        }
        SlotOwner::Function(arn) => Some(arn),
        SlotOwner::Nobody => None,
    };
    if let (None, Some(chained)) = (&from, chained) {
        plan.warnings.push(format!(
            "[{side}.triggers] names {chained} for {slot}, where nobody stands: capture will call \
             it from now on",
            side = wishes.side,
            slot = slot.name(),
        ));
    }
    plan.wanted = plan.wanted.clone().with_function(slot, wishes.capture);
    let (to, chained) = (Some(wishes.capture.to_owned()), chained.cloned());
    plan.steps.push(AttachStep { slot, from, to, chained });
}

/// Gives back the slots that still hold capture. `dumps` are of this pool, newest first.
pub(crate) fn detach(
    found: &PoolSettings,
    wishes: &AttachRequest<'_>,
    dumps: &[(Time, PoolSettings)],
) -> AttachPlan {
    let mut plan = AttachPlan::new(wishes, found);
    let ours = |arn: &str| same_function(arn, wishes.capture);
    for slot in TriggerSlot::ALL {
        let SlotOwner::Function(from) = found.holder(slot) else { continue };
        if ours(&from) {
            let earlier = before_capture(dumps, &[slot], wishes).map(|(_, dump)| dump);
            let step = AttachStep { slot, from: Some(from), to: None, chained: None };
            give_back(&mut plan, step, earlier, wishes);
        }
    }
    plan.sendable()
}

fn give_back(
    plan: &mut AttachPlan,
    mut step: AttachStep,
    earlier: Option<&PoolSettings>,
    wishes: &AttachRequest<'_>,
) {
    let slot = step.slot;
    let (name, side) = (slot.name(), wishes.side);
    let before = earlier.and_then(|dump| dump.holder(slot).function().map(str::to_owned));
    let ours = |arn: &&String| same_function(arn, wishes.capture);
    let chained = wishes.chained.get(&slot).filter(|arn| !ours(arn)).cloned();
    match (&chained, &before, earlier) {
        (Some(chained), before, Some(_)) if before.as_ref() != Some(chained) => {
            let stood = before.as_deref().unwrap_or("no function");
            plan.warnings.push(format!(
                "before attach {stood} held {name} of the {side} pool; bridge.toml has capture call \
                 {chained} there, so that one takes the slot"
            ));
        }
        (None, Some(before), _) => plan.warnings.push(format!(
            "bridge.toml does not name {before} any more, which held {name} of the {side} pool \
             before attach and gets it back: see that it is still there"
        )),
        (None, None, None) => plan.warnings.push(format!(
            "no dump tells who held {name} of the {side} pool before attach: it is emptied"
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

/// Writes back every setting that can be written as it was before capture came, whoever changed it;
/// `None` if no dump tells that. `dumps` are of this pool, newest first.
pub(crate) fn restore(
    found: &PoolSettings,
    wishes: &AttachRequest<'_>,
    dumps: &[(Time, PoolSettings)],
) -> Option<AttachPlan> {
    let (at, dump) = before_capture(dumps, &TriggerSlot::ALL, wishes)?;
    let mut plan = AttachPlan::new(wishes, found);
    plan.wanted = dump.clone().with_the_rest_of(found);
    plan.settings = found.differences(&plan.wanted);
    let beyond = dump.differences(&plan.wanted);
    if !beyond.is_empty() {
        plan.warnings.push(format!(
            "not to be written back by this command, and other than in the dump of the {side} pool: \
             {names}",
            side = wishes.side,
            names = beyond.join(", "),
        ));
    }
    let may_stay = plan.wanted.may_stay(found);
    if !may_stay.is_empty() {
        plan.warnings.push(format!(
            "set in the {side} pool since the dump, and no value takes them away: they are left \
             out of the call, and may stay as they are: {names}",
            side = wishes.side,
            names = may_stay.join(", "),
        ));
    }
    if plan.wanted.requires_factors() && !found.requires_factors() {
        plan.warnings.push(format!(
            "MfaConfiguration of the {side} pool goes back to ON: the service may refuse the whole \
             call for it, since SetUserPoolMfaConfig alone is sure to turn it on; then nothing is \
             changed",
            side = wishes.side,
        ));
    }
    if !plan.settings.is_empty() {
        plan.warnings.push(format!(
            "the {side} pool goes back to its dump of {at}: what anybody deployed there since then \
             goes too",
            side = wishes.side,
            at = moment(*at),
        ));
    }
    Some(plan.sendable())
}

/// Whether the newest dump does not tell of the pool as it is.
pub(crate) fn needs_dump(found: &PoolSettings, dumps: &[(Time, PoolSettings)]) -> bool {
    dumps.first().is_none_or(|(_, newest)| !found.differences(newest).is_empty())
}
