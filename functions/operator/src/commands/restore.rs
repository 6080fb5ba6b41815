//! `resume --after-restore`: decides what follows from a pool's restore to a point in time.

use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::Recovery;
use poolbridge_core::control::Control;
use poolbridge_core::restore::{AfterRestore, Restore, RestoreStage, TimedDecision};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::cli::{RestoreChoice, RestoreDecision};
use crate::failure::Failure;
use crate::terminal;

/// A decision about one pool, ready to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) side: Side,
    pub(crate) choice: RestoreChoice,
}

/// The decision with its pool: the named pool, or the only one that waits for a decision.
pub(crate) fn choice(control: &Control, decision: &RestoreDecision) -> Result<Choice, Failure> {
    let waiting: Vec<Side> = match decision.side {
        Some(side) => vec![side],
        None => Side::BOTH.into_iter().filter(|side| control.is_undecided(*side)).collect(),
    };
    let side = match waiting.as_slice() {
        [side] => *side,
        [] => {
            let hint = "run `poolbridge resume` without --after-restore";
            return Err(Failure::new("no restore waits for a decision", hint));
        }
        _ => {
            let hint = "name one pool, and then the other: `--after-restore old=heal`";
            return Err(Failure::new("the restores of both pools wait for a decision", hint));
        }
    };
    let Some(restore) = control.restores.get(side) else {
        let hint = "`poolbridge status` shows which pool was restored";
        let what = format!("no restore of the {side} pool is recorded");
        return Err(Failure::new(what, hint));
    };
    if restore.stage == RestoreStage::Deleted && decision.choice != RestoreChoice::None {
        // In this bridge, all people would count as deleted from the pool that replaces it.
        let hint = "give the pool that replaces it a bridge with another `name`; if no pool was \
                    deleted, run `poolbridge resume --after-restore none`";
        return Err(Failure::new(format!("the {side} pool was deleted"), hint));
    }
    Ok(Choice { side, choice: decision.choice })
}

/// Refuses a decision while the recovery still runs, because the pool's state is not final. If the
/// pool does not answer, it only warns, and the operator's decision counts.
pub(crate) async fn check_ended(
    resources: &BridgeResources,
    choice: Choice,
) -> Result<(), Failure> {
    let side = choice.side;
    let administration = resources.administration(side).await;
    match Box::pin(administration.recoveries()).await {
        Ok(recoveries) => still_open(side, &recoveries).map_or(Ok(()), Err),
        Err(error) => {
            terminal::message(&format!(
                "warning: whether the recovery of the {side} pool has ended is unknown: {error}"
            ));
            Ok(())
        }
    }
}

fn still_open(side: Side, recoveries: &[Recovery]) -> Option<Failure> {
    let open = recoveries.iter().find(|recovery| recovery.is_open())?;
    let what = format!("a recovery of the {side} pool has not ended: {}", open.status);
    Some(Failure::new(what, "wait until it has ended, or cancel it, then run the command again"))
}

/// What the decision does, for the plan.
pub(crate) fn plan(choice: Choice) -> String {
    let Choice { side, choice } = choice;
    let other = side.other();
    match choice {
        RestoreChoice::Heal => format!(
            "heal the {side} pool: where it differs from the baseline, write the {other} pool's \
             value there, also over edits since the restore; hold people whose account the restore \
             removed"
        ),
        RestoreChoice::Propagate => format!(
            "propagate the restore: where the {side} pool differs from the baseline, write its \
             value to the {other} pool"
        ),
        RestoreChoice::None => {
            format!("delete the record that the {side} pool was restored or deleted")
        }
    }
}

/// Writes the decision into the control item. The same decision keeps its time.
pub(crate) fn decide(control: &mut Control, choice: Choice, now: Time) {
    let what = match choice.choice {
        RestoreChoice::Heal => AfterRestore::Heal,
        RestoreChoice::Propagate => AfterRestore::Propagate,
        RestoreChoice::None => {
            // A late event about this recovery must not count as a new one.
            *control.restores.get_mut(choice.side) =
                Some(Restore { stage: RestoreStage::Cancelled, since: now, decided: None });
            return;
        }
    };
    if let Some(restore) = control.restores.get_mut(choice.side) {
        // The event about the start may be lost.
        restore.stage = RestoreStage::Started;
        if restore.decided.is_none_or(|before| before.what != what) {
            restore.decided = Some(TimedDecision { what, at: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(restores: &[(Side, RestoreStage)]) -> Control {
        let mut control = Control::default();
        for (side, stage) in restores {
            *control.restores.get_mut(*side) =
                Some(Restore { stage: *stage, since: Time(5), decided: None });
        }
        control
    }

    const fn heal(side: Option<Side>) -> RestoreDecision {
        RestoreDecision { side, choice: RestoreChoice::Heal }
    }

    #[test]
    fn decision_without_a_pool_applies_to_the_only_pool_that_waits() {
        let one = control(&[(Side::New, RestoreStage::Started)]);
        assert_eq!(choice(&one, &heal(None)).unwrap().side, Side::New);
        let both =
            control(&[(Side::Old, RestoreStage::Prepared), (Side::New, RestoreStage::Started)]);
        assert!(choice(&both, &heal(None)).is_err());
        assert_eq!(choice(&both, &heal(Some(Side::Old))).unwrap().side, Side::Old);
        for none in [control(&[]), control(&[(Side::Old, RestoreStage::Cancelled)])] {
            assert!(choice(&none, &heal(None)).is_err());
        }
        assert!(choice(&one, &heal(Some(Side::Old))).is_err());
    }

    #[test]
    fn deleted_pool_is_neither_healed_nor_propagated() {
        let deleted = control(&[(Side::Old, RestoreStage::Deleted)]);
        let refused = choice(&deleted, &heal(None)).unwrap_err();
        assert!(refused.hint.contains("a bridge with another `name`"), "{}", refused.hint);
        let none = RestoreDecision { side: None, choice: RestoreChoice::None };
        let choice = choice(&deleted, &none).unwrap();
        let mut after = deleted;
        decide(&mut after, choice, Time(9));
        assert_eq!(after.stopped(), None);
    }

    #[test]
    fn the_same_decision_keeps_its_time() {
        let mut control = control(&[(Side::Old, RestoreStage::Prepared)]);
        let chosen = choice(&control, &heal(None)).unwrap();
        decide(&mut control, chosen, Time(9));
        assert_eq!(control.stopped(), None);
        assert!(
            control.heals(Side::Old, Time(10)).is_some(),
            "the event about the start may be lost"
        );
        let once = control.clone();
        decide(&mut control, chosen, Time(20));
        assert_eq!(control, once);
    }

    #[test]
    fn decision_is_refused_while_the_recovery_runs() {
        let one = |status: &str| vec![Recovery { status: status.to_owned() }];
        for open in ["RESTORING", "PREVIEW_GENERATING", "PREVIEW_GENERATED"] {
            assert!(still_open(Side::Old, &one(open)).is_some(), "{open}");
        }
        for over in ["RESTORE_COMPLETED", "PREVIEW_CANCELLED", "PREVIEW_EXPIRED", "AWS_ABORTED"] {
            assert!(still_open(Side::Old, &one(over)).is_none(), "{over}");
        }
    }
}
