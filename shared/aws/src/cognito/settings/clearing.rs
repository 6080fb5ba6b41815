//! Removes a setting.
//!
//! The documentation says that `UpdateUserPool` sets what a call leaves out to its default. On real
//! pools it keeps some settings that are left out (`MfaConfiguration` and both policies) and resets
//! others (`AutoVerifiedAttributes`). So to remove a setting, poolbridge sends a neutral value if
//! there is one. Otherwise it leaves the setting out and names it beforehand.

use serde_json::{Map, Value, json};

use super::member::{Handling, fate};
use super::neutral::neutral;
use super::trigger::TRIGGERS;
use super::{PoolSettings, UnsupportedSetting};

/// `UpdateUserPool` replaces these members as a whole, so it keeps nothing within them.
const REPLACED_WHOLE: [&str; 2] = [TRIGGERS, "UserPoolTags"];

/// Whether a member has a value that a call can remove.
fn holds(name: &str, value: Option<&Value>) -> bool {
    let empty = PoolSettings::members_differ(name, value, None);
    empty && matches!(fate(name), Some(Handling::Sent | Handling::SentAs(_)))
}

impl PoolSettings {
    /// The body of the `UpdateUserPool` that brings a pool from `found` to these settings. It
    /// contains neutral values for the settings to remove, where there are any.
    pub fn request_from(
        &self,
        found: &Self,
        user_pool_id: &str,
    ) -> Result<Value, UnsupportedSetting> {
        let mut body = self.request(user_pool_id)?;
        for name in self.gone(found) {
            if let (Some(neutral), Some(body)) = (neutral(name), body.as_object_mut()) {
                body.insert(name.to_owned(), neutral);
            }
        }
        Ok(body)
    }

    /// The settings to remove that have no neutral value, with dotted paths for nested ones. The
    /// call leaves them out, which removes them according to the documentation, but perhaps not in
    /// fact.
    pub fn may_stay(&self, found: &Self) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.gone(found).filter(|name| neutral(name).is_none()) {
            names.push(name.to_owned());
        }
        for (name, value) in &found.pool {
            let sent = matches!(fate(name), Some(Handling::Sent));
            if let (true, Some(Value::Object(now)), Value::Object(before)) =
                (sent && !REPLACED_WHOLE.contains(&name.as_str()), self.pool.get(name), value)
            {
                lost_within(name, before, now, &mut names);
            }
        }
        names.sort();
        names
    }

    /// The members that `found` has and these settings do not.
    fn gone<'a>(&'a self, found: &'a Self) -> impl Iterator<Item = &'a str> {
        let found = found.pool.iter().filter(|(name, value)| holds(name, Some(value)));
        let gone = found.filter(move |(name, _)| !holds(name, self.pool.get(*name)));
        gone.map(|(name, _)| name.as_str())
    }

    /// The body of `SetUserPoolMfaConfig` with the factors of these settings.
    pub(super) fn factors_request(&self, user_pool_id: &str) -> Value {
        let factors = self.factors.iter().filter(|(_, value)| !value.is_null());
        let mut body: Map<String, Value> =
            factors.map(|(name, value)| (name.clone(), value.clone())).collect();
        body.insert("UserPoolId".to_owned(), json!(user_pool_id));
        Value::Object(body)
    }

    /// Whether the pool requires a second factor of every person.
    pub fn requires_factors(&self) -> bool {
        self.pool.get("MfaConfiguration") == Some(&json!("ON"))
    }

    /// Settings that a pool may keep from before and that the service may refuse to accept again:
    /// threat protection needs the Plus plan.
    pub fn at_odds(&self) -> Vec<&'static str> {
        let mode = self.pool.get("UserPoolAddOns").and_then(|it| it.get("AdvancedSecurityMode"));
        let protects = mode.and_then(Value::as_str).is_some_and(|mode| mode != "OFF");
        let tier = self.pool.get("UserPoolTier").and_then(Value::as_str);
        let less = tier.is_some_and(|tier| tier != "PLUS");
        if protects && less { vec!["UserPoolAddOns", "UserPoolTier"] } else { Vec::new() }
    }
}

fn lost_within(
    path: &str,
    before: &Map<String, Value>,
    now: &Map<String, Value>,
    names: &mut Vec<String>,
) {
    for (name, value) in before {
        let path = format!("{path}.{name}");
        match (value, now.get(name)) {
            (Value::Object(before), Some(Value::Object(now))) => {
                lost_within(&path, before, now, names);
            }
            (value, None | Some(Value::Null))
                if PoolSettings::members_differ("", Some(value), None) =>
            {
                names.push(path);
            }
            _ => {}
        }
    }
}
