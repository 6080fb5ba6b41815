//! The three-way merge of one field. Pure: two readings, what became of the base, and the rules.

use crate::facts::{Field, Reading, Value};
use crate::law::{Law, Rule};
use crate::mapping::Ways;
use crate::policy::ConflictRule;
use crate::side::{BySide, Side};
use crate::verdict::Reason;

/// What is asked of one field.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The field.
    pub field: &'a Field,
    /// What each side says.
    pub says: BySide<&'a Reading>,
    /// Whether each side still says what was agreed; `None` where nothing was ever agreed.
    pub unchanged: Option<BySide<bool>>,
    /// A write of ours was under way, its target holds what it held before, and the account was
    /// modified since: the write may have landed and been undone (R4).
    pub came_back: bool,
    /// A write of ours was under way, and its target holds neither what it held nor what we wrote.
    pub edited_meanwhile: bool,
    /// The pool that applications sign in to.
    pub active: Side,
    /// Who wins a conflict.
    pub conflicts: ConflictRule,
    /// Which ways the field travels.
    pub ways: Ways,
    /// Which rules hold.
    pub law: Law,
}

/// Which conflict it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Both sides were changed since they agreed.
    BothChanged,
    /// They never agreed, and say different things.
    FirstLink,
    /// See [`Question::came_back`].
    CameBack,
    /// See [`Question::edited_meanwhile`].
    EditedMeanwhile,
}

/// What is to be done about one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing can be said: leave both sides and the base alone.
    Leave,
    /// Both sides say the same.
    Agree,
    /// What the other side says goes to this one.
    Carry {
        /// The side that is written.
        to: Side,
        /// The conflict that was decided so, if it was one.
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
    // Beside an open write an edit and the edit that we carried may not have known of each other.
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

/// A rule that cannot be reversed: what changes in the target stays there, what changes in the source
/// travels. Never agreed, an absence takes nothing away. Where both changed, or may have, the source
/// wins and that is recorded, since the rule knows no other way.
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

/// One address on both sides, proved on one of them only.
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
    // The proved side still says what was agreed, so the flag fell on the other. Writing `true` back
    // might take the alias from whoever proved it since; writing `false` would weaken. A person looks.
    let answer = if lost { Answer::Hold(Reason::VerificationLost) } else { carry(proved.other()) };
    Some(answer)
}

/// Two accounts that never agreed on this field.
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
        // Disabled wins where there is no agreement, and a disable is never held.
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
    fn invariant_05_a_change_on_one_side_reaches_the_other() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &b, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, Some(&a)), carry(Side::Old));
        assert_eq!(ask(&name(), &Reading::Absent, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &b, &b, Some(&a)), Answer::Agree);
    }

    #[test]
    fn invariant_05_a_change_on_both_sides_is_decided_by_the_rule_and_said_so() {
        let (a, b, c) = (text("a"), text("b"), text("c"));
        let both = decided(Side::New, Conflict::BothChanged);
        assert_eq!(ask(&name(), &a, &b, Some(&c)), both);
        assert_eq!(ask(&name(), &a, &Reading::Absent, Some(&c)), both);
    }

    #[test]
    fn without_a_base_a_value_beats_an_absence_and_two_values_are_a_conflict() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &Reading::Absent, &b, None), carry(Side::Old));
        assert_eq!(ask(&name(), &a, &Reading::Absent, None), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, None), decided(Side::New, Conflict::FirstLink));
    }

    #[test]
    fn unread_is_left_alone() {
        let group = Field::from_name("group:admins").unwrap();
        let yes = flag(true);
        assert_eq!(ask(&group, &yes, &Reading::Unread, Some(&yes)), Answer::Leave);
        assert_eq!(ask(&group, &Reading::Unread, &yes, None), Answer::Leave);
    }

    #[test]
    fn invariant_08_disabled_wins_where_there_is_no_agreement() {
        let (yes, no) = (flag(true), flag(false));
        let to_old = decided(Side::Old, Conflict::FirstLink);
        assert_eq!(ask(&Field::Enabled, &yes, &no, None), to_old);
        let to_new = decided(Side::New, Conflict::FirstLink);
        assert_eq!(ask(&Field::Enabled, &no, &yes, None), to_new);
        assert_eq!(ask(&Field::Enabled, &yes, &no, Some(&no)), carry(Side::New));
    }

    #[test]
    fn invariant_08_a_flag_travels_only_with_its_address_and_never_falls() {
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
