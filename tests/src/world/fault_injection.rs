//! Fault injection: which calls to the services fail, how often, and how many in total.

use std::collections::BTreeMap;
use std::time::Duration;

use poolbridge_core::error::ErrorKind;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::chance::Chooser;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The pool of that side.
    Pool(Side),
    /// The state table.
    Table,
    /// The queue.
    Queue,
}

/// Which calls a service throttles. Cognito has quotas by category, and reads and updates are
/// separate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottledCalls {
    /// All of them.
    Every,
    /// Those that change something.
    Changes,
}

/// The result of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallFate {
    /// It is executed and answered.
    Fine,
    /// The service throttles it and does nothing.
    Throttled,
    /// It is never sent.
    NotSent,
    /// The request is lost: it is neither executed nor answered.
    RequestLost,
    /// It is executed, and the answer is lost.
    AnswerLost,
    /// It gets no answer, and is executed later.
    LandsLate,
}

impl CallFate {
    /// Every result that is a fault.
    pub const FAULTS: [Self; 5] =
        [Self::Throttled, Self::NotSent, Self::RequestLost, Self::AnswerLost, Self::LandsLate];

    /// The port error that the caller sees; `None` if it succeeds.
    pub const fn error(self) -> Option<ErrorKind> {
        match self {
            Self::Fine => None,
            Self::Throttled => Some(ErrorKind::Throttled),
            Self::NotSent => Some(ErrorKind::NotSent),
            Self::RequestLost | Self::AnswerLost | Self::LandsLate => Some(ErrorKind::NoAnswer),
        }
    }
}

/// The faults and their frequency.
#[derive(Clone, Debug)]
pub struct FaultRates {
    /// One call in this many fails; none if zero.
    pub fault_one_in: u32,
    /// The maximum number of failing calls.
    pub faults_max: u32,
    /// The possible faults.
    pub faults: Vec<CallFate>,
    /// Only calls of this operation fail, if one is named.
    pub only: Option<&'static str>,
    /// One read in this many is stale; none if zero.
    pub stale_one_in: u32,
    /// The maximum number of stale reads.
    pub stale_max: u32,
    /// One page in this many of a sweep's listing is wrong; none if zero. It is the last although
    /// more should follow, leaves an account out, shows one twice, or shows none.
    pub wrong_page_one_in: u32,
    /// One list of groups in this many answers `UserNotFoundException` although the account exists;
    /// none if zero. Users reported this of adding to a group, so no group operation proves an
    /// absence.
    pub groups_gone_one_in: u32,
    /// The maximum number of such lists of groups.
    pub groups_gone_max: u32,
    /// How far each task's clock may be from the true time, in both directions; zero for exact
    /// clocks.
    pub clock_error: Duration,
    /// Which writes a pool may refuse for their content, and how. A refused field is recorded, so
    /// that the checks know why it is held.
    pub refuses: Option<(&'static str, ErrorKind)>,
    /// The maximum number of such refusals.
    pub refusals_max: u32,
    /// Whether other tasks get a turn between a change and its answer too.
    pub turn_before_answer: bool,
}

impl FaultRates {
    /// No faults.
    pub const fn none() -> Self {
        Self {
            fault_one_in: 0,
            faults_max: 0,
            faults: Vec::new(),
            only: None,
            stale_one_in: 0,
            stale_max: 0,
            wrong_page_one_in: 0,
            groups_gone_one_in: 0,
            groups_gone_max: 0,
            clock_error: Duration::ZERO,
            refuses: None,
            refusals_max: 0,
            turn_before_answer: true,
        }
    }
}

/// The fault injection of one world.
#[derive(Clone, Debug)]
pub struct FaultInjection {
    /// What may happen.
    pub rates: FaultRates,
    /// Faults and stale reads so far, by name.
    pub counted: BTreeMap<&'static str, u64>,
    faults: u32,
    stale: u32,
    refusals: u32,
    groups_gone: u32,
    outages: BTreeMap<Target, Time>,
    throttles: BTreeMap<Target, (ThrottledCalls, Time)>,
}

impl FaultInjection {
    /// The fault injection with these settings.
    pub const fn new(rates: FaultRates) -> Self {
        Self {
            rates,
            counted: BTreeMap::new(),
            faults: 0,
            stale: 0,
            refusals: 0,
            groups_gone: 0,
            outages: BTreeMap::new(),
            throttles: BTreeMap::new(),
        }
    }

