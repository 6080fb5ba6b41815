//! `resume --after-restore`: what follows from a pool's restore to a point in time.

use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::cognito::settings::Recovery;
use poolbridge_core::policy::Control;
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
    pub(crate) answer: RestoreChoice,
}

/// The pool that a decision is about: the one that is named, or the only one that waits for one.
pub(crate) fn choice(control: &Control, decision: &RestoreDecision) -> Result<Choice, Failure> {
    let waiting: Vec<Side> = match decision.side {
        Some(side) => vec![side],
        None => Side::BOTH.into_iter().filter(|side| control.is_undecided(*side)).collect(),
    };
    let side = match waiting.as_slice() {
        [side] => *side,
        [] => {
            let hint = "`poolbridge status` shows whether one does; leave --after-restore out";
            return Err(Failure::new("no pool's restore waits for a decision", hint));
        }
        _ => {
            let hint = "name one, and then the other: `--after-restore old=heal`";
            return Err(Failure::new("the restores of both pools wait for a decision", hint));
        }
    };
    let Some(note) = control.restores.get(side) else {
        let hint = "`poolbridge status` shows which pool was restored";
        return Err(Failure::new(format!("no restore of the {side} pool is noted"), hint));
    };
    if note.stage == RestoreStage::Deleted && decision.answer != RestoreChoice::None {
        // In this bridge, all people would count as deleted from the pool that replaces it.
        let hint = "give the pool that replaces it a bridge of another name; if no pool was \
                    deleted, `poolbridge resume --after-restore none`";
        return Err(Failure::new(format!("the {side} pool was deleted"), hint));
    }
    Ok(Choice { side, answer: decision.answer })
}

/// Refuses a decision while the recovery is still under way: what the pool shows is not final.
/// Where the pool cannot be asked, the operator's word counts, and a warning says so.
pub(crate) async fn check_ended(
    resources: &BridgeResources,
    choice: Choice,
) -> Result<(), Failure> {
    let side = choice.side;
    let administration = resources.administration(side).await;
    match Box::pin(administration.recoveries()).await {
        Ok(recoveries) => still_open(side, &recoveries).map_or(Ok(()), Err),
        Err(error) => {
            terminal::say(&format!(
                "warning: the {side} pool did not answer whether its recovery has ended: {error}"
            ));
            Ok(())
        }
    }
}

fn still_open(side: Side, recoveries: &[Recovery]) -> Option<Failure> {
    let open = recoveries.iter().find(|recovery| recovery.is_open())?;
    let what = format!("a recovery of the {side} pool is still under way: {}", open.status);
    Some(Failure::new(what, "wait until it has ended, or cancel it, then run it again"))
}

/// What the decision means, for the plan that is shown before it is made.
pub(crate) fn plan(choice: Choice) -> String {
    let Choice { side, answer } = choice;
    let other = side.other();
    match answer {
        RestoreChoice::Heal => format!(
            ", heal the {side} pool: where it differs from what both pools agreed on, the {other} \
             pool's value is written there, edits made there since the restore included; accounts \
             that the restore took away are held"
        ),
        RestoreChoice::Propagate => format!(
            ", propagate the restore: where the {side} pool differs from what both pools agreed \
             on, its value is written to the {other} pool"
        ),
        RestoreChoice::None => {
            format!(", forget the note that the {side} pool was restored or deleted")
        }
    }
}

/// Writes the decision into the control item. The moment is kept while the decision stays the same.
pub(crate) fn decide(control: &mut Control, choice: Choice, now: Time) {
    let what = match choice.answer {
        RestoreChoice::Heal => AfterRestore::Heal,
        RestoreChoice::Propagate => AfterRestore::Propagate,
        RestoreChoice::None => {
            // An event about it that is still to come must not count as a new recovery.
            *control.restores.get_mut(choice.side) =
                Some(Restore { stage: RestoreStage::Cancelled, since: now, decided: None });
            return;
        }
    };
    if let Some(note) = control.restores.get_mut(choice.side) {
        // The event that told of the start may be lost.
        note.stage = RestoreStage::Started;
        if note.decided.is_none_or(|before| before.what != what) {
            note.decided = Some(TimedDecision { what, at: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(notes: &[(Side, RestoreStage)]) -> Control {
        let mut control = Control::default();
        for (side, stage) in notes {
            *control.restores.get_mut(*side) =
                Some(Restore { stage: *stage, since: Time(5), decided: None });
        }
        control
    }

    const fn heal(side: Option<Side>) -> RestoreDecision {
        RestoreDecision { side, answer: RestoreChoice::Heal }
    }

    #[test]
    fn the_only_pool_that_waits_need_not_be_named() {
        let one = control(&[(Side::New, RestoreStage::Started)]);
        assert_eq!(choice(&one, &heal(None)).unwrap().side, Side::New);
        let both =
            control(&[(Side::Old, RestoreStage::Prepared), (Side::New, RestoreStage::Started)]);
        assert!(choice(&both, &heal(None)).is_err());
        assert_eq!(choice(&both, &heal(Some(Side::Old))).unwrap().side, Side::Old);
        for nothing in [control(&[]), control(&[(Side::Old, RestoreStage::Cancelled)])] {
            assert!(choice(&nothing, &heal(None)).is_err());
        }
        assert!(choice(&one, &heal(Some(Side::Old))).is_err());
    }

    #[test]
    fn a_deleted_pool_is_neither_healed_nor_propagated() {
        let deleted = control(&[(Side::Old, RestoreStage::Deleted)]);
        let refused = choice(&deleted, &heal(None)).unwrap_err();
        assert!(refused.hint.contains("a bridge of another name"), "{}", refused.hint);
        let none = RestoreDecision { side: None, answer: RestoreChoice::None };
        let choice = choice(&deleted, &none).unwrap();
        let mut after = deleted;
        decide(&mut after, choice, Time(9));
        assert_eq!(after.stopped(), None);
    }

    #[test]
    fn a_decision_is_made_once() {
        let mut control = control(&[(Side::Old, RestoreStage::Prepared)]);
        let chosen = choice(&control, &heal(None)).unwrap();
        decide(&mut control, chosen, Time(9));
        assert_eq!(control.stopped(), None);
        assert!(control.heals(Side::Old, Time(10)).is_some(), "the start's event may be lost");
        let once = control.clone();
        decide(&mut control, chosen, Time(20));
        assert_eq!(control, once);
    }

    #[test]
    fn no_decision_is_made_while_the_recovery_runs() {
        let one = |status: &str| vec![Recovery { status: status.to_owned() }];
        for open in ["RESTORING", "PREVIEW_GENERATING", "PREVIEW_GENERATED"] {
            assert!(still_open(Side::Old, &one(open)).is_some(), "{open}");
        }
        for over in ["RESTORE_COMPLETED", "PREVIEW_CANCELLED", "PREVIEW_EXPIRED", "AWS_ABORTED"] {
            assert!(still_open(Side::Old, &one(over)).is_none(), "{over}");
        }
    }
}
