//! The three-way merge of one field. Pure: the state of the field in both pools, its comparison
//! with the baseline, and the rules give an answer.

use crate::facts::{Field, Reading, Value};
use crate::law::{Law, Rule};
use crate::mapping::Ways;
use crate::policy::ConflictRule;
use crate::side::{BySide, Side};
use crate::verdict::Reason;

/// The input of the merge of one field.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The field.
    pub field: &'a Field,
    /// The field state in each pool.
    pub says: BySide<&'a Reading>,
    /// Whether each pool still has the value of the baseline; `None` if there is no baseline.
    pub unchanged: Option<BySide<bool>>,
    /// A write of ours was open, its target holds the value from before the write, and the account
    /// was modified since. So the write may have landed and been undone (R4,
    /// `AmbiguousRevertIsConflict`).
    pub came_back: bool,
    /// A write of ours was open, and its target holds neither the former nor the written value.
    pub edited_meanwhile: bool,
    /// The pool that applications sign in to.
    pub active: Side,
    /// Who wins a conflict.
    pub conflicts: ConflictRule,
    /// In which directions the field travels.
    pub ways: Ways,
    /// Which protocol rules hold.
    pub law: Law,
}

/// The kind of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Both pools changed since they agreed.
    BothChanged,
    /// The pools never agreed and have different values.
    FirstLink,
    /// See [`Question::came_back`].
    CameBack,
    /// See [`Question::edited_meanwhile`].
    EditedMeanwhile,
}

/// What to do about one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing can be concluded: leave both pools and the baseline as they are.
    Leave,
    /// Both pools have the same value.
    Agree,
    /// The value of the other pool is written to this one.
    Carry {
        /// The pool that is written.
        to: Side,
        /// The conflict that was decided in this way, if there was one.
        conflict: Option<Conflict>,
    },
    /// Nothing is written until a person decides.
    Hold(Reason),
}

/// Merges one field.
pub fn merge(question: &Question<'_>) -> Answer {
    let BySide { old, new } = question.says;
    let blind = question.law.keeps(Rule::UnreadIsNotEmpty);
    if blind && (*old == Reading::Unread || *new == Reading::Unread) {
        return Answer::Leave;
    }
    if old == new || (old.value().is_none() && new.value().is_none()) {
        return Answer::Agree;
    }
    if let Ways::Only(to) = question.ways {
        return one_way(question, to);
    }
    if let Some(answer) = same_address(question) {
        return answer;
    }
    let Some(unchanged) = question.unchanged else {
        return first_link(question);
    };
    if question.came_back {
        return conflict(question, Conflict::CameBack);
    }
    // While a write of ours is open, the edit that we carried and an edit in the target may have
    // been made without knowledge of each other.
    let conflict_of = question.edited_meanwhile.then_some(Conflict::EditedMeanwhile);
    match (unchanged.old, unchanged.new) {
        (true, _) => Answer::Carry { to: Side::Old, conflict: conflict_of },
        (false, true) => Answer::Carry { to: Side::New, conflict: conflict_of },
        (false, false) => conflict(question, Conflict::BothChanged),
    }
}

const fn carry(to: Side) -> Answer {
    Answer::Carry { to, conflict: None }
}

/// A rule that cannot be reversed: a change in the target stays there, and a change in the source
/// travels. Without a baseline, an absent value in the source removes nothing. If both changed, or
/// may have, the source wins and the conflict is recorded, because the rule has no other direction.
fn one_way(question: &Question<'_>, to: Side) -> Answer {
    let held = |side: Side| question.says.get(side).value().is_some();
    let Some(unchanged) = question.unchanged else {
        return match (held(to.other()), held(to)) {
            (false, _) => Answer::Leave,
            (true, true) => Answer::Carry { to, conflict: Some(Conflict::FirstLink) },
            (true, false) => carry(to),
        };
    };
    if *unchanged.get(to.other()) {
        return Answer::Leave;
    }
    let conflict = if question.came_back {
        Some(Conflict::CameBack)
    } else if question.edited_meanwhile {
        Some(Conflict::EditedMeanwhile)
    } else {
        (!unchanged.get(to)).then_some(Conflict::BothChanged)
    };
    Answer::Carry { to, conflict }
}

/// Both pools hold the same address, and only one of them holds it as verified.
fn same_address(question: &Question<'_>) -> Option<Answer> {
    let (
        Some(Value::Address { address: old, verified: old_verified }),
        Some(Value::Address { address: new, .. }),
    ) = (question.says.old.value(), question.says.new.value())
    else {
        return None;
    };
    if old != new || !question.law.keeps(Rule::AddressWithFlag) {
        return None;
    }
    let proved = if *old_verified { Side::Old } else { Side::New };
    let lost = question.unchanged.is_some_and(|unchanged| *unchanged.get(proved));
    // The pool with the verified address still has the value of the baseline, so the flag was lost
    // in the other pool. Writing `true` back might take the alias from a person who verified the
    // address since. Writing `false` would weaken the first pool. So a person must decide.
    let answer = if lost { Answer::Hold(Reason::VerificationLost) } else { carry(proved.other()) };
    Some(answer)
}

