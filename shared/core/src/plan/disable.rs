//! A disable alone: the rest of a plan while only disables are allowed (invariant 10).

use super::Plan;
use crate::profile::Field;
use crate::record::PersonRecord;
use crate::step::Action;

impl Plan {
    /// Whether the plan disables an account. Then it does nothing else.
    pub fn disables(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::Disable)
    }

    /// Keeps the blocked fields of the record, in a plan that disables. Such a plan does not search
    /// for the holder of an address, so it cannot know them; the next plan does.
    pub(crate) fn keep_blocked(&mut self, record: &PersonRecord) {
        for (field, blocked_field) in &record.blocked_fields {
            if *field != Field::Enabled {
                self.blocked_fields.entry(field.clone()).or_insert_with(|| blocked_field.clone());
            }
        }
    }

    /// Leaves the record of every field except `enabled` as it is: baseline, open write, blocked
    /// field, direction. The process runs another configuration than the active one, or a switch is
    /// announced. So what it would record about other fields could be wrong.
    pub(crate) fn keep_only_the_disable(&mut self, record: &PersonRecord) {
        let enabled = self.bases.remove(&Field::Enabled);
        let before = record.baseline.clone().unwrap_or_default();
        (self.bases, self.rules) = (before.fields, before.rules);
        if let Some(base) = enabled {
            self.rules.insert(base.rule);
            self.bases.insert(Field::Enabled, base);
        }
        let open = record.intent.iter().flat_map(|intent| &intent.fields);
        self.unsettled = open.map(|(field, write)| (field.clone(), write.clone())).collect();
        self.unsettled.remove(&Field::Enabled);
        self.blocked_fields.clone_from(&record.blocked_fields);
        self.decisions.retain(|decision| decision.fields == [Field::Enabled.to_string()]);
        self.direction_changes.clear();
        self.baseline_as.clear();
        self.depends_on.clear();
        self.more = true;
    }
}
