//! What is noticed by which route.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use poolbridge_config::TriggerSlot;
use poolbridge_config::operations::Operation;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::{ago, moment, span};
use crate::commands::coverage::input::{CoverageInput, Late, PoolRoutes, is_settings, operations};

/// Writes it.
pub(crate) fn show(input: &CoverageInput, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(input), &words(input))
}

fn value(input: &CoverageInput) -> Value {
    let operations: Vec<Value> = operations().map(|it| of_operation(input, it)).collect();
    json!({
        "name": input.name,
        "at": moment(input.at),
        "operations": operations,
        "old": of_pool(&input.pools.old),
        "new": of_pool(&input.pools.new),
        "sweep_every_seconds": input.every.map(|every| every.as_secs()),
        "warnings": input.warnings(),
    })
}

fn of_operation(input: &CoverageInput, operation: &Operation) -> Value {
    let names = |sides: Vec<Side>| sides.into_iter().map(Side::name).collect::<Vec<_>>();
    let trailed = if operation.trail() { names(input.trailed()) } else { Vec::new() };
    let late = input.late(operation);
    let seconds = match late {
        Late::Seconds => Some(0),
        Late::Within(within) => Some(within.as_secs()),
        Late::Unbounded | Late::Never => None,
    };
    json!({
        "operation": operation.name,
        "kind": operation.kind(),
        "challenge": operation.challenge,
        "slot": operation.trigger.map(TriggerSlot::name),
        "trigger": names(input.triggered(operation)),
        "trigger_proves": operation.trigger_proves(),
        "trail": trailed,
        "sweep": operation.sweep && input.every.is_some(),
        "sweep_proves": operation.sweep_proves(),
        "password": operation.password,
        "noticed": late != Late::Never,
        "worst_seconds": seconds,
    })
}

fn of_pool(pool: &PoolRoutes) -> Value {
    let attached = pool.attached.as_ref();
    json!({
        "attached": attached.map(|it| it.iter().map(|slot| slot.name()).collect::<Vec<_>>()),
        "trail_last": pool.trail.map(moment),
        "sweep_last": pool.sweep.as_ref().map(|pass| moment(pass.ended)),
        "sweep_seconds": pool.sweep.as_ref().map(|pass| pass.took().as_secs()),
        "sweep_figures": pool.sweep.as_ref().map(|pass| &pass.metrics),
    })
}

fn words(input: &CoverageInput) -> String {
    let mut table = Table::new();
    // Lines without borders can be cut and grepped, and never wrap.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["OPERATION", "KIND", "TRIGGER", "TRAIL", "SWEEP", "WORST CASE"]);
    for operation in operations() {
        let triggered = input.triggered(operation);
        let trigger = match operation.trigger {
            None => "-".to_owned(),
            Some(_) if operation.trigger_proves() => sides(&triggered),
            Some(_) => hint(&triggered),
        };
        let trail = if operation.trail() { sides(&input.trailed()) } else { "-".to_owned() };
        let sweep = match (operation.sweep, input.every) {
            (false, Some(_)) if is_settings(operation) => "triggers",
            (false, _) => "-",
            (true, None) => "off",
            (true, Some(_)) if operation.sweep_proves() => "yes",
            (true, Some(_)) => "in part",
        };
        let name = match operation.challenge {
            Some(challenge) => format!("{} {challenge}", operation.name),
            None => operation.name.to_owned(),
        };
        let noticed = operation.is_noticed();
        let late = if noticed { late_on_both(input, operation) } else { "-".to_owned() };
        let kind = operation.kind().to_owned();
        table.add_row([name, kind, trigger, trail, sweep.to_owned(), late]);
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.push(String::new());
    lines.extend(Side::BOTH.map(|side| last_seen(input, side)));
    lines.push(
        "What a trail tells arrives in minutes as a rule, and is promised by nobody: the sweep is \
         the bound."
            .to_owned(),
    );
    lines.push(
        "A hint helps and bounds nothing: a trigger that does not know of the password that was \
         set, or that fires only where a code is sent. In part: the account, not its password."
            .to_owned(),
    );
    lines.push(
        "KIND: person or many: accounts change; pool: the pool itself changes (triggers: the \
         sweep's function looks at the pool's triggers at each call); nothing: nothing that travels \
         changes; read: nothing changes."
            .to_owned(),
    );
    lines.extend(input.warnings().into_iter().map(|warning| format!("warning: {warning}")));
    lines.push(String::new());
    lines.join("\n")
}

/// On which pools.
fn sides(sides: &[Side]) -> String {
    match sides {
        [] => "no".to_owned(),
        [side] => format!("{side} only"),
        _ => "yes".to_owned(),
    }
}

/// On which pools a trigger gives hints.
fn hint(sides: &[Side]) -> String {
    match sides {
        [] => "no".to_owned(),
        [side] => format!("hint: {side} only"),
        _ => "hint".to_owned(),
    }
}

/// Both pools in one word, where one is enough.
fn late_on_both(input: &CoverageInput, operation: &Operation) -> String {
    let [old, new] = Side::BOTH.map(|side| input.late_on(side, operation));
    if old == new {
        return late(old);
    }
    format!("old: {}; new: {}", late(old), late(new))
}

fn late(late: Late) -> String {
    match late {
        Late::Seconds => "seconds".to_owned(),
        Late::Within(within) => span(within),
        Late::Unbounded => "no bound: the trail alone".to_owned(),
        Late::Never => "never".to_owned(),
    }
}

fn last_seen(input: &CoverageInput, side: Side) -> String {
    let pool = input.pools.get(side);
    let trail = pool.trail.map_or_else(|| "never".to_owned(), |last| ago(last, input.at));
    let sweep = pool.sweep.as_ref().map_or_else(
        || "never".to_owned(),
        |pass| format!("{}, took {}", ago(pass.ended, input.at), span(pass.took())),
    );
    format!("{side} pool: last event from the trail: {trail}; last sweep ended: {sweep}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::coverage::tests::{bare, whole};

    #[test]
    fn it_is_told_as_reviewed() {
        super::super::golden("coverage", &words(&whole()));
        super::super::golden("coverage-bare", &words(&bare()));
        super::super::golden("coverage-json", &format!("{:#}\n", value(&bare())));
    }
}
