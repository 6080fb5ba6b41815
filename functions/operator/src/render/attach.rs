//! The plan of `attach` and `detach`, what came of it, and the lines for the team's own template.
//! Names of settings and functions only, never what else a pool's settings hold.

use std::fmt::Write as _;

use poolbridge_aws::cognito::settings::PoolSettings;
use poolbridge_config::{Environment, TriggerSlot};
use serde_json::{Map, Value, json};

use crate::commands::attach::capture;
use crate::commands::attach::plan::{AttachPlan, AttachRefusal, AttachStep};

const NOTE: &str = "\
Every other setting is written back as it was found, and compared afterwards.
A pool that CloudFormation, CDK or Terraform deploys is set back by its next deployment:
`poolbridge attach --print` gives the lines for its template.";

/// The plan, for whoever is asked.
pub(crate) fn plan(command: &str, name: &str, plans: &[AttachPlan]) -> String {
    let mut words = format!("{command} {name}:");
    for plan in plans {
        let _ = write!(words, "\n{}", of_pool(plan));
    }
    for warning in plans.iter().flat_map(|plan| &plan.warnings) {
        let _ = write!(words, "\nwarning: {warning}");
    }
    if plans.iter().any(AttachPlan::is_due) {
        let _ = write!(words, "\n{NOTE}");
    }
    words
}

fn of_pool(plan: &AttachPlan) -> String {
    let mut words = format!("{} pool {}", plan.side, plan.pool);
    if !plan.refused.is_empty() {
        words.push_str(": refused, and left as it is");
    } else if !plan.is_due() {
        words.push_str(": nothing to do");
    }
    if !plan.refused.is_empty() {
        for refusal in &plan.refused {
            let _ = write!(words, "\n  {}", refused(plan, refusal).replace('\n', "\n  "));
        }
        return words;
    }
    for step in &plan.steps {
        let _ = write!(words, "\n  {:<19} {}", step.slot.name(), change(step));
    }
    for slot in &plan.kept {
        let _ = write!(words, "\n  {:<19} stays with capture", slot.name());
    }
    for name in &plan.settings {
        let _ = write!(words, "\n  {name} is written back");
    }
    words
}

fn change(step: &AttachStep) -> String {
    let holder =
        |holder: &Option<String>| holder.clone().unwrap_or_else(|| "no function".to_owned());
    let mut words = format!("{} -> {}", holder(&step.from), holder(&step.to));
    if let Some(chained) = &step.chained {
        let _ = write!(
            words,
            "\n  {:<19} which calls {chained} beside its own work; the deployed bridge.toml must \
             name it already",
            ""
        );
    }
    words
}

fn refused(plan: &AttachPlan, refusal: &AttachRefusal) -> String {
    match refusal {
        AttachRefusal::Foreign { slot, arn } => format!(
            "{slot} holds {arn}, whose place capture would take; to have capture call it beside \
             its own work, add to bridge.toml:\n  [{side}.triggers]\n  {slot} = \"{arn}\"\nthen \
             deploy and run `poolbridge attach` again",
            slot = slot.name(),
            side = plan.side,
        ),
        AttachRefusal::Itself { slot } => format!(
            "`[{side}.triggers] {slot}` names capture itself, which would call itself; take the \
             line out, deploy and run it again",
            slot = slot.name(),
            side = plan.side,
        ),
        AttachRefusal::Unclear { slot } => format!(
            "its settings name two functions for {slot}, or none that can be read; mend them, then \
             run it again",
            slot = slot.name(),
        ),
        AttachRefusal::UnsupportedSetting { names } => format!(
            "it has settings that this version does not know how to send back: {}\nupgrade \
             poolbridge, or take `poolbridge attach --print` and set the triggers yourself",
            names.join(", "),
        ),
    }
}

/// The slots and settings that a plan changes, for the journal.
pub(crate) fn changes(plan: &AttachPlan) -> String {
    let slots = plan.steps.iter().map(|step| step.slot.name().to_owned());
    slots.chain(plan.settings.iter().cloned()).collect::<Vec<_>>().join(", ")
}

/// What came of it.
pub(crate) fn show(command: &str, plans: &[AttachPlan], json: bool) -> std::io::Result<()> {
    let pools: Vec<Value> = plans.iter().map(value).collect();
    let value = json!({ "command": command, "pools": pools });
    super::show(json, false, &value, &words(plans))
}

fn words(plans: &[AttachPlan]) -> String {
    let line = |plan: &AttachPlan| {
        let came = match (plan.refused.is_empty(), plan.is_due()) {
            (false, _) => "refused".to_owned(),
            (true, false) => "nothing to do".to_owned(),
            (true, true) => format!("done: {}", changes(plan)),
        };
        format!("{}: {came}\n", plan.side)
    };
    plans.iter().map(line).collect()
}

fn value(plan: &AttachPlan) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({ "slot": step.slot.name(), "from": step.from, "to": step.to,
                    "beside": step.chained })
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
                json!({ "reason": "unsendable", "settings": names })
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

/// What the team writes into its own template.
pub(crate) fn fingerprint(
    plans: &[(&AttachPlan, &PoolSettings)],
    environment: &Environment,
    json: bool,
) -> std::io::Result<()> {
    let mut words = String::new();
    let mut value = Map::new();
    for (plan, found) in plans {
        let capture = capture(environment, plan.side).unwrap_or_default();
        words.push_str(&template(plan, found, capture));
        value.insert(plan.side.name().to_owned(), lines(plan, found, capture));
    }
    words.push_str(TOOLS);
    super::show(json, false, &Value::Object(value), &words)
}

const TOOLS: &str = "\
These are members of `LambdaConfig` in CloudFormation and in CDK's CfnUserPool. CDK's UserPool takes
each as addTrigger(UserPoolOperation.POST_CONFIRMATION, Function.fromFunctionArn(...)), Terraform as
post_confirmation and so on in `lambda_config`. Leave every other trigger of the pool as it is.
";

/// The slots in which capture is to stand.
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
    let mut words = format!("# {} pool {}\n", plan.side, plan.pool);
    let lines = lines(plan, found, capture);
    for (name, value) in lines.as_object().into_iter().flatten() {
        if let Some(arn) = value.as_str() {
            let _ = writeln!(words, "{name}: {arn}");
            continue;
        }
        let _ = writeln!(words, "{name}:");
        for (name, value) in value.as_object().into_iter().flatten() {
            let _ = writeln!(words, "  {name}: {}", value.as_str().unwrap_or_default());
        }
    }
    for refusal in &plan.refused {
        match refusal {
            AttachRefusal::Foreign { .. }
            | AttachRefusal::Itself { .. }
            | AttachRefusal::Unclear { .. } => {
                let reported = refused(plan, refusal).replace('\n', "\n# ");
                let _ = writeln!(words, "# first: {reported}");
            }
            AttachRefusal::UnsupportedSetting { .. } => {}
        }
    }
    words.push('\n');
    words
}

#[cfg(test)]
mod tests;
