//! Which route detects each operation, and the worst-case delay.

use poolbridge_config::TriggerSlot;
use poolbridge_config::operations::Operation;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::{ago, moment, span, table};
use crate::coverage_input::{CoverageInput, PoolRoutes, WorstDelay, is_settings, operations};

/// The values of the columns.
const LEGEND: &str = "\
KIND        person, many: changes one account, or many. pool: changes the pool itself.
            nothing: changes nothing that travels. read: changes nothing.
            A sign-in (such as InitiateAuth) is `nothing`, but may change its account in passing.
            Its other columns show what would detect that.
TRIGGER     yes: capture is attached to the trigger that this operation fires.
            no: it is not attached there; `attach` attaches it if bridge.toml asks for it.
            hint: the trigger may detect the change early, without a guaranteed delay.
            -: the operation fires no trigger.
TRAIL       yes: CloudTrail events of the pool have arrived. no: none has arrived.
            -: poolbridge needs no event of this operation.
SWEEP       yes: detects it. in part: the operation also sets a password, as ConfirmSignUp does.
            The sweep detects the account, and never a password.
            triggers: the sweep's function reads the pool's triggers at each call.
            off: the sweep is disabled. -: the sweep cannot detect it.
WORST CASE  seconds: a trigger detects it. A time: the sweep detects it within that time.
            lost triggers only: the sweep's function detects that the call removed capture from
            a trigger, and no other effect.
            no bound: CloudTrail delivery is best-effort, delayed and unordered.
            never: no route detects it. -: there is nothing to detect.
old only, new only: in that pool only.";

/// Writes it.
pub(crate) fn show(input: &CoverageInput, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(input), &text(input))
}

fn value(input: &CoverageInput) -> Value {
    let operations: Vec<Value> = operations().map(|it| operation_value(input, it)).collect();
    json!({
        "name": input.name,
        "at": moment(input.at),
        "operations": operations,
        "old": pool_value(&input.pools.old),
        "new": pool_value(&input.pools.new),
        "sweep_every_seconds": input.every.map(|every| every.as_secs()),
        "warnings": input.warnings(),
    })
}

fn operation_value(input: &CoverageInput, operation: &Operation) -> Value {
    let names = |sides: Vec<Side>| sides.into_iter().map(Side::name).collect::<Vec<_>>();
    let trailed = if operation.trail() { names(input.trailed()) } else { Vec::new() };
    let delay = input.worst_delay(operation);
    let seconds = match delay {
        WorstDelay::Seconds => Some(0),
        WorstDelay::Within(within) => Some(within.as_secs()),
        WorstDelay::Unbounded | WorstDelay::Never => None,
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
        "detected": delay != WorstDelay::Never,
        "worst_seconds": seconds,
    })
}

fn pool_value(pool: &PoolRoutes) -> Value {
    let attached = pool.attached.as_ref();
    json!({
        "attached": attached.map(|it| it.iter().map(|slot| slot.name()).collect::<Vec<_>>()),
        "trail_last": pool.trail.map(moment),
        "sweep_last": pool.sweep.as_ref().map(|pass| moment(pass.ended)),
        "sweep_seconds": pool.sweep.as_ref().map(|pass| pass.took().as_secs()),
        "sweep_metrics": pool.sweep.as_ref().map(|pass| &pass.metrics),
    })
}

fn text(input: &CoverageInput) -> String {
    let header = ["OPERATION", "KIND", "TRIGGER", "TRAIL", "SWEEP", "WORST CASE"];
    let mut lines = table(header, operations().map(|operation| row(input, operation)));
    lines.push(String::new());
    lines.extend(Side::BOTH.map(|side| last_events(input, side)));
    lines.push(String::new());
    lines.push(LEGEND.to_owned());
    lines.extend(input.warnings().into_iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n") + "\n"
}

fn row(input: &CoverageInput, operation: &Operation) -> [String; 6] {
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
    let mut delay =
        if operation.is_noticed() { delay_in_both(input, operation) } else { "-".to_owned() };
    if is_settings(operation) && input.every.is_some() {
        delay.push_str(" (lost triggers only)");
    }
    [name, operation.kind().to_owned(), trigger, trail, sweep.to_owned(), delay]
}

/// The pools in which a route works.
fn sides(sides: &[Side]) -> String {
    match sides {
        [] => "no".to_owned(),
        [side] => format!("{side} only"),
        _ => "yes".to_owned(),
    }
}

/// The pools in which a trigger gives hints.
fn hint(sides: &[Side]) -> String {
    match sides {
        [] => "no".to_owned(),
        [side] => format!("hint: {side} only"),
        _ => "hint".to_owned(),
    }
}

/// The worst-case delay of both pools, or of each one if they differ.
fn delay_in_both(input: &CoverageInput, operation: &Operation) -> String {
    let [old, new] = Side::BOTH.map(|side| input.worst_delay_in(side, operation));
    if old == new {
        return delay_text(old);
    }
    format!("old: {}; new: {}", delay_text(old), delay_text(new))
}

fn delay_text(delay: WorstDelay) -> String {
    match delay {
        WorstDelay::Seconds => "seconds".to_owned(),
        WorstDelay::Within(within) => span(within),
        WorstDelay::Unbounded => "no bound: trail only".to_owned(),
        WorstDelay::Never => "never".to_owned(),
    }
}

fn last_events(input: &CoverageInput, side: Side) -> String {
    let pool = input.pools.get(side);
    let trail = pool.trail.map_or_else(|| "never".to_owned(), |last| ago(last, input.at));
    let sweep = pool.sweep.as_ref().map_or_else(
        || "never".to_owned(),
        |pass| format!("ended {}, took {}", ago(pass.ended, input.at), span(pass.took())),
    );
    format!("{side} pool: last CloudTrail event: {trail}; last pass of the sweep: {sweep}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage_input::tests::{bare, whole};

    #[test]
    fn coverage_matches_the_golden_files() {
        crate::render::golden("coverage", &text(&whole()));
        crate::render::golden("coverage-bare", &text(&bare()));
        crate::render::golden("coverage-json", &format!("{:#}\n", value(&bare())));
    }
}
