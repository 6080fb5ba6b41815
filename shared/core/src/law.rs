//! The rules of the protocol, by their numbers, and the one place that says they hold.
//!
//! In every build but the tests' a [`Law`] is nothing at all and keeps every rule. With the feature
//! `planted` a test can take one away, to prove that its absence is noticed.

/// The enum and the list of its variants, from one list.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident,)+) => {
        /// A rule of the protocol that `converge` and the state table keep. The architecture page lists
        /// them with the violation that each one cures. There is no R25 here: it is about the migration
        /// of passwords at sign-in, which is not in the product yet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the architecture page describes each rule by its number")]
        pub enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            /// Every rule, in order.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];
        }
    };
}

rules! {
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
    R24,
    R26,
    R27,
    R28,
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
