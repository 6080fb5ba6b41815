//! The mixtures of worlds that the suites run, by name; `make replay` uses the same names.

use poolbridge_core::policy::StalePasswords;

use super::parameters::{Act, MoveWeights, WorldParameters};
use crate::world::fault_injection::{CallFate, FaultRates};

/// A mixture of worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// Edits and all faults.
    Mixed,
    /// People also delete their accounts, and others get their addresses.
    Deleting,
    /// People mostly delete their accounts and sign up again, and reads are stale.
    Returning,
    /// The sweep runs all the time.
    Swept,
    /// The sweep runs, and only it detects edits.
    NoEvents,
    /// The sweep runs, and one page in three of its listings is wrong.
    WrongListings,
    /// The sweep runs while people delete their accounts.
    DeletingSwept,
    /// The sweep runs, only it detects deletions, and pages are wrong.
    DeletingWrongListings,
    /// Texts are blanked, restored, and set to the same few words on both sides.
    Repeating,
    /// The same with stale reads.
    RepeatingStale,
    /// The same with crashing workers and lost answers.
    RepeatingCrashing,
    /// The same with suspended workers.
    RepeatingSuspended,
}

impl Mixture {
    /// Every mixture.
    pub const ALL: [Self; 12] = [
        Self::Mixed,
        Self::Deleting,
        Self::Returning,
        Self::Swept,
        Self::NoEvents,
        Self::WrongListings,
        Self::DeletingSwept,
        Self::DeletingWrongListings,
        Self::Repeating,
        Self::RepeatingStale,
        Self::RepeatingCrashing,
        Self::RepeatingSuspended,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Deleting => "deleting",
            Self::Returning => "returning",
            Self::Swept => "swept",
            Self::NoEvents => "no-events",
            Self::WrongListings => "wrong-listings",
            Self::DeletingSwept => "deleting-swept",
            Self::DeletingWrongListings => "deleting-wrong-listings",
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
    pub fn parameters(self) -> WorldParameters {
        match self {
            Self::Mixed => WorldParameters::mixed(),
            Self::Deleting => WorldParameters::deleting(),
            Self::Returning => returning(WorldParameters::deleting()),
            Self::Swept => swept(WorldParameters::mixed()),
            Self::NoEvents => no_events(swept(WorldParameters::mixed())),
            Self::WrongListings => wrong_listings(swept(WorldParameters::mixed())),
            Self::DeletingSwept => swept(WorldParameters::deleting()),
            Self::DeletingWrongListings => {
                wrong_listings(no_events(swept(WorldParameters::deleting())))
            }
            Self::Repeating => WorldParameters::repeating(),
            Self::RepeatingStale => stale(WorldParameters::repeating()),
            Self::RepeatingCrashing => crashing(WorldParameters::repeating()),
            Self::RepeatingSuspended => suspended(WorldParameters::repeating()),
        }
    }
}

fn returning(parameters: WorldParameters) -> WorldParameters {
    let acts = vec![(Act::Delete, 2), (Act::Return, 3)];
    WorldParameters { edits_max: 12, acts, crashes: 0, ..stale(parameters) }
}

/// No listing shows second factors.
fn swept(mut parameters: WorldParameters) -> WorldParameters {
    parameters.acts.retain(|(act, _)| *act != Act::Factor);
    WorldParameters { sweeps: 3, ..parameters }
}

/// No listing shows that a password was set.
fn no_events(mut parameters: WorldParameters) -> WorldParameters {
    parameters.acts.retain(|(act, _)| *act != Act::Password);
    WorldParameters { no_events: true, stale_passwords: vec![StalePasswords::Keep], ..parameters }
}

fn wrong_listings(mut parameters: WorldParameters) -> WorldParameters {
    parameters.rates.wrong_page_one_in = 3;
    parameters
}

fn stale(parameters: WorldParameters) -> WorldParameters {
    let rates = FaultRates { stale_one_in: 2, stale_max: 8, ..FaultRates::none() };
    WorldParameters { rates, ..parameters }
}

fn crashing(parameters: WorldParameters) -> WorldParameters {
    let rates = FaultRates {
        fault_one_in: 12,
        faults_max: 2,
        faults: vec![CallFate::AnswerLost, CallFate::RequestLost, CallFate::LandsLate],
        stale_one_in: 6,
        stale_max: 4,
        ..FaultRates::none()
    };
    WorldParameters {
        rates,
        crashes: 2,
        move_weights: MoveWeights { crash: 6, ..MoveWeights::default() },
        ..parameters
    }
}

fn suspended(parameters: WorldParameters) -> WorldParameters {
    let move_weights = MoveWeights { rare: 12, ..MoveWeights::default() };
    WorldParameters {
        suspensions: 3,
        repeats: 3,
        suspendable: vec![true],
        move_weights,
        ..parameters
    }
}
