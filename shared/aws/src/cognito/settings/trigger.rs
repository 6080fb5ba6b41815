//! The trigger slots in a pool's settings: which function holds each slot, and how poolbridge
//! changes it.
//!
//! A slot is the member of `LambdaConfig` with the same name. The pre token generation slot has a
//! second member, `PreTokenGenerationConfig`, which names the function and the version of its
//! event. If both are set, they must name the same function (`LambdaConfigType`).

use std::mem;

use serde_json::{Map, Value, json};

use super::PoolSettings;
use poolbridge_config::TriggerSlot;

pub(super) const TRIGGERS: &str = "LambdaConfig";
const VERSIONED: &str = "PreTokenGenerationConfig";
const VERSIONED_FUNCTION: &str = "LambdaArn";

/// The event version that the plain member alone means.
const FIRST_VERSION: &str = "V1_0";

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotOwner {
    /// No function.
    Empty,
    /// The function with that ARN.
    Function(String),
    /// Two members contradict each other, or one is not a string.
    Unclear,
}

impl SlotOwner {
    /// The function, if there is one.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Function(arn) => Some(arn),
            Self::Empty | Self::Unclear => None,
        }
    }
}

impl PoolSettings {
    /// What the slot holds.
    pub fn holder(&self, slot: TriggerSlot) -> SlotOwner {
        let is_known_form =
            |value: Option<&Value>| value.is_none_or(|it| it.is_null() || it.is_object());
        let triggers = self.pool.get(TRIGGERS);
        let versioned = triggers.and_then(|it| it.get(VERSIONED));
        if !is_known_form(triggers)
            || (slot == TriggerSlot::PreTokenGeneration && !is_known_form(versioned))
        {
            return SlotOwner::Unclear;
        }
        let mut found: Vec<&str> = Vec::new();
        for value in self.naming(slot) {
            match value {
                Value::Null => {}
                Value::String(arn) if arn.is_empty() => {}
                Value::String(arn) => found.push(arn),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    return SlotOwner::Unclear;
                }
            }
        }
        match found.as_slice() {
            [] => SlotOwner::Empty,
            [first, rest @ ..] if rest.iter().all(|arn| arn == first) => {
                SlotOwner::Function((*first).to_owned())
            }
            _ => SlotOwner::Unclear,
        }
    }

    /// The values that name the slot's function.
    fn naming(&self, slot: TriggerSlot) -> Vec<&Value> {
        let triggers = self.pool.get(TRIGGERS);
        let plain = triggers.and_then(|it| it.get(slot.name()));
        let versioned = (slot == TriggerSlot::PreTokenGeneration)
            .then(|| triggers.and_then(|it| it.get(VERSIONED)?.get(VERSIONED_FUNCTION)))
            .flatten();
        plain.into_iter().chain(versioned).collect()
    }

    /// The event version of the pre token generation trigger, if the pool names one.
    pub fn token_event_version(&self) -> Option<&str> {
        self.pool.get(TRIGGERS)?.get(VERSIONED)?.get("LambdaVersion")?.as_str()
    }

    /// Puts a function into a slot: in every member that names the slot's function already, or in
    /// the plain one if none does.
    #[must_use]
    pub fn with_function(mut self, slot: TriggerSlot, arn: &str) -> Self {
        let triggers = self.triggers();
        let versioned = slot == TriggerSlot::PreTokenGeneration
            && triggers.get(VERSIONED).is_some_and(Value::is_object);
        if versioned && let Some(config) = triggers.get_mut(VERSIONED) {
            config[VERSIONED_FUNCTION] = json!(arn);
        }
        let plain = triggers.get(slot.name()).is_some_and(|value| !value.is_null());
        if plain || !versioned {
            triggers.insert(slot.name().to_owned(), json!(arn));
        }
        self
    }

    /// Empties a slot.
    #[must_use]
    pub fn without_function(mut self, slot: TriggerSlot) -> Self {
        let triggers = self.triggers();
        triggers.remove(slot.name());
        if slot == TriggerSlot::PreTokenGeneration {
            triggers.remove(VERSIONED);
        }
        self
    }

    /// Restores a slot's members exactly as `earlier` has them, except for the event version: if
    /// the pool names one now, it stays, because it may have been changed for the function that
    /// returns. Only the second member can name a version other than the first, so it is added if
    /// needed.
    #[must_use]
    pub fn with_slot_of(mut self, slot: TriggerSlot, earlier: &Self) -> Self {
        let before = earlier.pool.get(TRIGGERS).and_then(Value::as_object);
        let member = |name: &str| before.and_then(|it| it.get(name)).cloned();
        let (plain, mut versioned) = (member(slot.name()), member(VERSIONED));
        let version = self.token_event_version().map(str::to_owned);
        let function = plain.as_ref().and_then(Value::as_str).filter(|arn| !arn.is_empty());
        let unsaid = versioned.as_ref().is_none_or(Value::is_null);
        if let (true, Some(arn), Some(later)) = (unsaid, function, &version)
            && later != FIRST_VERSION
        {
            versioned = Some(json!({ "LambdaVersion": later, VERSIONED_FUNCTION: arn }));
        }
        let triggers = self.triggers();
        set(triggers, slot.name(), plain);
        if slot == TriggerSlot::PreTokenGeneration {
            set(triggers, VERSIONED, versioned);
            if let (Some(config), Some(version)) = (triggers.get_mut(VERSIONED), version)
                && config.is_object()
            {
                config["LambdaVersion"] = json!(version);
            }
        }
        self
    }

    /// Removes the triggers altogether if none are left and `earlier` did not have the member.
    #[must_use]
    pub fn without_empty_triggers_unless(mut self, earlier: &Self) -> Self {
        let none = self.pool.get(TRIGGERS).and_then(Value::as_object).is_some_and(Map::is_empty);
        if none && !earlier.pool.contains_key(TRIGGERS) {
            self.pool.remove(TRIGGERS);
        }
        self
    }

    /// The same settings, with an empty set of triggers if they have none.
    #[cfg(test)]
    #[must_use]
    pub(super) fn with_triggers_told(mut self) -> Self {
        self.triggers();
        self
    }

    fn triggers(&mut self) -> &mut Map<String, Value> {
        let value = self.pool.entry(TRIGGERS).or_insert_with(|| json!({}));
        if !value.is_object() {
            // `null` means the same. No caller asks to change any other kind of value.
            drop(mem::replace(value, json!({})));
        }
        let Value::Object(triggers) = value else { unreachable!("it was made an object just now") };
        triggers
    }
}

/// The triggers with the pre token generation function in one form. The service may show the plain
/// member in the other member too, as events of the first version.
pub(super) fn in_one_form(triggers: &Map<String, Value>) -> Map<String, Value> {
    let mut triggers = triggers.clone();
    let plain = triggers.get(TriggerSlot::PreTokenGeneration.name()).cloned();
    let Some(Value::String(arn)) = plain.filter(|it| it.as_str().is_some_and(|it| !it.is_empty()))
    else {
        return triggers;
    };
    let versioned = triggers
        .entry(VERSIONED)
        .or_insert_with(|| json!({ "LambdaVersion": FIRST_VERSION, VERSIONED_FUNCTION: arn }));
    if versioned.get(VERSIONED_FUNCTION) == Some(&json!(arn)) {
        triggers.remove(TriggerSlot::PreTokenGeneration.name());
    }
    triggers
}

fn set(triggers: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(triggers.insert(name.to_owned(), value)),
        None => drop(triggers.remove(name)),
    }
}
