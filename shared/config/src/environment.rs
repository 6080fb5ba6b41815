//! The deployment's settings: names of resources. The stack sets them for the functions, and its
//! outputs give them to the command line.

use poolbridge_core::side::BySide;

use super::config_error::ConfigError;
use crate::role::is_role;

/// The component that reads the environment. Each needs only its own part, and must not fail
/// because another component's part is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The pools' trigger: stores pending changes, sends change events, and needs no key.
    Capture,
    /// The reader of `CloudTrail` events. Like capture, it needs no key.
    Trail,
    /// The consumer.
    Apply,
    /// The sweep: compares fingerprints, so it needs the key, and sends to the queue of bulk work.
    Sweep,
    /// The command line.
    Operator,
}

/// Names of deployed resources.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// `POOLBRIDGE_TABLE`: the state table's name, or its ARN if another account owns it.
    pub table: String,
    /// `POOLBRIDGE_QUEUE_URL`: the queue of live change events.
    pub queue_url: String,
    /// `POOLBRIDGE_DEAD_LETTER_URL`: the queue for messages that crashed apply or that it cannot
    /// decode.
    pub dead_letter_url: Option<String>,
    /// `POOLBRIDGE_KEY`: the ARN of the secret, or `hex:` and the key itself on a local stack.
    pub key: Option<String>,
    /// `POOLBRIDGE_BULK_QUEUE_URL`: the queue of bulk work.
    pub bulk_queue_url: Option<String>,
    /// `POOLBRIDGE_OWN_ROLES`: the ARNs of the roles with which the bridge itself calls the pools,
    /// separated by commas. The trail ignores their calls.
    pub own_roles: Vec<String>,
    /// `POOLBRIDGE_ACTIVE_PARAMETER`: the SSM parameter from which applications read the active
    /// pool.
    pub active_parameter: Option<String>,
    /// `POOLBRIDGE_HOME_REGION`: the Region of the table and the queues, for a function that runs
    /// in a pool's Region instead.
    pub home_region: Option<String>,
    /// `POOLBRIDGE_CAPTURE_OLD`, `POOLBRIDGE_CAPTURE_NEW`: the ARN of each pool's capture function,
    /// which runs in the pool's own Region and account.
    pub capture: BySide<Option<String>>,
    /// Whether this is a local stack: `AWS_ENDPOINT_URL` or a pool's `endpoint_url` is set.
    pub local: bool,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `POOLBRIDGE_KEY` may hold the key itself.
        formatter
            .debug_struct("Environment")
            .field("table", &self.table)
            .field("queue_url", &self.queue_url)
            .field("dead_letter_url", &self.dead_letter_url)
            .field("key", &self.key.as_ref().map(|_| "…"))
            .field("home_region", &self.home_region)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// Reads what `component` needs and reports all missing variables together.
    pub fn read(
        component: Component,
        local: bool,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut config_errors = Vec::new();
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut needed = |name: &str, by: &[Component]| {
            let value = given(name);
            if value.is_none() && by.contains(&component) {
                config_errors.push(ConfigError {
                    line: None,
                    message: format!("{name} is not set"),
                    hint: "the stack sets it for its functions and prints it among its outputs"
                        .to_owned(),
                });
            }
            value
        };
        let all = [
            Component::Capture,
            Component::Trail,
            Component::Apply,
            Component::Sweep,
            Component::Operator,
        ];
        let table = needed("POOLBRIDGE_TABLE", &all);
        let queue_url = needed("POOLBRIDGE_QUEUE_URL", &all);
        let dead_letter_url = needed("POOLBRIDGE_DEAD_LETTER_URL", &[Component::Operator]);
        // Most commands need no key. The command line reads it when it looks into accounts.
        let key = needed("POOLBRIDGE_KEY", &[Component::Apply, Component::Sweep]);
        let bulk_queue_url = needed("POOLBRIDGE_BULK_QUEUE_URL", &[Component::Sweep]);
        let own_roles = needed("POOLBRIDGE_OWN_ROLES", &[Component::Trail]);
        let own_roles = own_roles.as_deref().map(roles).unwrap_or_default();
        if component == Component::Trail && !own_roles.iter().all(|role| is_role(role)) {
            config_errors.push(ConfigError {
                line: None,
                message: "POOLBRIDGE_OWN_ROLES names something that is no role".to_owned(),
                hint: "ARNs such as arn:aws:iam::111122223333:role/apply, separated by commas"
                    .to_owned(),
            });
        }
        if key.as_deref().is_some_and(|key| key.starts_with("hex:")) && !local {
            config_errors.push(ConfigError {
                line: None,
                message: "POOLBRIDGE_KEY holds the key itself".to_owned(),
                hint:
                    "name a Secrets Manager ARN; `hex:` is for a local stack with an endpoint_url"
                        .to_owned(),
            });
        }
        match (table, queue_url) {
            (Some(table), Some(queue_url)) if config_errors.is_empty() => Ok(Self {
                table,
                queue_url,
                dead_letter_url,
                key,
                bulk_queue_url,
                own_roles,
                active_parameter: given("POOLBRIDGE_ACTIVE_PARAMETER"),
                home_region: given("POOLBRIDGE_HOME_REGION"),
                capture: BySide {
                    old: given("POOLBRIDGE_CAPTURE_OLD"),
                    new: given("POOLBRIDGE_CAPTURE_NEW"),
                },
                local,
            }),
            _ => Err(config_errors),
        }
    }
}

fn roles(text: &str) -> Vec<String> {
    let roles = text.split(',').map(str::trim).filter(|role| !role.is_empty());
    roles.map(str::to_owned).collect()
}
