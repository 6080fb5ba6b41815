//! Write intents and creation intents, which apply stores before the first call. A worker that dies
//! leaves them, and its successor can tell its writes from the person's own edits.

use std::collections::{BTreeMap, BTreeSet};

use super::{Baseline, BaselineField};
use crate::fingerprint::{Fingerprint, Keyring};
use crate::limits;
use crate::names::{PersonId, Username};
use crate::profile::{Field, Profile};
use crate::side::{BySide, Side};
use crate::time::Time;

/// One field of a write intent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntendedWrite {
    /// The pool that is written.
    pub side: Side,
    /// The value to be written.
    pub wanted: Option<Fingerprint>,
    /// The value that the pool was observed to hold (`IntentKeepsSeenValue`).
    pub was: Option<Fingerprint>,
    /// The revision of the mapping rule.
    pub rule: u32,
    /// The pool reported success, but a read after the write did not show the value: the pool may
    /// have kept another one.
    pub answered: bool,
}

/// A write intent: what is about to be written, stored before the first call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteIntent {
    /// Every field that is being written.
    pub fields: BTreeMap<Field, IntendedWrite>,
    /// The last-modified time of each account when it was observed (`AmbiguousRevertIsConflict`).
    /// `None` if that time was too recent to show a later change; such an account counts as
    /// modified.
    pub modified: BySide<Option<Time>>,
    /// When the intent was stored.
    pub at: Time,
    /// The last moment at which one of its writes can land: the end of its lease
    /// (`IntentSettlesFirst`).
    pub until: Time,
}

/// A creation intent: stored before poolbridge causes an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreationIntent {
    /// The pool in which the account is created.
    pub side: Side,
    /// The `Username` of the call. Stored encrypted.
    pub username: Username,
    /// Fingerprints of everything that the creation writes. Other fields are absent then.
    pub fields: BTreeMap<Field, BaselineField>,
    /// The revisions of the rules that the creation covers.
    pub rules: BTreeSet<u32>,
    /// When the intent was stored.
    pub at: Time,
    /// The last moment at which the creation can land.
    pub until: Time,
}

impl CreationIntent {
    /// The baseline of both pools if poolbridge created the account (`CreationIntentFirst`).
    pub fn baseline(&self) -> Baseline {
        Baseline { fields: self.fields.clone(), rules: self.rules.clone() }
    }

    /// Whether an account with the profile `profile`, created at `created`, is the one of this
    /// creation intent. The pool may cut `created` to seconds, and the clock behind `at` may be
    /// fast: both are allowed for.
    ///
    /// The person may have edited the account since. So one identifying field (an address) with the
    /// written value is enough, or a profile without any difference. The name alone is no proof.
    pub fn announced(
        &self,
        profile: &Profile,
        created: Time,
        keys: &Keyring,
        salt: &PersonId,
    ) -> bool {
        let young = created >= self.at - limits::DATE_GRACE;
        let holds = |field: &Field, base: &BaselineField| {
            keys.is(salt, field, &profile.get(field), base.fingerprint)
        };
        let address = self
            .fields
            .iter()
            .filter(|(field, _)| field.is_address())
            .any(|(field, base)| holds(field, base));
        young && (address || self.fields.iter().all(|(field, base)| holds(field, base)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::DATE_RESOLUTION;

    fn note(at: Time) -> CreationIntent {
        CreationIntent {
            side: Side::New,
            username: Username::try_from("u").unwrap(),
            fields: BTreeMap::new(),
            rules: BTreeSet::new(),
            at,
            until: at + Duration::from_secs(30),
        }
    }

    fn announced(at: Time, created: Time) -> bool {
        let keys = Keyring::new(1, [7; 32]);
        note(at).announced(&Profile::new(), created, &keys, &PersonId::from_nonce(1))
    }

    #[test]
    fn an_account_that_poolbridge_created_is_recognised_although_its_clock_is_fast() {
        let truth = Time(1_000_000_000);
        let ours = truth + limits::CLOCK_ERROR_MAX;
        // The pool cuts its date to seconds.
        let created = truth + Duration::from_millis(100) - DATE_RESOLUTION;
        assert!(announced(ours, created));
    }

    #[test]
    fn an_account_from_before_the_creation_intent_belongs_to_another_person() {
        let at = Time(1_000_000_000);
        let grace = limits::CLOCK_ERROR_MAX + DATE_RESOLUTION;
        assert!(announced(at, at - grace));
        assert!(!announced(at, at - grace - Duration::from_millis(1)));
    }
}
