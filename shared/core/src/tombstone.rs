//! What stays of a person one of whose accounts was deleted. Never taken away again (R24): whoever
//! has one is neither synchronised nor created nor linked any more.

use crate::policy::Deletes;
use crate::side::Side;
use crate::time::Time;

/// The note that one of a person's accounts was deleted, stored before the other one is touched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tombstone {
    /// The side on which the account was deleted.
    pub side: Side,
    /// When that was proved.
    pub at: Time,
    /// What is still to be done to the account on the other side; nothing once it is done.
    pub owed: Option<Owed>,
}

/// What a deletion on one side owes the account on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owed {
    /// It is to be disabled. Done once: if an administrator enables it again, it stays enabled.
    Disable,
    /// It is to be deleted.
    Delete,
}

impl Owed {
    /// What the team's choice owes; nothing if the other account is to be kept.
    pub const fn by(deletes: Deletes) -> Option<Self> {
        match deletes {
            Deletes::Disable => Some(Self::Disable),
            Deletes::Delete => Some(Self::Delete),
            Deletes::Keep => None,
        }
    }

    /// The word for it in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Delete => "delete",
        }
    }

    /// What is owed by that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Disable, Self::Delete].into_iter().find(|owed| owed.name() == name)
    }
}
