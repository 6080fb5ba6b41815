//! A disable alone: the rest of a plan while only disables are allowed (invariant 10).

use super::Plan;
use crate::entry::Entry;
use crate::facts::Field;
use crate::step::Deed;

impl Plan {
    /// Whether the plan disables an account. Then it does nothing else.
    pub fn disables(&self) -> bool {
        self.steps.iter().any(|step| step.deed == Deed::Disable)
    }

    /// Keeps the blocked fields of the record, in a plan that disables. Such a plan does not search
    /// for the holder of an address, so it cannot know them; the next plan does.
    pub(crate) fn keep_obstacles(&mut self, entry: &Entry) {
        for (field, obstacle) in &entry.obstacles {
            if *field != Field::Enabled {
                self.obstacles.entry(field.clone()).or_insert_with(|| obstacle.clone());
            }
        }
    }

    /// Leaves the record of every field except `enabled` as it is: baseline, open write, blocked
    /// field, direction. The process runs another configuration than the active one, or a switch is
    /// announced. So what it would record about other fields could be wrong.
    pub(crate) fn keep_only_the_disable(&mut self, entry: &Entry) {
        let enabled = self.bases.remove(&Field::Enabled);
        let before = entry.agreed.clone().unwrap_or_default();
        (self.bases, self.rules) = (before.fields, before.rules);
        if let Some(base) = enabled {
            self.rules.insert(base.rule);
            self.bases.insert(Field::Enabled, base);
        }
        let open = entry.intent.iter().flat_map(|intent| &intent.fields);
        self.unsettled = open.map(|(field, write)| (field.clone(), write.clone())).collect();
        self.unsettled.remove(&Field::Enabled);
        self.obstacles.clone_from(&entry.obstacles);
        self.decisions.retain(|decision| decision.fields == [Field::Enabled.to_string()]);
        self.flips.clear();
        self.agreed_as.clear();
        self.depends_on.clear();
        self.more = true;
    }
}
