//! The control item: how far the move is, and what stops the bridge.

use strum::{IntoStaticStr, VariantArray};

use crate::breaker::Breaker;
use crate::limits;
use crate::outcome::Reason;
use crate::restore::{AfterRestore, Restore, RestoreStage};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::variants::named;

/// How far the move from the old to the new pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// poolbridge writes nothing yet.
    Prepare,
    /// The old pool is active, and poolbridge keeps the new pool in step. A table without a control
    /// item is in this phase: the deployment of the bridge is the start.
    #[default]
    Follow,
    /// The new pool is active, and poolbridge keeps the old pool in step.
    Switched,
    /// The move is finished.
    Complete,
}

named!(
    Phase,
    ALL: "Every phase, in order.",
    name: "Its name in the table and on the command line."
);

impl Phase {
    /// The pool that applications sign in to.
    pub const fn active(self) -> Side {
        match self {
            Self::Prepare | Self::Follow => Side::Old,
            Self::Switched | Self::Complete => Side::New,
        }
    }
}

/// The control item. Every worker reads it after each claim (`IntentChecksPhase`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Control {
    /// The phase.
    pub phase: Phase,
    /// A switch was announced. Workers start nothing new.
    pub closing: bool,
    /// An operator paused the bridge, with this reason.
    pub paused: Option<String>,
    /// The circuit breaker is open: apply removes nothing until an operator closes it.
    pub breaker: Option<Breaker>,
    /// By pool: it was restored to a point in time, or deleted. An operator decides what follows.
    pub restores: BySide<Option<Restore>>,
    /// The active configuration, and since when it is active.
    pub configuration: Option<ConfigurationStamp>,
    /// Increases with every write of this item.
    pub revision: u64,
}

impl Control {
    /// Whether the active configuration has another hash than `hash`.
    pub fn is_other_configuration(&self, hash: &str) -> bool {
        self.configuration.as_ref().is_some_and(|it| it.hash != hash)
    }

    /// The side whose pool the configuration `wanted` replaces by another pool. The person records
    /// name accounts of the former pool, so in the other pool every account would count as deleted.
    pub fn replaced_pool(&self, wanted: &ConfigurationStamp) -> Option<Side> {
        let now = &self.configuration.as_ref()?.pools;
        Side::BOTH.into_iter().find(|side| now.get(*side) != wanted.pools.get(*side))
    }

    /// Why poolbridge writes nothing in this phase, not even a disable.
    const fn inactive(&self) -> Option<Reason> {
        match self.phase {
            Phase::Complete => Some(Reason::Complete),
            Phase::Prepare => Some(Reason::Paused),
            Phase::Follow | Phase::Switched => None,
        }
    }

    /// Why a process with the configuration `hash` may follow neither phase nor mapping now: a
    /// switch was announced, or another configuration is active.
    fn unsettled(&self, hash: &str) -> Option<Reason> {
        let closing = self.closing.then_some(Reason::Closing);
        closing.or(self.is_other_configuration(hash).then_some(Reason::OtherConfiguration))
    }

    /// Why a process with the configuration `hash` may write nothing now, if that is so; but see
    /// [`Self::only_disables`]. A pause is not among the reasons: it still allows a disable.
    pub fn barred(&self, hash: &str) -> Option<Reason> {
        self.inactive().or(self.unsettled(hash))
    }

    /// Why a process with the configuration `hash` could process no hint now, if that is so.
    pub fn bars_hints(&self, hash: &str) -> Option<Reason> {
        self.inactive().or(self.stopped()).or(self.unsettled(hash))
    }

    /// Why a process with the configuration `hash` may write only disables now, if that is so
    /// (invariant 10). A disable depends neither on the active configuration nor on the phase:
    /// `enabled` has one mapping, and "disabled" wins whichever pool is active.
    pub fn only_disables(&self, hash: &str) -> Option<Reason> {
        if self.inactive().is_some() {
            return None;
        }
        self.unsettled(hash).or(self.stopped())
    }

    /// Whether that pool was restored or deleted, and the operator has not decided yet.
    pub fn is_undecided(&self, side: Side) -> bool {
        self.restores.get(side).is_some_and(|restore| restore.is_undecided())
    }

    /// Why apply writes nothing, if that is so: an operator paused the bridge, or a restore waits
    /// for a decision. apply still writes a disable, unless the restore itself may have caused it.
    pub fn stopped(&self) -> Option<Reason> {
        if self.paused.is_some() {
            return Some(Reason::Paused);
        }
        Side::BOTH.into_iter().any(|side| self.is_undecided(side)).then_some(Reason::Restored)
    }

    /// The restore of that pool that the operator decided to heal, and the time of the decision. It
    /// counts for [`limits::HEALING_TIME_MAX`]; by then several sweeps have compared every person.
    pub fn heals(&self, side: Side, now: Time) -> Option<(Restore, Time)> {
        let restore =
            self.restores.get(side).filter(|restore| restore.stage == RestoreStage::Started)?;
        let decided = restore.decided.filter(|decided| decided.what == AfterRestore::Heal)?;
        (now < decided.at + limits::HEALING_TIME_MAX).then_some((restore, decided.at))
    }
}

/// The identity of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigurationStamp {
    /// A hash of everything that decides what is written.
    pub hash: String,
    /// When it became active.
    pub since: Time,
    /// The ids of the two pools whose accounts the person records name.
    pub pools: BySide<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::TimedDecision;

    #[test]
    fn a_configuration_that_replaces_a_pool_is_detected_with_its_side() {
        let stamp = |old: &str, new: &str| ConfigurationStamp {
            hash: format!("{old} {new}"),
            since: Time::ZERO,
            pools: BySide { old: old.to_owned(), new: new.to_owned() },
        };
        let none = Control::default();
        assert_eq!(none.replaced_pool(&stamp("a", "b")), None, "no configuration is active yet");
        let control = Control { configuration: Some(stamp("a", "b")), ..none };
        assert_eq!(control.replaced_pool(&stamp("a", "b")), None);
        assert_eq!(control.replaced_pool(&stamp("c", "b")), Some(Side::Old));
        assert_eq!(control.replaced_pool(&stamp("a", "c")), Some(Side::New));
    }

    #[test]
    fn only_an_undecided_restore_stops_writes() {
        let control = |stage: RestoreStage| {
            let mut control = Control::default();
            control.restores.old = Some(Restore { stage, since: Time(1), decided: None });
            control
        };
        assert_eq!(Control::default().stopped(), None);
        assert_eq!(control(RestoreStage::Cancelled).stopped(), None);
        for stage in [RestoreStage::Prepared, RestoreStage::Started, RestoreStage::Deleted] {
            assert_eq!(control(stage).stopped(), Some(Reason::Restored));
        }
        let mut decided = control(RestoreStage::Started);
        decided.restores.old.as_mut().unwrap().decided =
            Some(TimedDecision { what: AfterRestore::Heal, at: Time(5) });
        assert_eq!(decided.stopped(), None);
        assert!(decided.heals(Side::Old, Time(6)).is_some());
        assert!(decided.heals(Side::New, Time(6)).is_none());
        assert!(decided.heals(Side::Old, Time(6) + limits::HEALING_TIME_MAX).is_none());
    }
}
