//! The clock: this machine's time, corrected by the `Date` headers of the services.
//!
//! Workers compare the leases of different machines, so their clocks must agree within
//! `limits::CLOCK_ALLOWANCE`. The header has whole seconds, and the answer takes time to arrive.
//! The clock corrects only a difference that neither explains, and only as far as the nearest value
//! that they explain. So no answer makes a clock worse, however slow the answer was. After an
//! answer, the clock's error is at most `CLOCK_TOLERANCE` plus `CLOCK_HEADER_RESOLUTION` plus that
//! answer's round trip.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use poolbridge_core::limits;
use poolbridge_core::ports::Clock;
use poolbridge_core::time::Time;

/// The system's time, corrected. The process has one such clock, and every client reports to it.
#[derive(Debug, Default)]
pub struct SystemClock {
    /// The milliseconds that the clock adds to the system's time.
    offset: AtomicI64,
    /// Counts the nonces that were made without randomness.
    nonces: AtomicU64,
}

impl SystemClock {
    /// Creates a clock that trusts the system until a service disagrees.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The interceptor with which a client reports the service's time. Each client needs it:
    /// `config::Builder::from(&sdk_config).interceptor(clock.reader())`.
    pub fn reader(self: &Arc<Self>) -> DateReader {
        DateReader { clock: Arc::clone(self) }
    }

    /// The correction of the system's time, in milliseconds. Log it if it is not zero.
    pub fn offset_milliseconds(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// This clock's time, for request signatures.
    pub fn signing_time(self: &Arc<Self>) -> SigningTime {
        SigningTime { clock: Arc::clone(self) }
    }

    pub(crate) fn learn(&self, sent: Time, answered: Time, date: Time) {
        let before = self.offset.load(Ordering::Relaxed);
        let after = corrected(before, sent, answered, date);
        if after != before {
            self.offset.store(after, Ordering::Relaxed);
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time(uncorrected().0.saturating_add(self.offset_milliseconds()))
    }

    fn nonce(&self) -> u128 {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_ok() {
            return u128::from_ne_bytes(bytes);
        }
        // A system without randomness is very rare. A nonce only has to be new. This one is new on
        // this machine, and most likely on every other.
        let count = self.nonces.fetch_add(1, Ordering::Relaxed);
        plain_nonce(std::process::id(), uncorrected(), count)
    }
}

/// A nonce made of the process id, the time and a counter.
fn plain_nonce(process: u32, now: Time, count: u64) -> u128 {
    let now = u64::try_from(now.0).unwrap_or_default();
    (u128::from(process) << 96) | (u128::from(now) << 48) ^ u128::from(count)
}

/// The system's time, uncorrected.
fn uncorrected() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(Time::ZERO, |since| Time::ZERO + since)
}

/// The offset to use from now on, in milliseconds. The service wrote `date` between `sent` and
/// `answered`, so the true offset lies between two bounds. An offset between them, or within the
/// tolerance of them, stays. Any other offset moves to the nearer bound, because the true offset
/// lies beyond it.
fn corrected(offset: i64, sent: Time, answered: Time, date: Time) -> i64 {
    let least = date.0.saturating_sub(answered.0);
    let most = (date + limits::CLOCK_HEADER_RESOLUTION).0.saturating_sub(sent.0);
    let tolerance = (Time::ZERO + limits::CLOCK_TOLERANCE).0;
    if (least.saturating_sub(tolerance)..=most.saturating_add(tolerance)).contains(&offset) {
        offset
    } else {
        offset.clamp(least, most.max(least))
    }
}

/// The corrected time as the SDK's `TimeSource`.
#[derive(Clone, Debug)]
pub struct SigningTime {
    clock: Arc<SystemClock>,
}

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.clock.now().since(Time::ZERO)
    }
}

/// Reads the `Date` header of every answer, errors included, for the clock.
#[derive(Clone, Debug)]
pub struct DateReader {
    clock: Arc<SystemClock>,
}

/// When the current attempt was sent, uncorrected.
#[derive(Debug)]
struct SentAt(Time);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(SentAt(uncorrected()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
        let date = date.and_then(|date| date.to_millis().ok()).map(Time);
        if let (Some(date), Some(sent)) = (date, bag.load::<SentAt>()) {
            self.clock.learn(sent.0, uncorrected(), date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: i64 = 1_800_000_000_000;

    fn learnt(offset: i64, took: i64, date: i64) -> i64 {
        corrected(offset, Time(NOON), Time(NOON + took), Time(NOON + date))
    }

    #[test]
    fn a_difference_that_the_header_explains_is_not_corrected() {
        assert_eq!(learnt(0, 40, 0), 0, "same second");
        assert_eq!(learnt(0, 40, -1_000), 0, "cut to whole seconds");
        assert_eq!(learnt(0, 40, 240), 0, "within the tolerance");
        assert_eq!(learnt(0, 60_000, 30_000), 0, "the answer took a minute");
    }

    #[test]
    fn a_wrong_clock_is_corrected_once() {
        let offset = learnt(0, 40, 3_600_000);
        assert_eq!(offset, 3_599_960, "an hour slow");
        assert_eq!(learnt(offset, 40, 3_600_000), offset);
        assert_eq!(learnt(0, 40, -3_600_000), -3_599_000, "an hour fast");
        assert_eq!(learnt(offset, 40, 0), 1_000, "the system's clock was corrected meanwhile");
    }

    #[test]
    fn no_answer_makes_a_clock_worse_and_a_fast_answer_bounds_its_error() {
        let bound = limits::CLOCK_TOLERANCE + limits::CLOCK_HEADER_RESOLUTION;
        for truth in [-3_600_000, -3_000, -900, 0, 700, 2_500, 86_400_000_i64] {
            for began in [-5_000, -1_500, -250, 0, 250, 1_500, 5_000] {
                for (there, took) in [(20, 40), (0, 700), (700, 700), (2_500, 5_000)] {
                    for fraction in [0, 400, 999] {
                        // The header is the true time, cut to whole seconds.
                        let sent = NOON + fraction;
                        let date = (sent + truth + there).div_euclid(1_000) * 1_000;
                        let offset = truth + began;
                        let after = corrected(offset, Time(sent), Time(sent + took), Time(date));
                        let (error, before) = (after.abs_diff(truth), offset.abs_diff(truth));
                        assert!(error <= before, "from {before} to {error} ms");
                        let most = bound + Duration::from_millis(took.unsigned_abs());
                        assert!(u128::from(error) <= most.as_millis(), "{error} ms");
                    }
                }
            }
        }
    }

    #[test]
    fn the_clock_and_signatures_use_the_corrected_time() {
        let clock = SystemClock::default();
        let now = uncorrected();
        clock.learn(now, now, now + Duration::from_mins(10));
        assert!(clock.now().since(now) >= Duration::from_mins(10));
        let signed = Arc::new(clock).signing_time().now();
        assert!(signed >= UNIX_EPOCH + now.since(Time::ZERO) + Duration::from_mins(10));
    }

    #[test]
    fn nonces_never_repeat_even_without_randomness() {
        let clock = SystemClock::default();
        assert_ne!(clock.nonce(), clock.nonce());
        let plain = |count| plain_nonce(7, Time(NOON), count);
        assert_ne!(plain(0), plain(1));
        assert_ne!(plain_nonce(8, Time(NOON), 0), plain(0));
    }
}
