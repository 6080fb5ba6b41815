//! How `UpdateUserPool` treats each member of `DescribeUserPool`, and how two states of a pool are
//! compared.
//!
//! The table follows the newest published model of both operations
//! (`shared/aws/model/cognito-idp.json`; a test compares the two) and their pages in the Amazon
//! Cognito user pools API Reference. It lists top-level members only. Below them both operations
//! use the same shapes, so poolbridge sends a nested setting that is newer than this program
//! unchanged.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::PoolSettings;
use super::neutral::is_neutral;
use super::trigger::{TRIGGERS, in_one_form};

/// How `UpdateUserPool` treats a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Sent under the same name.
    Sent,
    /// Sent under another name.
    SentAs(&'static str),
    /// `UpdateUserPool` accepts it, but poolbridge never sends it. If it is left out, the pool
    /// keeps it. If it is sent in part, the pool replaces it as a whole.
    LeftOut,
    /// `UpdateUserPool` does not accept it, and it must not change: it was set when the pool was
    /// created, or other operations set it.
    Fixed,
    /// `UpdateUserPool` does not accept it, and it changes by itself.
    Moving,
}

/// Settings that poolbridge does not know how to send.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the pool has settings that this version does not know how to send: {}", .0.join(", "))]
pub struct UnsupportedSetting(
    /// The members' names.
    pub Vec<String>,
);

/// The table. `Status`, the dates and the counts are read-only. `AddCustomAttributes` extends
/// `SchemaAttributes`, and domains have operations of their own. The last three of the deprecated
/// texts ("no longer used") repeat `VerificationMessageTemplate`. In a pool without a template they
/// are the only texts, so poolbridge sends them back unchanged.
pub(super) const MEMBERS: [(&str, Handling); 38] = [
    ("AccountRecoverySetting", Handling::Sent),
    ("AcrConfiguration", Handling::Sent),
    ("AdminCreateUserConfig", Handling::Sent),
    ("AliasAttributes", Handling::Fixed),
    ("Arn", Handling::Fixed),
    ("AutoVerifiedAttributes", Handling::Sent),
    ("CreationDate", Handling::Fixed),
    ("CustomDomain", Handling::Fixed),
    // "If you omit this parameter, Amazon Cognito keeps the existing configuration"; an omitted
    // EnableStatus within it turns dynamic client registration on (UpdateUserPool).
    ("DcrConfiguration", Handling::LeftOut),
    ("DeletionProtection", Handling::Sent),
    ("DeviceConfiguration", Handling::Sent),
    ("Domain", Handling::Fixed),
    ("EmailConfiguration", Handling::Sent),
    ("EmailConfigurationFailure", Handling::Moving),
    ("EmailVerificationMessage", Handling::Sent),
    ("EmailVerificationSubject", Handling::Sent),
    ("EstimatedNumberOfUsers", Handling::Moving),
    ("Id", Handling::Fixed),
    ("IssuerConfiguration", Handling::Sent),
    ("KeyConfiguration", Handling::Sent),
    ("LambdaConfig", Handling::Sent),
    ("LastModifiedDate", Handling::Moving),
    ("MfaConfiguration", Handling::Sent),
    ("Name", Handling::SentAs("PoolName")),
    ("Policies", Handling::Sent),
    ("SchemaAttributes", Handling::Fixed),
    ("SmsAuthenticationMessage", Handling::Sent),
    ("SmsConfiguration", Handling::Sent),
    ("SmsConfigurationFailure", Handling::Moving),
    ("SmsVerificationMessage", Handling::Sent),
    ("Status", Handling::Moving),
    ("UserAttributeUpdateSettings", Handling::Sent),
    ("UserPoolAddOns", Handling::Sent),
    ("UserPoolTags", Handling::Sent),
    ("UserPoolTier", Handling::Sent),
    ("UsernameAttributes", Handling::Fixed),
    ("UsernameConfiguration", Handling::Fixed),
    ("VerificationMessageTemplate", Handling::Sent),
];

/// The team chooses the names inside these members, so a difference does not show them.
const NAMED_BY_THE_TEAM: [&str; 2] = ["UserPoolTags", "AcrConfiguration"];

/// The prefix of a difference in the second factors.
pub(super) const FACTORS: &str = "second factors: ";

pub(super) fn fate(name: &str) -> Option<Handling> {
    MEMBERS.into_iter().find(|(known, _)| *known == name).map(|(_, fate)| fate)
}

impl PoolSettings {
    /// The body of the `UpdateUserPool` that sets the pool to exactly these settings.
    pub fn request(&self, user_pool_id: &str) -> Result<Value, UnsupportedSetting> {
        let mut body = Map::from_iter([("UserPoolId".to_owned(), json!(user_pool_id))]);
        let mut unknown = Vec::new();
        for (name, value) in &self.pool {
            let Some(fate) = fate(name) else {
                // An unknown member that is `null` holds nothing that could be lost.
                if !value.is_null() {
                    unknown.push(name.clone());
                }
                continue;
            };
            let sent = match fate {
                Handling::Sent => name.as_str(),
                Handling::SentAs(other) => other,
                Handling::LeftOut | Handling::Fixed | Handling::Moving => continue,
            };
            if let Some(value) = self.sent(name, value) {
                body.insert(sent.to_owned(), value);
            }
        }
        if unknown.is_empty() { Ok(Value::Object(body)) } else { Err(UnsupportedSetting(unknown)) }
    }

