//! The three-way merge of one field. Pure: the state of the field in both pools, its comparison
//! with the baseline, and the rules give an answer.

use crate::mapping::Ways;
use crate::outcome::Reason;
use crate::policy::ConflictRule;
use crate::profile::{Field, FieldState, Value};
use crate::rules::{ProtocolRules, Rule};
use crate::side::{BySide, Side};

/// The input of the merge of one field.
#[derive(Clone, Debug)]
pub struct MergeInput<'a> {
    /// The field.
    pub field: &'a Field,
    /// The field state in each pool.
    pub says: BySide<&'a FieldState>,
    /// Whether each pool still has the value of the baseline; `None` if there is no baseline.
    pub unchanged: Option<BySide<bool>>,
    /// A write of ours was open, its target holds the value from before the write, and the account
    /// was modified since. So the write may have landed and been undone
    /// (`AmbiguousRevertIsConflict`).
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
    pub rules: ProtocolRules,
}

/// The kind of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Both pools changed since they agreed.
    BothChanged,
    /// The pools never agreed and have different values.
    FirstLink,
    /// See [`MergeInput::came_back`].
    CameBack,
    /// See [`MergeInput::edited_meanwhile`].
    EditedMeanwhile,
}

/// What to do about one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeDecision {
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
pub fn merge(input: &MergeInput<'_>) -> MergeDecision {
    let BySide { old, new } = input.says;
    let blind = input.rules.keeps(Rule::UnknownIsNotAbsent);
    if blind && (*old == FieldState::Unknown || *new == FieldState::Unknown) {
        return MergeDecision::Leave;
    }
    if old == new || (old.value().is_none() && new.value().is_none()) {
        return MergeDecision::Agree;
    }
    if let Ways::Only(to) = input.ways {
        return one_way(input, to);
    }
    if let Some(answer) = same_address(input) {
        return answer;
    }
    let Some(unchanged) = input.unchanged else {
        return first_link(input);
    };
    if input.came_back {
        return conflict(input, Conflict::CameBack);
    }
    // While a write of ours is open, the edit that we carried and an edit in the target may have
    // been made without knowledge of each other.
    let conflict_of = input.edited_meanwhile.then_some(Conflict::EditedMeanwhile);
    match (unchanged.old, unchanged.new) {
        (true, _) => MergeDecision::Carry { to: Side::Old, conflict: conflict_of },
        (false, true) => MergeDecision::Carry { to: Side::New, conflict: conflict_of },
        (false, false) => conflict(input, Conflict::BothChanged),
    }
}

const fn carry(to: Side) -> MergeDecision {
    MergeDecision::Carry { to, conflict: None }
}

/// A rule that cannot be reversed: a change in the target stays there, and a change in the source
/// travels. Without a baseline, an absent value in the source removes nothing. If both changed, or
/// may have, the source wins and the conflict is recorded, because the rule has no other direction.
fn one_way(input: &MergeInput<'_>, to: Side) -> MergeDecision {
    let held = |side: Side| input.says.get(side).value().is_some();
    let Some(unchanged) = input.unchanged else {
        return match (held(to.other()), held(to)) {
            (false, _) => MergeDecision::Leave,
            (true, true) => MergeDecision::Carry { to, conflict: Some(Conflict::FirstLink) },
            (true, false) => carry(to),
        };
    };
    if *unchanged.get(to.other()) {
        return MergeDecision::Leave;
    }
    let conflict = if input.came_back {
        Some(Conflict::CameBack)
    } else if input.edited_meanwhile {
        Some(Conflict::EditedMeanwhile)
    } else {
        (!unchanged.get(to)).then_some(Conflict::BothChanged)
    };
    MergeDecision::Carry { to, conflict }
}

/// Both pools hold the same address, and only one of them holds it as verified.
fn same_address(input: &MergeInput<'_>) -> Option<MergeDecision> {
    let (
        Some(Value::Address { address: old, verified: old_verified }),
        Some(Value::Address { address: new, .. }),
    ) = (input.says.old.value(), input.says.new.value())
    else {
        return None;
    };
    if old != new || !input.rules.keeps(Rule::AddressWithFlag) {
        return None;
    }
    let proved = if *old_verified { Side::Old } else { Side::New };
    let lost = input.unchanged.is_some_and(|unchanged| *unchanged.get(proved));
    // The pool with the verified address still has the value of the baseline, so the flag was lost
    // in the other pool. Writing `true` back might take the alias from a person who verified the
    // address since. Writing `false` would weaken the first pool. So a person must decide.
    let answer =
        if lost { MergeDecision::Hold(Reason::VerificationLost) } else { carry(proved.other()) };
    Some(answer)
}

