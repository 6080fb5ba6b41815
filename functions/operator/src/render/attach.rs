//! The plan and the result of `attach` and `detach`, and the lines for the team's own template.
//! Shows names of settings and functions, and no other value of a setting.

use std::fmt::Write as _;

use poolbridge_aws::cognito::settings::PoolSettings;
use poolbridge_config::{Environment, TriggerSlot};
use serde_json::{Map, Value, json};

use crate::attach_plan::capture_arn;
use crate::attach_plan::{AttachPlan, AttachRefusal, AttachStep};

const NOTE: &str = "\
Every other setting is written back unchanged, and compared afterwards.
If CloudFormation, CDK or Terraform deploys a pool, its next deployment reverts this change:
add the lines of `poolbridge attach --print` to its template.";

/// The plan, before the question.
pub(crate) fn plan(command: &str, name: &str, plans: &[AttachPlan]) -> String {
    let mut text = format!("{command} {name}:");
    for plan in plans {
        let _ = write!(text, "\n{}", pool_plan(plan));
    }
    for warning in plans.iter().flat_map(|plan| &plan.warnings) {
        let _ = write!(text, "\nwarning: {warning}");
    }
    if plans.iter().any(AttachPlan::is_due) {
        let _ = write!(text, "\n{NOTE}");
    }
    text
}

fn pool_plan(plan: &AttachPlan) -> String {
    let mut text = format!("{} pool {}", plan.side, plan.pool);
    if !plan.refused.is_empty() {
        text.push_str(": refused, stays unchanged");
    } else if !plan.is_due() {
        text.push_str(": nothing to do");
    }
    if !plan.refused.is_empty() {
        for refusal in &plan.refused {
            let _ = write!(text, "\n  {}", refused(plan, refusal).replace('\n', "\n  "));
        }
        return text;
    }
    for step in &plan.steps {
        let _ = write!(text, "\n  {:<19} {}", step.slot.name(), change(step));
    }
    for slot in &plan.kept {
        let _ = write!(text, "\n  {:<19} holds capture already", slot.name());
    }
    for name in &plan.settings {
        let _ = write!(text, "\n  {name} is written back");
    }
    text
}

fn change(step: &AttachStep) -> String {
    let owner = |arn: &Option<String>| arn.clone().unwrap_or_else(|| "no function".to_owned());
    let mut text = format!("{} -> {}", owner(&step.from), owner(&step.to));
    if let Some(chained) = &step.chained {
        let _ = write!(
            text,
            "\n  {:<19} capture calls {chained}; the deployed bridge.toml must name it already",
            ""
        );
    }
    text
}

fn refused(plan: &AttachPlan, refusal: &AttachRefusal) -> String {
    match refusal {
        AttachRefusal::Foreign { slot, arn } => format!(
            "{slot} holds {arn}, which capture would replace. To make capture call it, add to \
             bridge.toml:\n  [{side}.triggers]\n  {slot} = \"{arn}\"\nthen deploy and run \
             `poolbridge attach` again",
            slot = slot.name(),
            side = plan.side,
        ),
        AttachRefusal::Itself { slot } => format!(
            "`[{side}.triggers] {slot}` names capture, which would call itself: remove the line, \
             deploy and run the command again",
            slot = slot.name(),
            side = plan.side,
        ),
        AttachRefusal::Unclear { slot } => format!(
            "its settings name two functions for {slot}, or an unreadable one: correct them, then \
             run the command again",
            slot = slot.name(),
        ),
        AttachRefusal::UnsupportedSetting { names } => format!(
            "this version does not know these settings: {}\nupgrade poolbridge, or set the \
             triggers yourself with the lines of `poolbridge attach --print`",
            names.join(", "),
        ),
    }
}

/// The slots and settings that a plan changes, for the journal.
pub(crate) fn changes(plan: &AttachPlan) -> String {
    let slots = plan.steps.iter().map(|step| step.slot.name().to_owned());
    slots.chain(plan.settings.iter().cloned()).collect::<Vec<_>>().join(", ")
}

/// Writes the result.
pub(crate) fn show(command: &str, plans: &[AttachPlan], json: bool) -> std::io::Result<()> {
    let pools: Vec<Value> = plans.iter().map(value).collect();
    let value = json!({ "command": command, "pools": pools });
    super::show(json, false, &value, &text(plans))
}