    /// A member's value as the call accepts it; `None` if the call must leave it out.
    fn sent(&self, name: &str, value: &Value) -> Option<Value> {
        if value.is_null() {
            return None;
        }
        let mut value = value.clone();
        match (name, &mut value) {
            // "When you set TemporaryPasswordValidityDays for a user pool, you can no longer set a
            // value for the legacy UnusedAccountValidityDays parameter" (PasswordPolicyType).
            ("AdminCreateUserConfig", Value::Object(config)) if self.limits_passwords() => {
                config.remove("UnusedAccountValidityDays");
            }
            // AWS owns tags with this prefix. Other callers cannot write them, and they stay.
            ("UserPoolTags", Value::Object(tags)) => {
                tags.retain(|tag, _| !tag.to_ascii_lowercase().starts_with("aws:"));
            }
            // Every pool shows default names here, but only plans above Lite can set them
            // (UpdateUserPool, AcrConfiguration). In Lite there is nothing but defaults.
            ("AcrConfiguration", _) if self.pool.get("UserPoolTier") == Some(&json!("LITE")) => {
                return None;
            }
            _ => {}
        }
        Some(value)
    }

    /// Whether the password policy itself limits how long a temporary password is valid.
    fn limits_passwords(&self) -> bool {
        let policies = self.pool.get("Policies");
        let days =
            policies.and_then(|it| it.pointer("/PasswordPolicy/TemporaryPasswordValidityDays"));
        days.and_then(Value::as_u64).is_some_and(|days| days > 0)
    }

    /// These settings, plus the members of `other` that `UpdateUserPool` does not accept.
    #[must_use]
    pub fn with_the_rest_of(mut self, other: &Self) -> Self {
        let sendable =
            |name: &String| matches!(fate(name), Some(Handling::Sent | Handling::SentAs(_)));
        self.pool.retain(|name, _| sendable(name));
        let rest = other.pool.iter().filter(|(name, _)| !sendable(name));
        self.pool.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
        self.factors.clone_from(&other.factors);
        self
    }

    /// Whether two values of a pool's member mean something different.
    pub(super) fn members_differ(name: &str, one: Option<&Value>, other: Option<&Value>) -> bool {
        let of = |value: Option<&Value>| -> Map<String, Value> {
            value.map(|value| (name.to_owned(), value.clone())).into_iter().collect()
        };
        let mut found = Vec::new();
        compare_members("", &of(one), &of(other), &mut found);
        !found.is_empty()
    }

    /// The names of all settings that differ, with dotted paths for nested ones. Members that
    /// change by themselves are not compared. Absent, `null` and empty are equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare_members("", &self.pool, &other.pool, &mut found);
        compare_members(FACTORS, &self.factors, &other.factors, &mut found);
        // A legacy duplicate of a value in the password policy. Then it is not sent, and a
        // difference in it means nothing.
        if self.limits_passwords() && other.limits_passwords() {
            found.retain(|name| name != "AdminCreateUserConfig.UnusedAccountValidityDays");
        }
        found.retain(|name| fate(name) != Some(Handling::Moving));
        found
    }
}

fn compare_members(
    path: &str,
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let (one, other) = (one.get(name), other.get(name));
        // Only a pool's top-level members have neutral values.
        let nothing =
            |value: &Value| is_empty(value) || (path.is_empty() && is_neutral(name, value));
        if one.is_none_or(nothing) && other.is_none_or(nothing) {
            continue;
        }
        let within = !NAMED_BY_THE_TEAM.contains(&name.as_str());
        match (one, other) {
            (Some(Value::Object(one)), Some(Value::Object(other))) if name == TRIGGERS => {
                let (one, other) = (in_one_form(one), in_one_form(other));
                compare_members(&format!("{path}{name}."), &one, &other, found);
            }
            (Some(Value::Object(one)), Some(Value::Object(other))) if within => {
                compare_members(&format!("{path}{name}."), one, other, found);
            }
            (Some(one), Some(other)) if same(one, other) => {}
            _ => found.push(format!("{path}{name}")),
        }
    }
}

/// Whether a value is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether two values are equal, with lists in any order: no list of a pool has a meaningful order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            let mut left: Vec<&Value> = other.iter().collect();
            one.len() == other.len()
                && one.iter().all(|item| {
                    let found = left.iter().position(|candidate| same(item, candidate));
                    found.map(|index| left.swap_remove(index)).is_some()
                })
        }
        _ => one == other,
    }
}