    /// Counts something that happened to the world.
    pub fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }

    /// Ends all faults.
    pub fn stop_faults(&mut self) {
        // Clock errors stay.
        let FaultRates { turn_before_answer, clock_error, .. } = self.rates;
        self.rates = FaultRates { clock_error, turn_before_answer, ..FaultRates::none() };
        self.outages.clear();
        self.throttles.clear();
    }

    /// Puts a service out of reach until that time.
    pub fn start_outage(&mut self, place: Target, until: Time) {
        self.outages.insert(place, until);
        self.count("outage");
    }

    /// Lets a service throttle every caller until that time.
    pub fn throttle(&mut self, place: Target, calls: ThrottledCalls, until: Time) {
        self.throttles.insert(place, (calls, until));
        self.count("throttle");
    }

    /// Whether a service can be reached.
    pub fn reaches(&self, place: Target, now: Time) -> bool {
        self.outages.get(&place).is_none_or(|&until| until <= now)
    }

    /// The result of a call. A call that changes nothing cannot land late.
    pub fn fate(
        &mut self,
        place: Target,
        operation: &'static str,
        changes: bool,
        now: Time,
        chooser: &mut dyn Chooser,
    ) -> CallFate {
        if !self.reaches(place, now) {
            return CallFate::RequestLost;
        }
        let throttle = self.throttles.get(&place).filter(|(_, until)| now < *until);
        if throttle.is_some_and(|(calls, _)| changes || *calls == ThrottledCalls::Every) {
            return CallFate::Throttled;
        }
        let named = self.rates.only.is_none_or(|only| only == operation);
        if !named
            || self.faults >= self.rates.faults_max
            || !chooser.happens(self.rates.fault_one_in, "fault")
        {
            return CallFate::Fine;
        }
        let possible: Vec<CallFate> = (self.rates.faults.iter().copied())
            .filter(|fate| changes || !matches!(fate, CallFate::AnswerLost | CallFate::LandsLate))
            .collect();
        if possible.is_empty() {
            return CallFate::Fine;
        }
        self.faults += 1;
        let fate = possible[chooser.choose(possible.len(), "which fault")];
        self.count(match fate {
            CallFate::Fine => "fine",
            CallFate::Throttled => "throttled",
            CallFate::NotSent => "not sent",
            CallFate::RequestLost => "request lost",
            CallFate::AnswerLost => "answer lost",
            CallFate::LandsLate => "landed late",
        });
        fate
    }

    /// Whether and how the pool refuses this write for its content.
    pub fn refusal(
        &mut self,
        operation: &'static str,
        chooser: &mut dyn Chooser,
    ) -> Option<ErrorKind> {
        let (_, kind) = self.rates.refuses.filter(|(refused, _)| *refused == operation)?;
        if self.refusals >= self.rates.refusals_max || chooser.choose(2, "refused") == 0 {
            return None;
        }
        self.refusals += 1;
        self.count("refused");
        Some(kind)
    }

    /// Whether this list of groups answers that the account is missing, although it exists.
    pub fn groups_gone(&mut self, chooser: &mut dyn Chooser) -> bool {
        let FaultRates { groups_gone_one_in, groups_gone_max, .. } = self.rates;
        let gone = self.groups_gone < groups_gone_max
            && chooser.happens(groups_gone_one_in, "groups gone");
        if gone {
            self.groups_gone += 1;
            self.count("groups of an account that is there answered that it is not");
        }
        gone
    }

    /// The number of faults, stale reads, refusals and wrong lists of groups so far. The rest of
    /// each budget follows from it.
    pub const fn spent(&self) -> (u32, u32, u32, u32) {
        (self.faults, self.stale, self.refusals, self.groups_gone)
    }

    /// Whether this read is a stale one.
    pub fn stale(&mut self, chooser: &mut dyn Chooser) -> bool {
        let stale =
            self.stale < self.rates.stale_max && chooser.happens(self.rates.stale_one_in, "stale");
        if stale {
            self.stale += 1;
            self.count("stale read");
        }
        stale
    }
}