/// Two accounts without a baseline for this field.
fn first_link(question: &Question<'_>) -> Answer {
    if !question.law.keeps(Rule::MissingBase) {
        return carry(question.active.other());
    }
    match (question.says.old.value(), question.says.new.value()) {
        (Some(_), None) if *question.field != Field::Enabled => carry(Side::New),
        (None, Some(_)) if *question.field != Field::Enabled => carry(Side::Old),
        (None | Some(_), None | Some(_)) => conflict(question, Conflict::FirstLink),
    }
}

fn conflict(question: &Question<'_>, kind: Conflict) -> Answer {
    if *question.field == Field::Enabled {
        // Without agreement "disabled" wins, and a disable is never held.
        let old_says_no = question.says.old.value() == Some(&Value::Flag(false));
        let to = if old_says_no { Side::New } else { Side::Old };
        return Answer::Carry { to, conflict: Some(kind) };
    }
    match question.conflicts {
        ConflictRule::ActiveWins => {
            Answer::Carry { to: question.active.other(), conflict: Some(kind) }
        }
        ConflictRule::Hold => Answer::Hold(Reason::Conflict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Reading {
        Reading::Held(Value::Text(value.to_owned()))
    }

    fn address(value: &str, verified: bool) -> Reading {
        Reading::Held(Value::Address { address: value.to_owned(), verified })
    }

    fn flag(yes: bool) -> Reading {
        Reading::Held(Value::Flag(yes))
    }

    fn ask(field: &Field, old: &Reading, new: &Reading, base: Option<&Reading>) -> Answer {
        merge(&Question {
            field,
            says: BySide { old, new },
            unchanged: base.map(|base| BySide { old: old == base, new: new == base }),
            came_back: false,
            edited_meanwhile: false,
            active: Side::Old,
            conflicts: ConflictRule::ActiveWins,
            ways: Ways::Both,
            law: Law::WHOLE,
        })
    }

    fn name() -> Field {
        Field::from_name("given_name").unwrap()
    }

    const fn decided(to: Side, conflict: Conflict) -> Answer {
        Answer::Carry { to, conflict: Some(conflict) }
    }

    #[test]
    fn invariant_05_a_change_in_one_pool_reaches_the_other() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &b, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, Some(&a)), carry(Side::Old));
        assert_eq!(ask(&name(), &Reading::Absent, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &b, &b, Some(&a)), Answer::Agree);
    }

    #[test]
    fn invariant_05_the_rule_decides_a_change_in_both_pools_and_reports_the_conflict() {
        let (a, b, c) = (text("a"), text("b"), text("c"));
        let both = decided(Side::New, Conflict::BothChanged);
        assert_eq!(ask(&name(), &a, &b, Some(&c)), both);
        assert_eq!(ask(&name(), &a, &Reading::Absent, Some(&c)), both);
    }

    #[test]
    fn without_a_baseline_a_value_beats_an_absent_one_and_two_values_are_a_conflict() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &Reading::Absent, &b, None), carry(Side::Old));
        assert_eq!(ask(&name(), &a, &Reading::Absent, None), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, None), decided(Side::New, Conflict::FirstLink));
    }

    #[test]
    fn an_unread_field_is_left_as_it_is() {
        let group = Field::from_name("group:admins").unwrap();
        let yes = flag(true);
        assert_eq!(ask(&group, &yes, &Reading::Unread, Some(&yes)), Answer::Leave);
        assert_eq!(ask(&group, &Reading::Unread, &yes, None), Answer::Leave);
    }

    #[test]
    fn invariant_08_disabled_wins_without_agreement() {
        let (yes, no) = (flag(true), flag(false));
        let to_old = decided(Side::Old, Conflict::FirstLink);
        assert_eq!(ask(&Field::Enabled, &yes, &no, None), to_old);
        let to_new = decided(Side::New, Conflict::FirstLink);
        assert_eq!(ask(&Field::Enabled, &no, &yes, None), to_new);
        assert_eq!(ask(&Field::Enabled, &yes, &no, Some(&no)), carry(Side::New));
    }

    #[test]
    fn invariant_08_a_verified_flag_travels_only_with_its_address_and_is_never_taken_away() {
        let (proved, claimed) = (address("a", true), address("a", false));
        let other = address("b", true);
        let email = Field::Email;
        assert_eq!(ask(&email, &proved, &claimed, Some(&claimed)), carry(Side::New));
        assert_eq!(ask(&email, &proved, &claimed, None), carry(Side::New));
        let lost = Answer::Hold(Reason::VerificationLost);
        assert_eq!(ask(&email, &proved, &claimed, Some(&proved)), lost);
        let both = decided(Side::New, Conflict::BothChanged);
        assert_eq!(ask(&email, &claimed, &other, Some(&address("c", true))), both);
    }
}