/// Two accounts without a baseline for this field.
fn first_link(input: &MergeInput<'_>) -> MergeDecision {
    if !input.rules.keeps(Rule::NoBaselineRules) {
        return carry(input.active.other());
    }
    match (input.says.old.value(), input.says.new.value()) {
        (Some(_), None) if *input.field != Field::Enabled => carry(Side::New),
        (None, Some(_)) if *input.field != Field::Enabled => carry(Side::Old),
        (None | Some(_), None | Some(_)) => conflict(input, Conflict::FirstLink),
    }
}

fn conflict(input: &MergeInput<'_>, kind: Conflict) -> MergeDecision {
    if *input.field == Field::Enabled {
        // Without agreement "disabled" wins, and a disable is never held.
        let old_says_no = input.says.old.value() == Some(&Value::Flag(false));
        let to = if old_says_no { Side::New } else { Side::Old };
        return MergeDecision::Carry { to, conflict: Some(kind) };
    }
    match input.conflicts {
        ConflictRule::ActiveWins => {
            MergeDecision::Carry { to: input.active.other(), conflict: Some(kind) }
        }
        ConflictRule::Hold => MergeDecision::Hold(Reason::Conflict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> FieldState {
        FieldState::Present(Value::Text(value.to_owned()))
    }

    fn address(value: &str, verified: bool) -> FieldState {
        FieldState::Present(Value::Address { address: value.to_owned(), verified })
    }

    fn flag(yes: bool) -> FieldState {
        FieldState::Present(Value::Flag(yes))
    }

    fn ask(
        field: &Field,
        old: &FieldState,
        new: &FieldState,
        base: Option<&FieldState>,
    ) -> MergeDecision {
        merge(&MergeInput {
            field,
            says: BySide { old, new },
            unchanged: base.map(|base| BySide { old: old == base, new: new == base }),
            came_back: false,
            edited_meanwhile: false,
            active: Side::Old,
            conflicts: ConflictRule::ActiveWins,
            ways: Ways::Both,
            rules: ProtocolRules::WHOLE,
        })
    }

    fn name() -> Field {
        Field::from_name("given_name").unwrap()
    }

    const fn decided(to: Side, conflict: Conflict) -> MergeDecision {
        MergeDecision::Carry { to, conflict: Some(conflict) }
    }

    #[test]
    fn invariant_05_a_change_in_one_pool_reaches_the_other() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &b, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, Some(&a)), carry(Side::Old));
        assert_eq!(ask(&name(), &FieldState::Absent, &a, Some(&a)), carry(Side::New));
        assert_eq!(ask(&name(), &b, &b, Some(&a)), MergeDecision::Agree);
    }

    #[test]
    fn invariant_05_the_rule_decides_a_change_in_both_pools_and_reports_the_conflict() {
        let (a, b, c) = (text("a"), text("b"), text("c"));
        let both = decided(Side::New, Conflict::BothChanged);
        assert_eq!(ask(&name(), &a, &b, Some(&c)), both);
        assert_eq!(ask(&name(), &a, &FieldState::Absent, Some(&c)), both);
    }

    #[test]
    fn without_a_baseline_a_value_beats_an_absent_one_and_two_values_are_a_conflict() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(ask(&name(), &FieldState::Absent, &b, None), carry(Side::Old));
        assert_eq!(ask(&name(), &a, &FieldState::Absent, None), carry(Side::New));
        assert_eq!(ask(&name(), &a, &b, None), decided(Side::New, Conflict::FirstLink));
    }

    #[test]
    fn an_unread_field_is_left_as_it_is() {
        let group = Field::from_name("group:admins").unwrap();
        let yes = flag(true);
        assert_eq!(ask(&group, &yes, &FieldState::Unknown, Some(&yes)), MergeDecision::Leave);
        assert_eq!(ask(&group, &FieldState::Unknown, &yes, None), MergeDecision::Leave);
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
        let lost = MergeDecision::Hold(Reason::VerificationLost);
        assert_eq!(ask(&email, &proved, &claimed, Some(&proved)), lost);
        let both = decided(Side::New, Conflict::BothChanged);
        assert_eq!(ask(&email, &claimed, &other, Some(&address("c", true))), both);
    }
}
