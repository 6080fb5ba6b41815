//! The permanent note that one of a person's accounts was deleted (`TombstoneStays`).
//! poolbridge no longer synchronises, creates or links an account of such a person.

use strum::{IntoStaticStr, VariantArray};

use crate::policy::Deletes;
use crate::side::Side;
use crate::time::Time;
use crate::variants::named;

/// The tombstone. apply stores it before it touches the other account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tombstone {
    /// The pool in which the account was deleted.
    pub side: Side,
    /// When the deletion was proved.
    pub at: Time,
    /// What apply still has to do to the account in the other pool; `None` once it is done.
    pub owed: Option<Owed>,
}

/// What a deletion in one pool requires for the account in the other pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Owed {
    /// Disable the account, once: if an administrator enables it again, it stays enabled.
    Disable,
    /// Delete the account.
    Delete,
}

named!(
    Owed,
    ALL: "Everything that can be owed.",
    name: "Its name in the table and on the command line."
);

impl Owed {
    /// What the team's policy requires; `None` if the other account is kept.
    pub const fn by(deletes: Deletes) -> Option<Self> {
        match deletes {
            Deletes::Disable => Some(Self::Disable),
            Deletes::Delete => Some(Self::Delete),
            Deletes::Keep => None,
        }
    }
}
