//! Who the story is about. Every value is long enough to be looked for afterwards.

/// Signs up in the old pool and moves on with it.
pub(super) mod marlene {
    /// Her username in the old pool.
    pub(crate) const USERNAME: &str = "marlene.lorenz";
    /// As she wrote it herself.
    pub(crate) const EMAIL: &str = "Marlene.Lorenz@Example.com";
    /// As the new pool, in which case does not matter, is told.
    pub(crate) const EMAIL_FOLDED: &str = "marlene.lorenz@example.com";
    /// The password that she signed up with.
    pub(crate) const PASSWORD: &str = "Correct-Horse-11";
    /// The one that she set after she forgot it.
    pub(crate) const PASSWORD_RESET: &str = "Battery-Staple-22";
    /// A password that the help desk once set for her in the new pool, and that leaked.
    pub(crate) const PASSWORD_LEAKED: &str = "Leaked-Staple-33";
    /// How the old pool keeps her phone number.
    pub(crate) const PHONE: &str = "030 9018-2031";
    /// How the new pool keeps it.
    pub(crate) const PHONE_E164: &str = "+493090182031";
}

/// Signs up in the new pool.
pub(super) mod johannes {
    /// He signs in with it.
    pub(crate) const EMAIL: &str = "johannes.brandt@example.com";
    /// His password.
    pub(crate) const PASSWORD: &str = "Purple-Monkey-44";
}

/// Was made by the help desk, without a verified address.
pub(super) mod thorsten {
    /// His username in the old pool.
    pub(crate) const USERNAME: &str = "thorsten.keller";
    /// Nobody has verified it.
    pub(crate) const EMAIL: &str = "thorsten.keller@example.com";
    /// His password.
    pub(crate) const PASSWORD: &str = "Dishwasher-Bolt-55";
}
