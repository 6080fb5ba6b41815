//! The mixtures of worlds that the suites run, by name; `make replay` uses the same names.

use poolbridge_core::policy::StalePasswords;

use super::profile::{Act, Profile, Rhythm};
use crate::world::weather::{Climate, Fate};

/// A mixture of worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// Edits and all faults.
    Mixed,
    /// People also delete their accounts, and others get their addresses.
    Departing,
    /// People mostly delete their accounts and sign up again, and reads are stale.
    Returning,
    /// The sweep runs all the time.
    Swept,
    /// The sweep runs, and only it detects edits.
    Unnoticed,
    /// The sweep runs, and one page in three of its listings is wrong.
    Lying,
    /// The sweep runs while people delete their accounts.
    DepartingSwept,
    /// The sweep runs, only it detects deletions, and pages are wrong.
    DepartingLying,
    /// Texts are blanked, restored, and set to the same few words on both sides.
    Repeating,
    /// The same with stale reads.
    RepeatingStale,
    /// The same with dying workers and lost answers.
    RepeatingCrashing,
    /// The same with suspended workers.
    RepeatingSuspended,
}

impl Mixture {
    /// Every mixture.
    pub const ALL: [Self; 12] = [
        Self::Mixed,
        Self::Departing,
        Self::Returning,
        Self::Swept,
        Self::Unnoticed,
        Self::Lying,
        Self::DepartingSwept,
        Self::DepartingLying,
        Self::Repeating,
        Self::RepeatingStale,
        Self::RepeatingCrashing,
        Self::RepeatingSuspended,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Departing => "departing",
            Self::Returning => "returning",
            Self::Swept => "swept",
            Self::Unnoticed => "unnoticed",
            Self::Lying => "lying",
            Self::DepartingSwept => "departing-swept",
            Self::DepartingLying => "departing-lying",
            Self::Repeating => "repeating",
            Self::RepeatingStale => "repeating-stale",
            Self::RepeatingCrashing => "repeating-crashing",
            Self::RepeatingSuspended => "repeating-suspended",
        }
    }

    /// The mixture of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mixture| mixture.name() == name)
    }

    /// The profile of its worlds.
    pub fn profile(self) -> Profile {
        match self {
            Self::Mixed => Profile::mixed(),
            Self::Departing => Profile::departing(),
            Self::Returning => returning(Profile::departing()),
            Self::Swept => swept(Profile::mixed()),
            Self::Unnoticed => unnoticed(swept(Profile::mixed())),
            Self::Lying => lying(swept(Profile::mixed())),
            Self::DepartingSwept => swept(Profile::departing()),
            Self::DepartingLying => lying(unnoticed(swept(Profile::departing()))),
            Self::Repeating => Profile::repeating(),
            Self::RepeatingStale => stale(Profile::repeating()),
            Self::RepeatingCrashing => crashing(Profile::repeating()),
            Self::RepeatingSuspended => suspended(Profile::repeating()),
        }
    }
}

fn returning(profile: Profile) -> Profile {
    let acts = vec![(Act::Delete, 2), (Act::Return, 3)];
    Profile { edits_max: 12, acts, crashes: 0, ..stale(profile) }
}

/// No listing shows second factors.
fn swept(mut profile: Profile) -> Profile {
    profile.acts.retain(|(act, _)| *act != Act::Factor);
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

fn stale(profile: Profile) -> Profile {
    let climate = Climate { stale_one_in: 2, stale_max: 8, ..Climate::calm() };
    Profile { climate, ..profile }
}

fn crashing(profile: Profile) -> Profile {
    let climate = Climate {
        fault_one_in: 12,
        faults_max: 2,
        faults: vec![Fate::AnswerLost, Fate::RequestLost, Fate::LandsLate],
        stale_one_in: 6,
        stale_max: 4,
        ..Climate::calm()
    };
    Profile { climate, crashes: 2, rhythm: Rhythm { crash: 6, ..Rhythm::default() }, ..profile }
}

fn suspended(profile: Profile) -> Profile {
    let rhythm = Rhythm { rare: 12, ..Rhythm::default() };
    Profile { sleeps: 3, repeats: 3, suspendable: vec![true], rhythm, ..profile }
}
