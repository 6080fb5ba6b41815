//! Reads `bridge.toml` and the environment once, checks them as a whole, and returns typed values.
//!
//! One run finds every error and names its line and a hint, so that five errors do not take five
//! deployments to find. Settings that have no effect yet are checked too.

mod attribute;
mod config_error;
mod declared;
mod environment;
pub mod operations;
mod policy;
mod pool;
mod reader;
mod role;
mod routes;

use std::path::{Path, PathBuf};

use poolbridge_core::control::ConfigurationStamp;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::Policy;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use sha2::{Digest, Sha256};

pub use config_error::{ConfigError, ConfigErrors};
pub use declared::{ChainedFunction, DeclaredTriggers};
pub use environment::{Component, Environment};
pub use policy::{GuardFailure, Totp};
pub use pool::PoolConfig;
pub use reader::duration;
pub use role::{OwnCallers, SESSION_NAME, is_role, role_of};
pub use routes::{Routes, TriggerSlot, missing_triggers, same_function, unqualified};

use policy::PolicyTables;
use reader::{DocumentReader, Section};

/// The largest file that is read. A thousand rules fit, and a wrong path to a huge file does not
/// fill a function's memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All settings of `bridge.toml`.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The bridge's name, which deployed resources and metrics carry.
    pub name: String,
    /// ARNs of further roles with which an operator may run the worker. The trail treats their
    /// calls as the bridge's own.
    pub operator_roles: Vec<String>,
    /// How to reach each pool.
    pub pools: BySide<PoolConfig>,
    /// The policy that core uses. The pools' own settings later set case folding.
    pub policy: Policy,
    /// How people with an authenticator app move, since its secret cannot be copied.
    pub totp: Totp,
    /// Whether a password is proved only if that sends the person no message.
    pub silent_evidence: bool,
    /// Whether the guard refuses a sign-up under an identity that the other pool holds.
    pub signup_guard: bool,
    /// The people who may use the passive pool already.
    pub pilots: Vec<Pilot>,
    /// What happens to a sign-up that the guard could not decide.
    pub signup_guard_failure: GuardFailure,
    /// How changes are detected. Not part of the hash, because they do not affect what is written.
    pub routes: Routes,
    /// SHA-256 in hexadecimal of everything that affects what is written (pools, policy, rules) and
    /// of `operator_roles`, because a worker may use such a role only if the deployed trail knows
    /// it too. Comments, order and spelling of the file do not change it. Endpoints and the roles
    /// of pools do not either.
    pub hash: String,
}

/// A person who may use the passive pool already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pilot {
    /// Named by the `sub` of an account.
    Sub(Sub),
    /// Named by the fingerprint of a verified address, 32 hexadecimal digits.
    Address(u128),
}

