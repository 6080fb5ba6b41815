//! Who changed what, and what they knew. The checks use it; no pool stores it.
//!
//! Every field of every account remembers the edit that its value comes from. The bridge carries
//! that edit along when it copies a value. So a person's later edit knows which edits it overwrote
//! knowingly.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::profile::Field;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// One human, whatever accounts they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Human(pub u32);

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EditId(pub u32);

/// A change by a person or an administrator to one field on one side.
#[derive(Clone, Debug, Hash)]
pub struct Edit {
    /// Its number.
    pub id: EditId,
    /// The human.
    pub human: Human,
    /// The side; `None` for what both sides held and agreed on before the world began.
    pub side: Option<Side>,
    /// The field.
    pub field: Field,
    /// The time.
    pub at: Time,
    /// The canonical value, as both pools would express it; `None` for none.
    pub value: Option<String>,
    /// Every edit that it overwrote knowingly: the current one, and all that that one had
    /// overwritten.
    pub known: BTreeSet<EditId>,
    /// Whether it existed before the world began.
    pub initial: bool,
}

/// All edits of one world.
#[derive(Clone, Debug, Default, Hash)]
pub struct Edits {
    all: Vec<Edit>,
    /// Accounts with an edit that has neither a pending change nor a message.
    uncaptured: BTreeSet<Human>,
}

impl Edits {
    /// Records an edit over the current value.
    #[expect(clippy::too_many_arguments, reason = "an edit has that many sides")]
    pub fn note(
        &mut self,
        human: Human,
        side: Option<Side>,
        field: Field,
        at: Time,
        value: Option<String>,
        over: Option<EditId>,
        initial: bool,
    ) -> EditId {
        let id = EditId(u32::try_from(self.all.len()).expect("a world has few edits"));
        let mut known = over.map(|over| self.get(over).known.clone()).unwrap_or_default();
        known.extend(over);
        self.all.push(Edit { id, human, side, field, at, value, known, initial });
        id
    }

    /// One edit.
    pub fn get(&self, id: EditId) -> &Edit {
        &self.all[id.0 as usize]
    }

    /// Every edit, oldest first.
    pub fn all(&self) -> &[Edit] {
        &self.all
    }

    /// Whether the author of `later` saw `earlier`, or an edit that had replaced it.
    pub fn knew(&self, later: EditId, earlier: EditId) -> bool {
        later == earlier || self.get(later).known.contains(&earlier)
    }

    /// The last edit of each field of that human on that side. The first values count.
    pub fn last(&self, human: Human, side: Side) -> BTreeMap<Field, EditId> {
        let theirs = self.all.iter().filter(|edit| edit.human == human);
        theirs
            .filter(|edit| edit.side.is_none_or(|made| made == side))
            .map(|edit| (edit.field.clone(), edit.id))
            .collect()
    }

    /// Records that an edit of theirs got neither a pending change nor a message.
    pub fn failed_lookup(&mut self, human: Human) {
        self.uncaptured.insert(human);
    }

    /// Whether all of their edits were captured.
    pub fn captured(&self, human: Human) -> bool {
        !self.uncaptured.contains(&human)
    }

    /// Whether an edit of any human was not captured.
    pub fn any_missed(&self) -> bool {
        !self.uncaptured.is_empty()
    }
}
