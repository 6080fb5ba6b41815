//! The two pools. Their names never change; the phase decides which pool is active.

use std::fmt;

use strum::{IntoStaticStr, VariantArray};

use crate::variants::named;

/// One of the two pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Side {
    /// The pool that the team moves away from.
    Old,
    /// The pool that the team moves to.
    New,
}

named!(
    Side,
    BOTH: "Both pools, in the order in which output lists them.",
    name: "`old` or `new`, as spelled in the table, in messages and on the command line."
);

impl Side {
    /// The other pool.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One value for each pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct BySide<T> {
    /// The value of the old pool.
    pub old: T,
    /// The value of the new pool.
    pub new: T,
}

impl<T> BySide<T> {
    /// The value of `side`.
    pub const fn get(&self, side: Side) -> &T {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    /// The value of `side`, to change it.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }

    /// Builds one value for each pool.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        Self { old: make(Side::Old), new: make(Side::New) }
    }
}
