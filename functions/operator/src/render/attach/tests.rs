//! Plans and results of `attach`, as they are shown.

use std::collections::BTreeMap;

use poolbridge_config::TriggerSlot;
use poolbridge_core::time::Time;
use serde_json::json;

use super::*;
use crate::attach_plan::attach;
use crate::attach_plan::tests::{CAPTURE, WELCOME, pool, request};

fn plans() -> [AttachPlan; 4] {
    let chained = BTreeMap::from([(TriggerSlot::PreSignUp, WELCOME.to_owned())]);
    let slots = [TriggerSlot::PreSignUp, TriggerSlot::PostConfirmation];
    let request = request(&slots, &chained);
    let good = json!({ "PreSignUp": WELCOME, "PostAuthentication": CAPTURE });
    let foreign = json!({ "PostConfirmation": WELCOME });
    let held = json!({ "PreSignUp": CAPTURE, "PostConfirmation": CAPTURE });
    let [good, foreign, done] =
        [&good, &foreign, &held].map(|triggers| attach(&pool(triggers), &request, &[]));
    // capture replaced the team's function, and bridge.toml no longer names it.
    let backups = [(Time(1), pool(&json!({ "PostConfirmation": WELCOME })))];
    let replaced = attach(&pool(&held), &request, &backups);
    [good, foreign, done, replaced]
}

#[test]
fn plans_match_the_golden_file() {
    crate::render::golden("attach-plan", &plan("attach", "acme", &plans()));
}

#[test]
fn results_match_the_golden_files() {
    crate::render::golden("attach", &text(&plans()));
    let value: Vec<Value> = plans().iter().map(value).collect();
    crate::render::golden("attach-json", &format!("{:#}\n", json!({ "pools": value })));
}

#[test]
fn lines_for_a_template_match_the_golden_file() {
    let versioned = json!({
        "PreTokenGenerationConfig": { "LambdaVersion": "V2_0", "LambdaArn": WELCOME },
        "PostConfirmation": WELCOME,
    });
    let found = pool(&versioned);
    let chained = BTreeMap::from([(TriggerSlot::PreTokenGeneration, WELCOME.to_owned())]);
    let slots = [TriggerSlot::PreTokenGeneration, TriggerSlot::PostConfirmation];
    let plan = attach(&found, &request(&slots, &chained), &[]);
    crate::render::golden("attach-print", &(template(&plan, &found, CAPTURE) + TOOLS));
}
