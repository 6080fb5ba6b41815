//! The routes that detect changes.

/// A route that detects changes. The pools' triggers are not listed here, because every change that
/// they capture shows that they work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetectionRoute {
    /// `CloudTrail` events, delivered by `EventBridge`.
    Trail,
    /// The scheduled comparison of both pools.
    Sweep,
}

impl DetectionRoute {
    /// Both routes, in the order of listings.
    pub const ALL: [Self; 2] = [Self::Trail, Self::Sweep];

    /// The word for it in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trail => "trail",
            Self::Sweep => "sweep",
        }
    }

    /// The route of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }
}
