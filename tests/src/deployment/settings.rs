//! The configuration of the bridge: the two pools' shapes, `bridge.toml`, and the operator's
//! variables.

use std::path::Path;

use super::{CAPTURE, NAME, NEW, Names, OLD, VERIFIES};
use crate::stack::{PoolSeed, Stack};

pub(super) fn old_pool() -> PoolSeed {
    let mut seed = PoolSeed::new(OLD, "oldapp").client("oldproof").custom("dept");
    // The pool sends codes by e-mail, but people sign in with a username that they choose.
    seed.auto_verified_attributes = vec!["email".to_owned()];
    seed.trigger("PostConfirmation", CAPTURE).trigger("PreSignUp", VERIFIES)
}

pub(super) fn new_pool() -> PoolSeed {
    let seed = PoolSeed::new(NEW, "newapp").client("newproof").custom("department");
    seed.by_email().trigger("PostConfirmation", CAPTURE).trigger("PreSignUp", VERIFIES)
}

pub(super) fn configuration(stack: &Stack) -> String {
    let (old, new) = (stack.pool_url(0), stack.pool_url(1));
    format!(
        r#"name = "{NAME}"

[old]
user_pool_id = "{OLD}"
client_id = "oldproof"
endpoint_url = "{old}"

[new]
user_pool_id = "{NEW}"
client_id = "newproof"
endpoint_url = "{new}"

[identity]
match = "email"

[policy]
provision = "eager"
conflicts = "active-wins"
stale_passwords = "close"
settle = "200ms"

[[attribute]]
old = "custom:dept"
new = "custom:department"
prefix = {{ new = "dept-" }}

[[attribute]]
field = "phone_number"
normalise = "e164"
country = "DE"

[[attribute]]
field = "nickname"
normalise = ["trim", "lowercase"]

[[attribute]]
field = "picture"
drop = true
"#
    )
}

pub(super) fn operator_environment(
    stack: &Stack,
    configuration: &Path,
    names: &Names,
) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = stack
        .environment()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        // The faults that a test injects are for the functions, not for the operator.
        .filter(|(name, _)| name != "AWS_ENDPOINT_URL")
        .collect();
    let mut add = |name: &str, value: String| environment.push((name.to_owned(), value));
    add("AWS_ENDPOINT_URL", stack.ministack_url_direct());
    add("POOLBRIDGE_CONFIG", configuration.display().to_string());
    add("POOLBRIDGE_TABLE", names.table.clone());
    add("POOLBRIDGE_QUEUE_URL", names.queue_url.clone());
    add("POOLBRIDGE_BULK_QUEUE_URL", names.bulk_queue_url.clone());
    add("POOLBRIDGE_CAPTURE_OLD", names.captures[0].clone());
    add("POOLBRIDGE_CAPTURE_NEW", names.captures[1].clone());
    add("POOLBRIDGE_DEAD_LETTER_URL", names.dead_letter_url.clone());
    add("POOLBRIDGE_KEY", names.key.clone());
    // The stack's queue counters are exact, so a second check a minute later would show nothing
    // more.
    add("POOLBRIDGE_DRAIN_LOOKS_APART", "1s".to_owned());
    add("NO_COLOR", "1".to_owned());
    environment
}
