//! What is noticed by which route.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use poolbridge_aws::config::TriggerSlot;
use poolbridge_aws::operations::Operation;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::{ago, moment, span};
use crate::commands::coverage::facts::{Facts, Late, OfPool, is_settings, operations};

/// Writes it.
pub(crate) fn show(facts: &Facts, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(facts), &words(facts))
}

fn value(facts: &Facts) -> Value {
    let operations: Vec<Value> = operations().map(|it| of_operation(facts, it)).collect();
    json!({
        "name": facts.name,
        "at": moment(facts.at),
        "operations": operations,
        "old": of_pool(&facts.pools.old),
        "new": of_pool(&facts.pools.new),
        "sweep_every_seconds": facts.every.map(|every| every.as_secs()),
        "warnings": facts.warnings(),
    })
}

fn of_operation(facts: &Facts, operation: &Operation) -> Value {
    let names = |sides: Vec<Side>| sides.into_iter().map(Side::name).collect::<Vec<_>>();
    let trailed = if operation.trail() { names(facts.trailed()) } else { Vec::new() };
    let late = facts.late(operation);
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
        "trigger": names(facts.triggered(operation)),
        "trigger_proves": operation.trigger_proves(),
        "trail": trailed,
        "sweep": operation.sweep && facts.every.is_some(),
        "sweep_proves": operation.sweep_proves(),
        "password": operation.password,
        "noticed": late != Late::Never,
        "worst_seconds": seconds,
    })
}

fn of_pool(pool: &OfPool) -> Value {
    let attached = pool.attached.as_ref();
    json!({
        "attached": attached.map(|it| it.iter().map(|slot| slot.name()).collect::<Vec<_>>()),
        "trail_last": pool.trail.map(moment),
        "sweep_last": pool.sweep.as_ref().map(|pass| moment(pass.ended)),
        "sweep_seconds": pool.sweep.as_ref().map(|pass| pass.took().as_secs()),
        "sweep_figures": pool.sweep.as_ref().map(|pass| &pass.figures),
    })
}

fn words(facts: &Facts) -> String {
    let mut table = Table::new();
    // Lines without borders can be cut and grepped, and never wrap.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["OPERATION", "KIND", "TRIGGER", "TRAIL", "SWEEP", "WORST CASE"]);
    for operation in operations() {
        let triggered = facts.triggered(operation);
        let trigger = match operation.trigger {
            None => "-".to_owned(),
            Some(_) if operation.trigger_proves() => sides(&triggered),
            Some(_) => hint(&triggered),
        };
        let trail = if operation.trail() { sides(&facts.trailed()) } else { "-".to_owned() };
        let sweep = match (operation.sweep, facts.every) {
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
        let late = if noticed { late_on_both(facts, operation) } else { "-".to_owned() };
        let kind = operation.kind().to_owned();
        table.add_row([name, kind, trigger, trail, sweep.to_owned(), late]);
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.push(String::new());
    lines.extend(Side::BOTH.map(|side| last_seen(facts, side)));
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
    lines.extend(facts.warnings().into_iter().map(|warning| format!("warning: {warning}")));
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
fn late_on_both(facts: &Facts, operation: &Operation) -> String {
    let [old, new] = Side::BOTH.map(|side| facts.late_on(side, operation));
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

fn last_seen(facts: &Facts, side: Side) -> String {
    let pool = facts.pools.get(side);
    let trail = pool.trail.map_or_else(|| "never".to_owned(), |last| ago(last, facts.at));
    let sweep = pool.sweep.as_ref().map_or_else(
        || "never".to_owned(),
        |pass| format!("{}, took {}", ago(pass.ended, facts.at), span(pass.took())),
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
