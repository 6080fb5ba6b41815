//! The rules of the protocol, by their numbers, and the one place that says they hold.
//!
//! In every build but the tests' a [`Law`] is nothing at all and keeps every rule. With the feature
//! `planted` a test can take one away, to prove that its absence is noticed.

/// A rule of the protocol that `converge` keeps. The architecture page lists them with the violation
/// that each one cures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the architecture page describes each rule by its number")]
pub enum Rule {
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    R16,
    R17,
    R18,
    R19,
    R20,
    R21,
    R22,
    R23,
    R26,
    /// Trust nothing that a message says: read (invariant 1).
    ReadAfresh,
    /// An address and its flag are one field (invariant 8).
    AddressWithFlag,
    /// An unread list of groups is not an empty one.
    UnreadIsNotEmpty,
    /// No base: neither side wins by being active alone; the first-link rules decide.
    MissingBase,
    /// Nobody is linked on a claim (invariant 16).
    LinkWithProof,
    /// Nobody is gone unless another account of that pool still reads (invariant 7).
    Canary,
    /// Two observations agree on a new value only if both accounts held it at one moment.
    QuietAgreement,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 31] = [
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
        Self::R11,
        Self::R12,
        Self::R13,
        Self::R14,
        Self::R15,
        Self::R16,
        Self::R17,
        Self::R18,
        Self::R19,
        Self::R20,
        Self::R21,
        Self::R22,
        Self::R23,
        Self::R26,
        Self::ReadAfresh,
        Self::AddressWithFlag,
        Self::UnreadIsNotEmpty,
        Self::MissingBase,
        Self::LinkWithProof,
        Self::Canary,
        Self::QuietAgreement,
    ];
}

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Law {
    #[cfg(feature = "planted")]
    missing: Option<Rule>,
}

impl Law {
    /// Every rule holds.
    pub const WHOLE: Self = Self {
        #[cfg(feature = "planted")]
        missing: None,
    };

    /// Every rule but one. Tests only.
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
