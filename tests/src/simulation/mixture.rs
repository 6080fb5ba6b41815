//! The mixtures of worlds that the suites run, by the names under which one of them is replayed.

use poolbridge_core::policy::StalePasswords;

use super::profile::{Act, Profile};

/// A mixture of worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// Edits, and whatever goes wrong.
    Mixed,
    /// People delete their accounts as well, and others get their addresses.
    Departing,
    /// The sweep is at work all the while.
    Swept,
    /// So it is, and nothing else tells of any edit.
    Unnoticed,
    /// So it is, and one page in three of its listings lies.
    Lying,
    /// The sweep is at work while people delete their accounts.
    DepartingSwept,
    /// So it is, nothing else tells of any deletion, and pages lie.
    DepartingLying,
}

impl Mixture {
    /// Every mixture.
    pub const ALL: [Self; 7] = [
        Self::Mixed,
        Self::Departing,
        Self::Swept,
        Self::Unnoticed,
        Self::Lying,
        Self::DepartingSwept,
        Self::DepartingLying,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Departing => "departing",
            Self::Swept => "swept",
            Self::Unnoticed => "unnoticed",
            Self::Lying => "lying",
            Self::DepartingSwept => "departing-swept",
            Self::DepartingLying => "departing-lying",
        }
    }

    /// The mixture of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mixture| mixture.name() == name)
    }

    /// What its worlds are like.
    pub fn profile(self) -> Profile {
        match self {
            Self::Mixed => Profile::mixed(),
            Self::Departing => Profile::departing(),
            Self::Swept => swept(Profile::mixed()),
            Self::Unnoticed => unnoticed(swept(Profile::mixed())),
            Self::Lying => lying(swept(Profile::mixed())),
            Self::DepartingSwept => swept(Profile::departing()),
            Self::DepartingLying => lying(unnoticed(swept(Profile::departing()))),
        }
    }
}

fn swept(profile: Profile) -> Profile {
    Profile { sweeps: 3, ..profile }
}

/// No listing shows that a password was set.
fn unnoticed(mut profile: Profile) -> Profile {
    profile.acts.retain(|(act, _)| *act != Act::Password);
    Profile { unnoticed: true, stale_passwords: vec![StalePasswords::Keep], ..profile }
}

fn lying(mut profile: Profile) -> Profile {
    profile.climate.lies_one_in = 3;
    profile
}
