//! What a `bridge.toml` declares about the triggers, even if the rest of it is wrong.
//!
//! capture answers whatever is wrong with the configuration. But a chained function that the file
//! names may be there to refuse, so an error elsewhere in the file must not leave it out. So this
//! module reads the tables that name functions on their own. A table that it cannot decode is
//! *unknown*, which is different from none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use poolbridge_core::side::{BySide, Side};
use toml::de::DeValue;

use super::policy::GuardFailure;
use super::reader::{DocumentReader, Section};
use super::routes::{TriggerSlot, is_function};
use super::{Configuration, pool};

/// What is known of the chained function that capture must call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainedFunction<'a> {
    /// None is declared.
    Nothing,
    /// The function with this ARN.
    Function(&'a str),
    /// One may be declared, but the text cannot be decoded.
    Unknown,
}

/// The functions of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DeclaredFunctions {
    user_pool_id: Option<String>,
    /// `None` for a slot whose text names no function.
    slots: BTreeMap<TriggerSlot, Option<String>>,
    /// Some text cannot be assigned to a slot.
    unclear: bool,
}

/// What capture must know about the triggers before the rest of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredTriggers {
    sides: BySide<DeclaredFunctions>,
    /// What happens to a sign-up that the guard cannot decide; `None`: no guard is wanted.
    pub guard: Option<GuardFailure>,
}

impl DeclaredTriggers {
    /// What a valid configuration declares.
    pub fn of(configuration: &Configuration) -> Self {
        let sides = BySide::from_fn(|side| DeclaredFunctions {
            user_pool_id: Some(configuration.pools.get(side).user_pool_id.clone()),
            slots: configuration
                .routes
                .chained
                .get(side)
                .iter()
                .map(|(slot, arn)| (*slot, Some(arn.clone())))
                .collect(),
            unclear: false,
        });
        let guard = configuration.signup_guard.then_some(configuration.signup_guard_failure);
        Self { sides, guard }
    }

    /// What a file with errors still declares; `text` is `None` if the file cannot be read.
    pub fn salvaged(text: Option<&str>) -> Self {
        // An unreadable failure mode counts as open, which keeps no person out.
        let open = Some(GuardFailure::Open);
        let Some(text) = text else {
            let unknown = || DeclaredFunctions { unclear: true, ..DeclaredFunctions::default() };
            return Self { sides: BySide::from_fn(|_| unknown()), guard: open };
        };
        let reader = DocumentReader::new(text);
        let document = reader.document();
        let torn = reader.found_any();
        let top = Section { reader: &reader, name: String::new(), line: None, table: &document };
        // If the file has syntax errors, the decoded part may lack a table. A text that never
        // mentions triggers declares none.
        let unclear = mentions_triggers(text) && (torn || misplaced(&top));
        let sides = BySide::from_fn(|side| {
            let declared = declared(&top, side);
            DeclaredFunctions { unclear: unclear || declared.unclear, ..declared }
        });
        let policy = top.section("policy");
        let wanted = policy.as_ref().and_then(|it| it.flag("signup_guard")).unwrap_or(true);
        let words = [("open", GuardFailure::Open), ("closed", GuardFailure::Closed)];
        let failure = policy.as_ref().and_then(|it| it.word("signup_guard_failure", &words));
        Self { sides, guard: wanted.then_some(failure.unwrap_or(GuardFailure::Open)) }
    }

    /// The chained function for that slot of that pool. `user_pool_id` is `None` if the event does
    /// not name its pool.
    pub fn chained(&self, user_pool_id: Option<&str>, slot: TriggerSlot) -> ChainedFunction<'_> {
        if let Some(side) = user_pool_id.and_then(|id| self.side_of(id)) {
            return self.sides.get(side).chained(slot);
        }
        // The pool may be the one whose id cannot be decoded, or either of them if the event names
        // none.
        let mut possible = [&self.sides.old, &self.sides.new]
            .into_iter()
            .filter(|it| user_pool_id.is_none() || it.user_pool_id.is_none());
        if possible.all(|declared| declared.chained(slot) == ChainedFunction::Nothing) {
            ChainedFunction::Nothing
        } else {
            ChainedFunction::Unknown
        }
    }

    /// The ARNs of all declared functions that can be decoded.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        let sides = [&self.sides.old, &self.sides.new].into_iter();
        sides.flat_map(|declared| declared.slots.values()).flatten().map(String::as_str)
    }

    fn side_of(&self, user_pool_id: &str) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.sides.get(*side).is(user_pool_id))
    }
}

impl DeclaredFunctions {
    fn is(&self, user_pool_id: &str) -> bool {
        self.user_pool_id.as_deref() == Some(user_pool_id)
    }

    fn chained(&self, slot: TriggerSlot) -> ChainedFunction<'_> {
        match self.slots.get(&slot) {
            Some(Some(arn)) => ChainedFunction::Function(arn),
            Some(None) => ChainedFunction::Unknown,
            None if self.unclear => ChainedFunction::Unknown,
            None => ChainedFunction::Nothing,
        }
    }
}

fn declared(top: &Section<'_, '_>, side: Side) -> DeclaredFunctions {
    let Some(section) = top.section(side.name()) else { return DeclaredFunctions::default() };
    let user_pool_id = pool::user_pool_id(&section);
    let mut found = DeclaredFunctions { user_pool_id, ..DeclaredFunctions::default() };
    // A pool has no other table, so a table with another name is a misspelt `triggers`.
    let other = |(key, value): (&toml::Spanned<Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
        key.get_ref() != "triggers" && value.get_ref().as_table().is_some()
    };
    found.unclear = section.table.iter().any(other);
    let Some(triggers) = section.section("triggers") else {
        found.unclear |= section.has("triggers");
        return found;
    };
    for key in triggers.table.keys() {
        let word = key.get_ref().as_ref();
        match TriggerSlot::ALL.into_iter().find(|slot| slot.name() == word) {
            Some(slot) => {
                let arn = triggers.text(word).map(|it| it.value).filter(|it| is_function(it));
                found.slots.insert(slot, arn.map(str::to_owned));
            }
            // A misspelt slot could be any slot.
            None => found.unclear = true,
        }
    }
    found
}

/// Whether a table of triggers is outside both pools' tables.
fn misplaced(top: &Section<'_, '_>) -> bool {
    top.table.keys().map(|key| key.get_ref().as_ref()).any(|word| {
        word != "old"
            && word != "new"
            && (word == "triggers" || top.section(word).is_some_and(|it| it.has("triggers")))
    })
}

/// Whether any line that is not a comment mentions triggers.
fn mentions_triggers(text: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("triggers"))
}

#[cfg(test)]
mod tests;