impl Configuration {
    /// Parses the text of a `bridge.toml`. Errors show `source_name`.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ConfigErrors> {
        let reader = DocumentReader::new(text);
        let document = reader.document();
        let top = Section { reader: &reader, name: String::new(), line: None, table: &document };
        top.knows(&[
            "name",
            "operator_roles",
            "old",
            "new",
            "identity",
            "policy",
            "attribute",
            "capture",
            "sweep",
        ]);
        let name = name(&top);
        let operator_roles = operator_roles(&top);
        let old = pool::settings(&top, Side::Old);
        let new = pool::settings(&top, Side::New);
        pool::distinct(&top, old.as_ref(), new.as_ref());
        let local = [&old, &new].into_iter().flatten().any(|pool| pool.endpoint_url.is_some());
        let choices = policy::choices(&top, local);
        let mapping = attribute::mapping(&top, choices.groups);
        let routes = routes::routes(&top, local, name.as_deref());
        let config_errors = reader.config_errors();
        match (name, old, new, mapping) {
            (Some(name), Some(old), Some(new), Some(mapping)) if config_errors.is_empty() => {
                let pools = BySide { old, new };
                let hash = hash(&pools, &choices, &mapping, &operator_roles);
                let read = choices.configuration(name, pools, mapping, routes, hash);
                Ok(Self { operator_roles, ..read })
            }
            (name, ..) => {
                Err(ConfigErrors { source_name: source_name.to_owned(), name, list: config_errors })
            }
        }
    }

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let source_name = path.display().to_string();
        let unread = |what: String| ConfigErrors {
            source_name: source_name.clone(),
            name: None,
            list: vec![ConfigError {
                line: None,
                message: format!("the file cannot be read: {what}"),
                hint:
                    "set POOLBRIDGE_CONFIG to the path of bridge.toml; infra/example/bridge.toml \
                       shows every key"
                        .to_owned(),
            }],
        };
        let size = std::fs::metadata(path).map_err(|error| unread(error.kind().to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(unread(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let text =
            std::fs::read_to_string(path).map_err(|error| unread(error.kind().to_string()))?;
        Self::parse(&source_name, &text)
    }

    /// The stamp of this configuration, active since `since`.
    pub fn stamp(&self, since: Time) -> ConfigurationStamp {
        let pools = BySide::from_fn(|side| self.pools.get(side).user_pool_id.as_str().to_owned());
        ConfigurationStamp { hash: self.hash.clone(), since, pools }
    }

    /// Whether either pool has an endpoint of its own, as on a local stack.
    pub fn has_endpoint(&self) -> bool {
        Side::BOTH.iter().any(|side| self.pools.get(*side).endpoint_url.is_some())
    }

    /// The pools' ids by side, as capture compares them.
    pub fn pool_ids(&self) -> [(Side, &str); 2] {
        Side::BOTH.map(|side| (side, self.pools.get(side).user_pool_id.as_str()))
    }
}

/// Reads the environment and the file that it names, and reports the errors of both together.
pub fn load(component: Component) -> Result<(Configuration, Environment), ConfigErrors> {
    load_from(component, |name| std::env::var(name).ok())
}

/// [`load`] with the environment as a parameter.
pub fn load_from(
    component: Component,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Configuration, Environment), ConfigErrors> {
    let path = configuration_path(&variable);
    let configuration = Configuration::read(&path);
    let local = variable("AWS_ENDPOINT_URL").is_some()
        || configuration.as_ref().is_ok_and(Configuration::has_endpoint);
    let environment = Environment::read(component, local, &variable);
    match (configuration, environment) {
        (Ok(configuration), Ok(environment)) => Ok((configuration, environment)),
        (Ok(configuration), Err(list)) => {
            let name = Some(configuration.name);
            Err(ConfigErrors { source_name: "the environment".to_owned(), name, list })
        }
        (Err(config_errors), Ok(_)) => Err(config_errors),
        (Err(mut config_errors), Err(list)) => {
            config_errors.source_name.push_str(", with the environment,");
            config_errors.list.extend(list);
            Err(config_errors)
        }
    }
}

/// Where `bridge.toml` is: `POOLBRIDGE_CONFIG`, or `bridge.toml` in the current folder.
pub fn path() -> PathBuf {
    configuration_path(&|name: &str| std::env::var(name).ok())
}

/// What the configuration file declares about the triggers, even if it has errors.
pub fn declared_triggers() -> DeclaredTriggers {
    let path = path();
    let small = std::fs::metadata(&path).is_ok_and(|it| it.len() <= FILE_BYTES_MAX);
    let text = small.then(|| std::fs::read_to_string(path).ok()).flatten();
    DeclaredTriggers::salvaged(text.as_deref())
}

/// The path of the file. A relative path starts at the function's package on Lambda, and at the
/// current folder elsewhere.
fn configuration_path(variable: &impl Fn(&str) -> Option<String>) -> PathBuf {
    let given = variable("POOLBRIDGE_CONFIG").filter(|path| !path.is_empty());
    let path = PathBuf::from(given.unwrap_or_else(|| "bridge.toml".to_owned()));
    match variable("LAMBDA_TASK_ROOT") {
        Some(root) if path.is_relative() => Path::new(&root).join(path),
        _ => path,
    }
}

/// The name for metrics even if nothing could be read. On Lambda the function is called
/// `<name>-<program>`.
pub fn name_without_configuration(config_errors: &ConfigErrors) -> String {
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    let from_function = || function.as_deref()?.rsplit_once('-').map(|(name, _)| name.to_owned());
    config_errors.name.clone().or_else(from_function).unwrap_or_else(|| "unknown".to_owned())
}

fn name(top: &Section<'_, '_>) -> Option<String> {
    let hint = "2 to 32 lower-case letters, digits or hyphens, a letter first: name = \"acme\"";
    let found = top.required("name", hint)?;
    let name = found.value;
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let good = (2..=32).contains(&name.len())
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.ends_with(plain)
        && name.chars().all(|letter| plain(letter) || letter == '-');
    if !good {
        top.mistake_at(found.line, "`name` cannot name the deployed resources", hint);
        return None;
    }
    Some(name.to_owned())
}

/// The roles in `operator_roles`.
fn operator_roles(top: &Section<'_, '_>) -> Vec<String> {
    let found = top.texts("operator_roles", false);
    let mut roles: Vec<String> = Vec::new();
    for role in found {
        if !is_role(role.value) {
            let message = "`operator_roles` names something that is no role";
            let hint = "operator_roles = [\"arn:aws:iam::111122223333:role/on-call\"]";
            top.mistake_at(role.line, message, hint);
        }
        roles.push(role.value.to_owned());
    }
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// The hash of everything that affects what is written. Its input is nested lists, whose text has
/// one form only. The debug text of a type could change from version to version.
fn hash(
    pools: &BySide<PoolConfig>,
    choices: &PolicyTables,
    mapping: &poolbridge_core::mapping::Mapping,
    operator_roles: &[String],
) -> String {
    let pools = [&pools.old, &pools.new].map(|pool| (&pool.user_pool_id, pool.region()));
    let rules: Vec<_> = mapping.rules().map(policy::canonical_rule).collect();
    let mut said = serde_json::json!(["1", pools, choices.canonical(), rules]).to_string();
    if !operator_roles.is_empty() {
        said.push_str(&serde_json::json!(operator_roles).to_string());
    }
    let digest = Sha256::digest(said.as_bytes());
    digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests;
