//! The inputs of a sweep.

use std::time::Duration;

use super::ports::SweepPorts;
use poolbridge_core::control::ConfigurationStamp;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::policy::Policy;
use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;

/// The settings of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepSettings {
    /// The time from the start of one pass to the next.
    pub every: Duration,
    /// The share of the listing quota that the sweep uses, in percent.
    pub quota_percent: u8,
    /// Whether both pools use one quota because they are in the same AWS account and Region.
    pub one_quota: bool,
}

/// A sweep with everything that it needs.
#[derive(Debug)]
pub struct Sweep<'a, O> {
    /// Pools, table, queue and clock.
    pub ports: &'a O,
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The configuration with which this process was started.
    pub configuration: &'a ConfigurationStamp,
    /// The settings.
    pub settings: SweepSettings,
}

impl<O> Clone for Sweep<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Sweep<'_, O> {}

impl<O: SweepPorts> Sweep<'_, O> {
    pub(super) fn now(&self) -> Time {
        self.ports.clock().now()
    }
}
