//! What a simulated world may contain: a mixture for the suite, or a world tuned to one rule.

use std::time::Duration;

use poolbridge_core::limits;
use poolbridge_core::policy::{ConflictRule, Deletes, Provision, StalePasswords};
use poolbridge_core::rules::ProtocolRules;

use crate::world::fault_injection::{CallFate, FaultRates};

/// The state of a human at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InitialState {
    /// In both pools, linked, agreed.
    Agreed,
    /// In both pools, not linked yet; some fields differ.
    Unlinked,
    /// In both pools, with one person record each.
    Halves,
    /// In the old pool only.
    OldOnly,
    /// In the new pool only.
    NewOnly,
}

/// An act of a person or an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Sets a text attribute to a new value.
    Text,
    /// Sets a text attribute to one of a few words.
    Word,
    /// Removes a text attribute.
    Blank,
    /// Sets a text attribute back to its value before the last change, or removes it again.
    Restore,
    /// Sets another e-mail address, verified at once or not yet.
    Address,
    /// Sets another phone number, verified at once or not yet.
    Phone,
    /// Verifies the e-mail address, or the phone number.
    Verify,
    /// Switches a second factor on or off.
    Factor,
    /// Joins or leaves a group.
    Group,
    /// Is disabled or enabled.
    Enabled,
    /// Sets a password.
    Password,
    /// Signs in, which changes nothing and is captured as a hint.
    SignIn,
    /// Undoes the last edit of a yes-or-no field, or makes the next one.
    Undo,
    /// Deletes the account, and another person signs up with the same username.
    Replace,
    /// Deletes the account. Either no event reports it, or `CloudTrail` does and names the account.
    Delete,
    /// Another person signs up with the address, and perhaps the username, of a deleted account.
    Return,
    /// Signs up in the other pool too.
    Join,
}

/// The schemas of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolLayout {
    /// Usernames are free; several accounts may have one address.
    Plain,
    /// People sign in by their address on both sides.
    ByAddress,
    /// Plain on the old side, by address on the new one.
    Mixed,
    /// Usernames are free, and a verified address is an alias, on both sides.
    Alias,
    /// With aliases on the old side, by address on the new one.
    AliasToAddress,
}

/// What a world may contain. Each list is a choice; a list with one element leaves none.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what a world has or has not is independent")]
pub struct WorldParameters {
    /// The minimum number of people.
    pub people_min: usize,
    /// The maximum number of people.
    pub people_max: usize,
    /// The maximum number of workers, each with one captured change.
    pub workers_max: usize,
    /// The maximum number of edits.
    pub edits_max: usize,
    /// The schemas of the pools.
    pub layouts: Vec<PoolLayout>,
    /// The state of each human at the beginning.
    pub starts: Vec<InitialState>,
    /// The acts, with their weights.
    pub acts: Vec<(Act, u32)>,
    /// The text attributes.
    pub texts: Vec<&'static str>,
    /// Whether people have phone numbers and second factors.
    pub phones: bool,
    /// Whether addresses have capital letters, where a pool keeps them.
    pub spellings: bool,
    /// Whether there may also be a federated account, and an account that only claims an address,
    /// both with the first human's address.
    pub same_address_accounts: bool,
    /// Whether there may be a field that the new pool cannot change, and a group that it lacks.
    pub limits: bool,
    /// Another person has the first human's address, unverified.
    pub claimant: bool,
    /// The conflict rules.
    pub conflicts: Vec<ConflictRule>,
    /// Whether people are created.
    pub provision: Vec<Provision>,
    /// What happens at a deletion.
    pub deletes: Vec<Deletes>,
    /// What happens to outdated passwords.
    pub stale_passwords: Vec<StalePasswords>,
    /// Whether workers can be suspended.
    pub suspendable: Vec<bool>,
    /// The clock allowance of the bridge.
    pub clock_allowance: Duration,
    /// The faults of calls.
    pub rates: FaultRates,
    /// How often workers crash.
    pub crashes: u32,
    /// How often a worker is suspended.
    pub suspensions: u32,
    /// Workers are suspended only before this request, if one is named.
    pub suspend_before: Option<&'static str>,
    /// How often a message becomes visible again while it is processed.
    pub repeats: u32,
    /// How often a message is lost.
    pub losses: u32,
    /// How often a service is out of reach for a while.
    pub outages: u32,
    /// How often the check for "drained" runs.
    pub drain_checks: u32,
    /// How often the sweep runs while everything else happens. If it runs at all, only it finds at
    /// the end what no event reported.
    pub sweeps: u32,
    /// Whether no event reports any edit: no trigger and no `CloudTrail`.
    pub no_events: bool,
    /// How the scheduler weighs the next move.
    pub move_weights: MoveWeights,
    /// The rules of the protocol that hold.
    pub rules: ProtocolRules,
}

