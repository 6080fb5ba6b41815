//! The values of arguments, and how they are parsed.

use std::time::Duration;

use clap::ValueEnum;
use poolbridge_core::names::Sub;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;

/// Selects one pool or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sides {
    /// Only the old pool
    Old,
    /// Only the new pool
    New,
    /// Both pools
    Both,
}

impl Sides {
    /// The selected sides.
    pub(crate) fn sides(self) -> Vec<Side> {
        match self {
            Self::Old => vec![Side::Old],
            Self::New => vec![Side::New],
            Self::Both => Side::BOTH.to_vec(),
        }
    }
}

/// What follows from a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestoreChoice {
    /// The other pool is right.
    Heal,
    /// The restored pool is right.
    Propagate,
    /// No pool was restored.
    None,
}

/// A decision about one pool's restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestoreDecision {
    /// The pool, if it is named.
    pub(crate) side: Option<Side>,
    /// The decision.
    pub(crate) choice: RestoreChoice,
}

/// An account as an operator names it: `SUB`, `old:SUB` or `new:SUB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedAccount {
    /// The pool, if it is named.
    pub(crate) side: Option<Side>,
    /// The `sub`.
    pub(crate) sub: Sub,
}

impl NamedAccount {
    /// The pools that may hold the account.
    pub(crate) fn sides(&self) -> Vec<Side> {
        self.side.map_or_else(|| Side::BOTH.to_vec(), |side| vec![side])
    }
}

/// Splits `old:rest` into the pool and the rest. Without the name of a pool the text stays whole.
fn with_side(text: &str, separator: char) -> (Option<Side>, &str) {
    let named = Side::BOTH.into_iter().find_map(|side| {
        let rest = text.strip_prefix(side.name())?.strip_prefix(separator)?;
        Some((Some(side), rest))
    });
    named.unwrap_or((None, text))
}

pub(super) fn account(text: &str) -> Result<NamedAccount, String> {
    let (side, text) = with_side(text, ':');
    Ok(NamedAccount { side, sub: sub(text)? })
}

pub(super) fn sub(text: &str) -> Result<Sub, String> {
    Sub::try_from(text).map_err(|error| error.to_string())
}

pub(super) fn restore_decision(text: &str) -> Result<RestoreDecision, String> {
    let (side, text) = with_side(text, '=');
    let choice = match text {
        "heal" => RestoreChoice::Heal,
        "propagate" => RestoreChoice::Propagate,
        "none" => RestoreChoice::None,
        _ => return Err("write heal, propagate or none; old=heal names the pool".to_owned()),
    };
    Ok(RestoreDecision { side, choice })
}

pub(super) fn state(text: &str) -> Result<PersonState, String> {
    let known = PersonState::ALL.map(PersonState::name).join(", ");
    let state = PersonState::from_name(text).ok_or_else(|| format!("write one of: {known}"))?;
    if state == PersonState::Synced {
        return Err("synced people are not listed; `explain` shows one person".to_owned());
    }
    Ok(state)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = poolbridge_config::duration(text);
    duration.ok_or_else(|| "write a whole number and ms, s, m or h: 10s".to_owned())
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=1_000).contains(count));
    count.ok_or_else(|| "write a number from 1 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_named_with_or_without_their_pool() {
        let sub = Sub::try_from("a-b").unwrap();
        assert_eq!(account("a-b"), Ok(NamedAccount { side: None, sub: sub.clone() }));
        let old = NamedAccount { side: Some(Side::Old), sub: sub.clone() };
        assert_eq!(account("old:a-b"), Ok(old));
        assert_eq!(account("new:a-b"), Ok(NamedAccount { side: Some(Side::New), sub }));
        assert!(account("").is_err());
        assert!(account("old:").is_err());
    }

    #[test]
    fn restore_decisions_are_made_with_or_without_a_pool() {
        let choice = RestoreChoice::Heal;
        assert_eq!(restore_decision("heal"), Ok(RestoreDecision { side: None, choice }));
        let old = RestoreDecision { side: Some(Side::Old), choice };
        assert_eq!(restore_decision("old=heal"), Ok(old));
        assert!(restore_decision("old:heal").is_err());
    }
}
