//! The baseline: what both pools last agreed on. The three-way merge needs it to tell which pool
//! changed, so it must say "agreed absent" and "never agreed" apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::Fingerprint;
use crate::profile::Field;

/// The baseline of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaselineField {
    /// The agreed value: a fingerprint, or absent.
    pub fingerprint: Option<Fingerprint>,
    /// The revision of the mapping rule under which the pools agreed.
    pub rule: u32,
}

/// The baseline: what the three-way merge starts from. It is complete: a field that it does not
/// mention was agreed absent, if it covers the field's rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Baseline {
    /// The baseline of each field.
    pub fields: BTreeMap<Field, BaselineField>,
    /// The revisions of the rules that this baseline covers.
    pub rules: BTreeSet<u32>,
}

/// What the baseline says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// There is no baseline, or only one from an older rule.
    Never,
    /// The pools agreed on this.
    Was(BaselineField),
}

impl Baseline {
    /// The baseline of `field`, which is mapped by a rule of revision `rule`.
    pub fn past(&self, field: &Field, rule: u32) -> Past {
        match self.fields.get(field) {
            Some(base) if base.rule == rule => Past::Was(base.clone()),
            None if self.rules.contains(&rule) => {
                Past::Was(BaselineField { fingerprint: None, rule })
            }
            Some(_) | None => Past::Never,
        }
    }
}