fn text(plans: &[AttachPlan]) -> String {
    let line = |plan: &AttachPlan| {
        let result = match (plan.refused.is_empty(), plan.is_due()) {
            (false, _) => "refused".to_owned(),
            (true, false) => "nothing to do".to_owned(),
            (true, true) => format!("done: {}", changes(plan)),
        };
        format!("{}: {result}\n", plan.side)
    };
    plans.iter().map(line).collect()
}

fn value(plan: &AttachPlan) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({ "slot": step.slot.name(), "from": step.from, "to": step.to,
                    "chained": step.chained })
        })
        .collect();
    let kept: Vec<&str> = plan.kept.iter().map(|slot| slot.name()).collect();
    let refused: Vec<Value> = plan
        .refused
        .iter()
        .map(|refusal| match refusal {
            AttachRefusal::Foreign { slot, arn } => {
                json!({ "reason": "foreign", "slot": slot.name(), "function": arn })
            }
            AttachRefusal::Itself { slot } => json!({ "reason": "itself", "slot": slot.name() }),
            AttachRefusal::Unclear { slot } => json!({ "reason": "unclear", "slot": slot.name() }),
            AttachRefusal::UnsupportedSetting { names } => {
                json!({ "reason": "unsupported-setting", "settings": names })
            }
        })
        .collect();
    json!({
        "side": plan.side.name(),
        "pool": plan.pool,
        "done": plan.is_due(),
        "steps": steps,
        "kept": kept,
        "settings": plan.settings,
        "refused": refused,
        "warnings": plan.warnings,
    })
}

/// Writes the lines for the team's own template.
pub(crate) fn print(
    plans: &[(&AttachPlan, &PoolSettings)],
    environment: &Environment,
    json: bool,
) -> std::io::Result<()> {
    let mut text = String::new();
    let mut value = Map::new();
    for (plan, found) in plans {
        let capture = capture_arn(environment, plan.side).unwrap_or_default();
        text.push_str(&template(plan, found, capture));
        value.insert(plan.side.name().to_owned(), lines(plan, found, capture));
    }
    text.push_str(TOOLS);
    super::show(json, false, &Value::Object(value), &text)
}

const TOOLS: &str = "\
These are members of `LambdaConfig` in CloudFormation and in CDK's CfnUserPool. CDK's UserPool takes
each as addTrigger(UserPoolOperation.POST_CONFIRMATION, Function.fromFunctionArn(...)), Terraform as
post_confirmation and so on in `lambda_config`. Leave every other trigger of the pool as it is.
";

/// The slots that capture must hold.
fn slots(plan: &AttachPlan) -> Vec<TriggerSlot> {
    let refused = plan.refused.iter().filter_map(|refusal| match refusal {
        AttachRefusal::Foreign { slot, .. }
        | AttachRefusal::Itself { slot }
        | AttachRefusal::Unclear { slot } => Some(*slot),
        AttachRefusal::UnsupportedSetting { .. } => None,
    });
    let steps = plan.steps.iter().map(|step| step.slot);
    let mut slots: Vec<_> = steps.chain(plan.kept.iter().copied()).chain(refused).collect();
    slots.sort();
    slots
}

fn lines(plan: &AttachPlan, found: &PoolSettings, capture: &str) -> Value {
    let line = |slot: TriggerSlot| match found.token_event_version() {
        Some(version) if slot == TriggerSlot::PreTokenGeneration => {
            let config = json!({ "LambdaVersion": version, "LambdaArn": capture });
            ("PreTokenGenerationConfig".to_owned(), config)
        }
        _ => (slot.name().to_owned(), json!(capture)),
    };
    slots(plan).into_iter().map(line).collect()
}

fn template(plan: &AttachPlan, found: &PoolSettings, capture: &str) -> String {
    let mut text = format!("# {} pool {}\n", plan.side, plan.pool);
    let lines = lines(plan, found, capture);
    for (name, value) in lines.as_object().into_iter().flatten() {
        if let Some(arn) = value.as_str() {
            let _ = writeln!(text, "{name}: {arn}");
            continue;
        }
        let _ = writeln!(text, "{name}:");
        for (name, value) in value.as_object().into_iter().flatten() {
            let _ = writeln!(text, "  {name}: {}", value.as_str().unwrap_or_default());
        }
    }
    for refusal in &plan.refused {
        match refusal {
            AttachRefusal::Foreign { .. }
            | AttachRefusal::Itself { .. }
            | AttachRefusal::Unclear { .. } => {
                let comment = refused(plan, refusal).replace('\n', "\n# ");
                let _ = writeln!(text, "# first: {comment}");
            }
            AttachRefusal::UnsupportedSetting { .. } => {}
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
