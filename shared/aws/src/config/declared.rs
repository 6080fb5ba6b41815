//! What a `bridge.toml` says about the triggers even where the rest of it is wrong.
//!
//! Capture answers whatever is wrong with our file. But a function of the team's that the file
//! names may be there to say no, and must not be left out because of a mistake elsewhere. So the
//! tables that name functions are read by themselves; what cannot be made out is *unknown*, which
//! is not the same as none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use poolbridge_core::side::{BySide, Side};
use toml::de::DeValue;

use super::policy::GuardFailure;
use super::reader::{Reader, Section};
use super::routes::{TriggerSlot, is_function};
use super::{Configuration, pool};

/// What is known of the function that capture is to call beside its own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<'a> {
    /// None is declared.
    Nothing,
    /// This one, by its ARN.
    Function(&'a str),
    /// One may be declared; what is written cannot be made out.
    Unknown,
}

/// The functions of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Declared {
    user_pool_id: Option<String>,
    /// `None` for a slot where something is written that names no function.
    slots: BTreeMap<TriggerSlot, Option<String>>,
    /// Something is written that cannot be told to belong to any slot.
    unclear: bool,
}

/// Everything that capture has to know before it knows anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredTriggers {
    sides: BySide<Declared>,
    /// What becomes of a sign-up that cannot be judged; `None`: no guard is wanted.
    pub guard: Option<GuardFailure>,
}

impl DeclaredTriggers {
    /// What a configuration without a mistake declares.
    pub fn of(configuration: &Configuration) -> Self {
        let sides = BySide::from_fn(|side| Declared {
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

    /// What a file with mistakes in it still declares; `text` is `None` where it cannot be read.
    pub fn salvaged(text: Option<&str>) -> Self {
        // A failure mode that nobody can read is the one that keeps nobody out.
        let open = Some(GuardFailure::Open);
        let Some(text) = text else {
            let unknown = || Declared { unclear: true, ..Declared::default() };
            return Self { sides: BySide::from_fn(|_| unknown()), guard: open };
        };
        let reader = Reader::new(text);
        let document = reader.document();
        let torn = reader.found_any();
        let top = Section { reader: &reader, name: String::new(), line: None, table: &document };
        // Where the text is torn, a table may be missing from what could be made out. One that is
        // nowhere mentioned is not.
        let unclear = mentions_triggers(text) && (torn || misplaced(&top));
        let sides = BySide::from_fn(|side| {
            let declared = declared(&top, side);
            Declared { unclear: unclear || declared.unclear, ..declared }
        });
        let policy = top.section("policy");
        let wanted = policy.as_ref().and_then(|it| it.flag("signup_guard")).unwrap_or(true);
        let words = [("open", GuardFailure::Open), ("closed", GuardFailure::Closed)];
        let failure = policy.as_ref().and_then(|it| it.word("signup_guard_failure", &words));
        Self { sides, guard: wanted.then_some(failure.unwrap_or(GuardFailure::Open)) }
    }

    /// What stands beside capture in that slot of that pool; `None` where the event does not say
    /// which pool it comes from.
    pub fn beside(&self, user_pool_id: Option<&str>, slot: TriggerSlot) -> Beside<'_> {
        if let Some(side) = user_pool_id.and_then(|id| self.side_of(id)) {
            return self.sides.get(side).beside(slot);
        }
        // It may be the one whose id cannot be made out, or either where the event names none.
        let mut possible = [&self.sides.old, &self.sides.new]
            .into_iter()
            .filter(|it| user_pool_id.is_none() || it.user_pool_id.is_none());
        if possible.all(|declared| declared.beside(slot) == Beside::Nothing) {
            Beside::Nothing
        } else {
            Beside::Unknown
        }
    }

    /// The ARNs of all functions that are declared and can be made out.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        let sides = [&self.sides.old, &self.sides.new].into_iter();
        sides.flat_map(|declared| declared.slots.values()).flatten().map(String::as_str)
    }

    fn side_of(&self, user_pool_id: &str) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.sides.get(*side).is(user_pool_id))
    }
}

impl Declared {
    fn is(&self, user_pool_id: &str) -> bool {
        self.user_pool_id.as_deref() == Some(user_pool_id)
    }

    fn beside(&self, slot: TriggerSlot) -> Beside<'_> {
        match self.slots.get(&slot) {
            Some(Some(arn)) => Beside::Function(arn),
            Some(None) => Beside::Unknown,
            None if self.unclear => Beside::Unknown,
            None => Beside::Nothing,
        }
    }
}

fn declared(top: &Section<'_, '_>, side: Side) -> Declared {
    let Some(section) = top.section(side.name()) else { return Declared::default() };
    let user_pool_id = pool::user_pool_id(&section);
    let mut found = Declared { user_pool_id, ..Declared::default() };
    // Nothing else of a pool is a table: one of another name is `triggers`, spelt wrong.
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
            // A slot that is spelt wrong could be any.
            None => found.unclear = true,
        }
    }
    found
}

/// Whether a table of triggers stands under a name that is neither pool's.
fn misplaced(top: &Section<'_, '_>) -> bool {
    top.table.keys().map(|key| key.get_ref().as_ref()).any(|word| {
        word != "old"
            && word != "new"
            && (word == "triggers" || top.section(word).is_some_and(|it| it.has("triggers")))
    })
}

/// Whether any line that is not a comment speaks of triggers.
fn mentions_triggers(text: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("triggers"))
}

#[cfg(test)]
mod tests;
