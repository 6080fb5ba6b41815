//! Who changed what, knowing what: the ground truth that no pool keeps and the checks ask.
//!
//! Every field of every account remembers the edit that its value comes from. The bridge carries
//! that along when it copies a value, so a person's later edit knows which edits it overwrote
//! knowingly.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::facts::Field;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// One human being, whatever accounts they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Human(pub u32);

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EditId(pub u32);

/// What a person, or an administrator, did to one field on one side.
#[derive(Clone, Debug, Hash)]
pub struct Edit {
    /// Its number.
    pub id: EditId,
    /// To whose account.
    pub human: Human,
    /// Where; `None` for what both sides held and agreed upon before the world began.
    pub side: Option<Side>,
    /// Which field.
    pub field: Field,
    /// When.
    pub at: Time,
    /// The canonical value, as both pools would say it; `None` for none.
    pub value: Option<String>,
    /// Every edit that was overwritten knowingly: what stood there, and what that had overwritten.
    pub known: BTreeSet<EditId>,
    /// Whether it stood there before the world began.
    pub initial: bool,
}

/// All edits of one world.
#[derive(Clone, Debug, Default, Hash)]
pub struct Edits {
    all: Vec<Edit>,
    /// Accounts with an edit that neither a mark nor a message tells of.
    uncaptured: BTreeSet<Human>,
}

impl Edits {
    /// Notes an edit over what stood there.
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

    /// Whether `later` was made by somebody who saw `earlier`, or something that had replaced it.
    pub fn knew(&self, later: EditId, earlier: EditId) -> bool {
        later == earlier || self.get(later).known.contains(&earlier)
    }

    /// The last edit of each field of that human on that side; what stood there at first counts.
    pub fn last(&self, human: Human, side: Side) -> BTreeMap<Field, EditId> {
        let theirs = self.all.iter().filter(|edit| edit.human == human);
        theirs
            .filter(|edit| edit.side.is_none_or(|made| made == side))
            .map(|edit| (edit.field.clone(), edit.id))
            .collect()
    }

    /// Says that something of theirs was captured neither by a mark nor by a message.
    pub fn miss(&mut self, human: Human) {
        self.uncaptured.insert(human);
    }

    /// Whether all of their edits were captured.
    pub fn captured(&self, human: Human) -> bool {
        !self.uncaptured.contains(&human)
    }

    /// Whether anybody's edit was captured by nothing.
    pub fn any_missed(&self) -> bool {
        !self.uncaptured.is_empty()
    }
}
