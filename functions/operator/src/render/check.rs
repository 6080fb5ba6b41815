//! What `bridge.toml` declares: as words for a person, as JSON for the CDK app.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_config::PoolConfig;
use poolbridge_config::{Configuration, GuardFailure, Routes, TriggerSlot};
use poolbridge_core::mapping::{Mapping, STANDARD};
use poolbridge_core::names::AttributeName;
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::{short, span};

/// The version of the JSON document. It changes when a key is removed or changes its meaning, so
/// that the CDK app refuses a document that it would misread.
const FORMAT: u32 = 1;

/// Writes it.
pub(crate) fn show(configuration: &Configuration, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(configuration), &text(configuration))
}

/// What decides the resources and permissions of a deployment, and nothing else.
fn value(configuration: &Configuration) -> Value {
    let policy = &configuration.policy;
    let match_attribute = match &policy.match_by {
        MatchBy::Email | MatchBy::Phone | MatchBy::Username => None,
        MatchBy::OldSub(name) => Some(name.as_str()),
    };
    json!({
        "format": FORMAT,
        "name": configuration.name,
        "hash": configuration.hash,
        "old": pool_value(configuration, Side::Old),
        "new": pool_value(configuration, Side::New),
        "match_attribute": match_attribute,
        "groups": policy.groups,
        "deletes": deletes(policy.deletes).0,
        "signup_guard": configuration.signup_guard,
        "sweep_every_seconds": configuration.routes.sweep_every.map(|every| every.as_secs()),
    })
}

fn pool_value(configuration: &Configuration, side: Side) -> Value {
    let pool = configuration.pools.get(side);
    let triggers: BTreeMap<&str, &String> = chained(&configuration.routes, side).collect();
    json!({
        "user_pool_id": pool.user_pool_id,
        "region": pool.region(),
        "role_arn": pool.role_arn,
        "triggers": triggers,
    })
}

/// The team's own functions that capture calls, by the name of their trigger.
fn chained(routes: &Routes, side: Side) -> impl Iterator<Item = (&'static str, &String)> {
    routes.chained.get(side).iter().map(|(slot, arn)| (slot.name(), arn))
}

fn text(configuration: &Configuration) -> String {
    let policy = &configuration.policy;
    let mut lines = vec![
        line("bridge", &configuration.name),
        line("config", &short(&configuration.hash)),
        line("old pool", &pool(&configuration.pools.old)),
        line("new pool", &pool(&configuration.pools.new)),
        line("match", &match_by(&policy.match_by)),
        line("provision", &provision(policy.provision.new, "to the new pool")),
        line("", &provision(policy.provision.old, "to the old pool")),
        line("conflicts", conflicts(policy.conflicts)),
        line("deletes", &with_meaning(deletes(policy.deletes))),
        line("groups", if policy.groups { "travel" } else { "do not travel" }),
        line("passwords", stale_passwords(policy.stale_passwords)),
        line("settle", &span(policy.settle)),
        line("sign-ups", guard(configuration)),
    ];
    lines.extend(attributes(&policy.mapping));
    let slots = configuration.routes.slots(configuration.signup_guard);
    let triggers: Vec<&str> = slots.into_iter().map(TriggerSlot::name).collect();
    lines.push(line("triggers", &triggers.join(", ")));
    for side in Side::BOTH {
        for (slot, arn) in chained(&configuration.routes, side) {
            lines.push(line("chained", &format!("{slot} of the {side} pool: {arn}")));
        }
    }
    lines.push(line("sweep", &sweep(&configuration.routes)));
    lines.extend(configuration.operator_roles.iter().map(|role| line("worker", role)));
    lines.push(String::new());
    lines.join("\n")
}

fn line(label: &str, text: &str) -> String {
    format!("{label:<11}{text}")
}

fn with_meaning((word, meaning): (&str, &str)) -> String {
    format!("{word}: {meaning}")
}

fn pool(pool: &PoolConfig) -> String {
    let region = pool.region().map(|region| format!("in {region}"));
    let role = pool.role_arn.as_ref().map(|role| format!("through {role}"));
    let endpoint = pool.endpoint_url.as_ref().map(|url| format!("at {url}"));
    let parts = [Some(pool.user_pool_id.clone()), region, role, endpoint];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn match_by(match_by: &MatchBy) -> String {
    match match_by {
        MatchBy::Email => "email: the same address, verified in both accounts".to_owned(),
        MatchBy::Phone => "phone_number: the same number, verified in both accounts".to_owned(),
        MatchBy::Username => "username: no proof; an operator links the accounts".to_owned(),
        MatchBy::OldSub(name) => {
            format!("{name}: this attribute of the new account holds the `sub` of the old one")
        }
    }
}

fn provision(provision: Provision, direction: &str) -> String {
    match provision {
        Provision::Lazy => format!("lazy {direction}: poolbridge creates no account"),
        Provision::Eager => format!("eager {direction}: poolbridge creates the missing account"),
    }
}

const fn conflicts(rule: ConflictRule) -> &'static str {
    match rule {
        ConflictRule::ActiveWins => "active-wins: the value of the active pool wins",
        ConflictRule::Hold => "hold: the field waits until both values are equal",
    }
}

