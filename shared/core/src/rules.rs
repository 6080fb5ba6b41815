//! The protocol rules, by name, and the type that says which of them hold.
//!
//! In every build except that of the tests, a [`ProtocolRules`] is empty and keeps every rule. With
//! the feature `planted`, a test can remove one rule, to prove that the suites notice its absence.

use strum::VariantArray;

/// A rule of the protocol that `reconcile` and the state table keep. The architecture page lists
/// the rules with the violation that each one prevents. `MigrationRespectsHistory` is not in the
/// list: it concerns the migration of passwords at sign-in, which the product does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
#[expect(missing_docs, reason = "the architecture page describes each rule by its name")]
pub enum Rule {
    IntentKeepsSeenValue,
    IntentReplacesBaseline,
    RecordOnlyDone,
    AmbiguousRevertIsConflict,
    LeaseOutlastsWrite,
    UniqueLeaseOwner,
    LeaseOutlastsProcess,
    SettleBeforeClearing,
    IntentSettlesFirst,
    NotBefore,
    PendingReadFirst,
    TokenNeverRepeats,
    UniqueDeduplicationId,
    DrainedMeansEmpty,
    ClearOnlyObservedSides,
    LinkInOneTransaction,
    MergeHalves,
    JoinUnderLease,
    CreationIntentFirst,
    ResolveCreationFirst,
    SameSub,
    AbsenceTwice,
    TombstoneFirst,
    TombstoneStays,
    DeletedNeverMatch,
    IntentChecksPhase,
    AnnounceThenFlip,
    /// apply trusts no value in a message and reads the account (invariant 1).
    ReadAfresh,
    /// An address and its verified flag are one field (invariant 8).
    AddressWithFlag,
    /// An unread list of groups is not an empty list.
    UnknownIsNotAbsent,
    /// Without a baseline no pool wins because it is active: the first-link rules decide.
    NoBaselineRules,
    /// No account is linked because of an unproved claim (invariant 16).
    LinkWithProof,
    /// An account counts as deleted only if another account of that pool can be read (invariant 7).
    CanaryReads,
    /// Two observations agree on a new value only if both accounts held it at the same time.
    QuietAgreement,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: &[Self] = Self::VARIANTS;
}

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ProtocolRules {
    #[cfg(feature = "planted")]
    missing: Option<Rule>,
}

impl ProtocolRules {
    /// Every rule holds.
    pub const WHOLE: Self = Self {
        #[cfg(feature = "planted")]
        missing: None,
    };

    /// Every rule except one. For tests only.
    #[cfg(feature = "planted")]
    pub const fn without(rule: Rule) -> Self {
        Self { missing: Some(rule) }
    }

    /// Whether `rule` holds.
    #[cfg(not(feature = "planted"))]
    pub const fn keeps(self, _rule: Rule) -> bool {
        true
    }

    /// Whether `rule` holds.
    #[cfg(feature = "planted")]
    pub fn keeps(self, rule: Rule) -> bool {
        self.missing != Some(rule)
    }
}
