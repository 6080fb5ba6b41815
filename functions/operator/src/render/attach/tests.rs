//! Plans as they are told.

use std::collections::BTreeMap;

use poolbridge_config::TriggerSlot;
use poolbridge_core::time::Time;
use serde_json::json;

use super::*;
use crate::commands::attach::plan::attach;
use crate::commands::attach::tests::{OURS, THEIRS, pool, wishes};

fn plans() -> [AttachPlan; 4] {
    let chained = BTreeMap::from([(TriggerSlot::PreSignUp, THEIRS.to_owned())]);
    let slots = [TriggerSlot::PreSignUp, TriggerSlot::PostConfirmation];
    let wishes = wishes(&slots, &chained);
    let good = json!({ "PreSignUp": THEIRS, "PostAuthentication": OURS });
    let foreign = json!({ "PostConfirmation": THEIRS });
    let held = json!({ "PreSignUp": OURS, "PostConfirmation": OURS });
    let [good, foreign, done] =
        [&good, &foreign, &held].map(|triggers| attach(&pool(triggers), &wishes, &[]));
    // A pool whose own function stood there, and whose line is gone.
    let dumps = [(Time(1), pool(&json!({ "PostConfirmation": THEIRS })))];
    let stopped = attach(&pool(&held), &wishes, &dumps);
    [good, foreign, done, stopped]
}

#[test]
fn plans_are_told_as_reviewed() {
    super::super::golden("attach-plan", &plan("attach", "acme", &plans()));
}

#[test]
fn what_came_of_them_is_told_as_reviewed() {
    super::super::golden("attach", &words(&plans()));
    let value: Vec<Value> = plans().iter().map(value).collect();
    super::super::golden("attach-json", &format!("{:#}\n", json!({ "pools": value })));
}

#[test]
fn the_lines_for_a_template_are_as_reviewed() {
    let versioned = json!({
        "PreTokenGenerationConfig": { "LambdaVersion": "V2_0", "LambdaArn": THEIRS },
        "PostConfirmation": THEIRS,
    });
    let found = pool(&versioned);
    let chained = BTreeMap::from([(TriggerSlot::PreTokenGeneration, THEIRS.to_owned())]);
    let slots = [TriggerSlot::PreTokenGeneration, TriggerSlot::PostConfirmation];
    let plan = attach(&found, &wishes(&slots, &chained), &[]);
    super::super::golden("attach-print", &(template(&plan, &found, OURS) + TOOLS));
}