/// The word of `bridge.toml`, and what it means.
const fn deletes(deletes: Deletes) -> (&'static str, &'static str) {
    match deletes {
        Deletes::Disable => ("disable", "the other account of a deleted person is disabled"),
        Deletes::Delete => ("delete", "the other account of a deleted person is deleted too"),
        Deletes::Keep => ("keep", "the other account of a deleted person stays as it is"),
    }
}

const fn stale_passwords(rule: StalePasswords) -> &'static str {
    match rule {
        StalePasswords::Close => "close: poolbridge replaces the older password by a random one",
        StalePasswords::Keep => "keep: the older password stays usable",
    }
}

const fn guard(configuration: &Configuration) -> &'static str {
    match (configuration.signup_guard, configuration.signup_guard_failure) {
        (false, _) => "not guarded",
        (true, GuardFailure::Open) => {
            "refused if the other pool holds the identity; let through if a search fails"
        }
        (true, GuardFailure::Closed) => {
            "refused if the other pool holds the identity, or if a search fails"
        }
    }
}

/// What differs from the default, that every standard attribute travels under its own name.
fn attributes(mapping: &Mapping) -> Vec<String> {
    let mut travel = BTreeSet::new();
    let mut lines = Vec::new();
    for rule in mapping.rules() {
        let name = |side: Side| rule.attribute.get(side).as_ref().map(AttributeName::as_str);
        match (name(Side::Old), name(Side::New)) {
            (Some(old), Some(new)) if old == new && STANDARD.contains(&old) => {}
            (Some(old), Some(new)) => {
                lines.push(format!("{old} of the old pool is {new} of the new pool"));
            }
            (Some(one), None) => lines.push(format!("{one} of the old pool is constant")),
            (None, Some(one)) => lines.push(format!("{one} of the new pool is constant")),
            (None, None) => {}
        }
        travel.extend(Side::BOTH.into_iter().filter_map(name));
    }
    let stays = STANDARD.into_iter().filter(|name| !travel.contains(name));
    lines.extend(stays.map(|name| format!("{name} does not travel")));
    let label = |at: usize| if at == 0 { "attributes" } else { "" };
    lines.iter().enumerate().map(|(at, text)| line(label(at), text)).collect()
}

fn sweep(routes: &Routes) -> String {
    match routes.sweep_every {
        None => "disabled: a change that no trigger detects has no bounded delay".to_owned(),
        Some(every) => format!(
            "every {}, with {} % of the listing quota of each pool",
            span(every),
            routes.sweep_quota_percent
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../infra/example/bridge.toml");

    /// A file that sets what the example leaves out.
    const OTHER: &str = r#"
name = "acme"
operator_roles = ["arn:aws:iam::444455556666:role/on-call"]
[old]
user_pool_id = "eu-west-1_AbCdEfGhI"
endpoint_url = "https://cognito.example.com"
[old.triggers]
PreSignUp = "arn:aws:lambda:eu-west-1:444455556666:function:welcome"
[new]
user_pool_id = "us-east-1_JkLmNoPqR"
role_arn = "arn:aws:iam::111122223333:role/poolbridge-new"
[identity]
match = "custom:legacy_sub"
[policy]
provision = { to_new = "eager" }
conflicts = "hold"
deletes = "delete"
groups = false
stale_passwords = "keep"
signup_guard_failure = "closed"
[capture]
custom_message = true
[sweep]
enabled = false
[[attribute]]
new = "custom:moved"
constant = "yes"
[[attribute]]
field = "nickname"
drop = true
"#;

    fn configuration(text: &str) -> Configuration {
        Configuration::parse("bridge.toml", text).unwrap()
    }

    #[test]
    fn settings_match_the_golden_files() {
        for (name, source) in [("check", EXAMPLE), ("check-other", OTHER)] {
            let configuration = configuration(source);
            crate::render::golden(name, &text(&configuration));
            let json = format!("{:#}\n", value(&configuration));
            crate::render::golden(&format!("{name}-json"), &json);
        }
    }

    #[test]
    fn mistakes_match_the_golden_file() {
        let text = EXAMPLE.replace("match = \"email\"", "match = \"e-mail\"");
        let text = text.replace("every = \"6h\"", "every = \"six hours\"");
        let config_errors = Configuration::parse("bridge.toml", &text).unwrap_err();
        let text = crate::terminal::error_text(&config_errors.into());
        crate::render::golden("check-mistakes", &text);
    }
}
