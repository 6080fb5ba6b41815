//! The people of the demo. Every value is long enough to be searched for afterwards.

/// Signs up in the old pool and keeps using it.
pub(super) mod marlene {
    /// Her username in the old pool.
    pub(crate) const USERNAME: &str = "marlene.lorenz";
    /// As she typed it.
    pub(crate) const EMAIL: &str = "Marlene.Lorenz@Example.com";
    /// As the new pool stores it, which is case-insensitive.
    pub(crate) const EMAIL_FOLDED: &str = "marlene.lorenz@example.com";
    /// The password that she signed up with.
    pub(crate) const PASSWORD: &str = "Correct-Horse-11";
    /// The password that she sets after she forgot the first.
    pub(crate) const PASSWORD_RESET: &str = "Battery-Staple-22";
    /// A password that the help desk once set for her in the new pool, and that leaked.
    pub(crate) const PASSWORD_LEAKED: &str = "Leaked-Staple-33";
    /// Her phone number in the old pool's form.
    pub(crate) const PHONE: &str = "030 9018-2031";
    /// Her phone number in the new pool's form.
    pub(crate) const PHONE_E164: &str = "+493090182031";
}

/// Signs up in the new pool.
pub(super) mod johannes {
    /// He signs in with it.
    pub(crate) const EMAIL: &str = "johannes.brandt@example.com";
    /// His password.
    pub(crate) const PASSWORD: &str = "Purple-Monkey-44";
}

/// The help desk created his account, without a verified address.
pub(super) mod thorsten {
    /// His username in the old pool.
    pub(crate) const USERNAME: &str = "thorsten.keller";
    /// His address, not verified.
    pub(crate) const EMAIL: &str = "thorsten.keller@example.com";
    /// His password.
    pub(crate) const PASSWORD: &str = "Dishwasher-Bolt-55";
}