/// How the scheduler weighs the next move.
#[derive(Clone, Copy, Debug)]
pub struct MoveWeights {
    /// One task takes a turn.
    pub turn: u32,
    /// A person makes an edit.
    pub edit: u32,
    /// A message is delivered.
    pub deliver: u32,
    /// A short time passes.
    pub moment: u32,
    /// Time passes until something becomes possible or certain.
    pub wait: u32,
    /// A worker crashes.
    pub crash: u32,
    /// A late request lands.
    pub land: u32,
    /// Rarer moves: losses, repeats, outages, checks, a suspension, a resend.
    pub rare: u32,
}

impl Default for MoveWeights {
    fn default() -> Self {
        Self { turn: 60, edit: 5, deliver: 12, moment: 5, wait: 1, crash: 2, land: 4, rare: 4 }
    }
}

impl WorldParameters {
    /// The suite's mixture.
    pub fn mixed() -> Self {
        Self {
            people_min: 1,
            people_max: 3,
            workers_max: 3,
            edits_max: 8,
            layouts: vec![
                PoolLayout::Plain,
                PoolLayout::ByAddress,
                PoolLayout::Mixed,
                PoolLayout::Alias,
                PoolLayout::AliasToAddress,
            ],
            starts: vec![
                InitialState::Agreed,
                InitialState::Agreed,
                InitialState::Unlinked,
                InitialState::Halves,
                InitialState::OldOnly,
                InitialState::NewOnly,
            ],
            acts: vec![
                (Act::Text, 5),
                (Act::Word, 3),
                (Act::Blank, 2),
                (Act::Restore, 2),
                (Act::Address, 3),
                (Act::Phone, 2),
                (Act::Verify, 4),
                (Act::Factor, 2),
                (Act::Group, 4),
                (Act::Enabled, 2),
                (Act::Undo, 2),
                (Act::Password, 2),
                (Act::SignIn, 2),
            ],
            texts: vec!["name", "department", "nickname"],
            phones: true,
            spellings: true,
            same_address_accounts: true,
            limits: true,
            claimant: false,
            conflicts: vec![ConflictRule::ActiveWins, ConflictRule::ActiveWins, ConflictRule::Hold],
            provision: vec![Provision::Lazy, Provision::Eager],
            deletes: vec![Deletes::Disable],
            stale_passwords: vec![StalePasswords::Keep, StalePasswords::Close],
            suspendable: vec![false, true],
            clock_allowance: limits::CLOCK_ALLOWANCE,
            rates: FaultRates {
                fault_one_in: 18,
                faults_max: 4,
                faults: CallFate::FAULTS.to_vec(),
                only: None,
                stale_one_in: 8,
                stale_max: 4,
                clock_error: limits::CLOCK_ERROR_MAX,
                ..FaultRates::none()
            },
            crashes: 2,
            suspensions: 1,
            suspend_before: None,
            repeats: 2,
            losses: 2,
            outages: 1,
            drain_checks: 3,
            sweeps: 0,
            no_events: false,
            move_weights: MoveWeights::default(),
            rules: ProtocolRules::WHOLE,
        }
    }

    /// The suite's mixture, in which people also delete their accounts.
    pub fn deleting() -> Self {
        let mut acts = Self::mixed().acts;
        let left_out = |act: Act| matches!(act, Act::Blank | Act::Verify | Act::Undo | Act::SignIn);
        acts.retain(|(act, _)| !left_out(*act));
        acts.extend([(Act::Delete, 8), (Act::Return, 8), (Act::Join, 4)]);
        Self {
            people_max: 4,
            acts,
            deletes: vec![Deletes::Disable, Deletes::Delete, Deletes::Keep],
            ..Self::mixed()
        }
    }

    /// One human and two texts that are blanked, restored, and set to the same few words on both
    /// sides. So values of two moments and of two sides are often equal.
    pub fn repeating() -> Self {
        Self {
            workers_max: 3,
            edits_max: 4,
            acts: vec![(Act::Word, 2), (Act::Blank, 2), (Act::Restore, 2)],
            texts: vec!["name", "nickname"],
            ..Self::minimal()
        }
    }

    /// One human, agreed on both sides, one text field, no faults: the base of a tuned world.
    pub fn minimal() -> Self {
        Self {
            people_min: 1,
            people_max: 1,
            workers_max: 2,
            edits_max: 2,
            layouts: vec![PoolLayout::Plain],
            starts: vec![InitialState::Agreed],
            acts: vec![(Act::Text, 1)],
            texts: vec!["name"],
            phones: false,
            spellings: false,
            same_address_accounts: false,
            limits: false,
            claimant: false,
            conflicts: vec![ConflictRule::ActiveWins],
            provision: vec![Provision::Lazy],
            deletes: vec![Deletes::Disable],
            stale_passwords: vec![StalePasswords::Keep],
            suspendable: vec![false],
            clock_allowance: Duration::ZERO,
            rates: FaultRates::none(),
            crashes: 0,
            suspensions: 0,
            suspend_before: None,
            repeats: 0,
            losses: 0,
            outages: 0,
            drain_checks: 0,
            sweeps: 0,
            no_events: false,
            move_weights: MoveWeights::default(),
            rules: ProtocolRules::WHOLE,
        }
    }
}
