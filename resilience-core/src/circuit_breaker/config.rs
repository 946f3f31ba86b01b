//! The settings of a circuit breaker.

use std::time::Duration;

use crate::range::{DAY, Range, expect};

pub(super) const TIME_WINDOW: Range<Duration> = Range::new("time_window", Duration::from_millis(10), DAY);
pub(super) const BUCKETS: Range<u32> = Range::new("buckets", 1, 1000);
pub(super) const COUNT_WINDOW: Range<u32> = Range::new("count_window", 1, 1_000_000);
pub(super) const MIN_CALLS: Range<u32> = Range::positive("min_calls");
pub(super) const FAILURE_RATE: Range<f64> = Range::share("failure_rate");
pub(super) const SLOW_LONGER_THAN: Range<Duration> = Range::lasting("longer_than of slow_calls");
pub(super) const SLOW_RATE: Range<f64> = Range::share("rate of slow_calls");
pub(super) const CONSECUTIVE_FAILURES: Range<u32> = Range::positive("consecutive_failures");
pub(super) const OPEN_FOR: Range<Duration> = Range::new("open_for", Duration::from_millis(1), DAY);
pub(super) const MAX_OPEN_FOR: Range<Duration> = Range::new("max_open_for", OPEN_FOR.min, OPEN_FOR.max);
pub(super) const PROBES: Range<u32> = Range::new("probes", 1, 1000);
pub(super) const HALF_OPEN_TIMEOUT: Range<Duration> = Range::lasting("half_open_timeout");

/// The settings of a circuit breaker, with defaults that suit a service calling another over a network.
///
/// The breaker trips when *any* of its conditions holds: a failure rate or a slow-call rate in a window of time
/// or of calls, or a run of consecutive failures. A condition is switched off by passing `None`.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::circuit_breaker::Config;
///
/// let config = Config::new()
///     .min_calls(50)
///     .failure_rate(0.3)
///     .slow_calls(Duration::from_millis(800), 0.5)
///     .consecutive_failures(None);
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) time_window: Option<Duration>,
    pub(super) buckets: u32,
    pub(super) count_window: Option<u32>,
    pub(super) min_calls: u32,
    pub(super) failure_rate: Option<f64>,
    pub(super) slow_calls: Option<SlowCalls>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) open_for: Duration,
    pub(super) max_open_for: Duration,
    pub(super) max_hint: Duration,
    pub(super) probes: u32,
    pub(super) half_open_timeout: Duration,
}

/// When a call is slow, and how many of them are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SlowCalls {
    pub(super) longer_than: Duration,
    pub(super) rate: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The length of the time window, if there is one and no count window beside it: how long a failure is remembered for certain.
    #[must_use]
    pub fn shortest_window(&self) -> Option<Duration> {
        self.time_window.filter(|_| self.count_window.is_none())
    }

    /// The defaults: see each setter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            time_window: Some(Duration::from_secs(10)),
            buckets: 10,
            count_window: None,
            min_calls: 20,
            failure_rate: Some(0.5),
            slow_calls: None,
            consecutive_failures: Some(20),
            open_for: Duration::from_secs(1),
            max_open_for: Duration::from_secs(2),
            max_hint: Duration::from_secs(30),
            probes: 3,
            half_open_timeout: Duration::from_secs(30),
        }
    }

    /// Looks at the calls of the last `length` of time. Default: 10 s. `None` for no time window.
    ///
    /// The window slides by whole [buckets](Self::buckets), so it covers between `length` less one bucket and `length`.
    ///
    /// # Choosing a value
    ///
    /// Several times the attempt timeout: a window shorter than that forgets a call before the next one has
    /// failed. A longer one forgives slower.
    ///
    /// # Panics
    ///
    /// If `length` is less than 10 ms or more than one day.
    #[must_use]
    #[track_caller]
    pub fn time_window(mut self, length: impl Into<Option<Duration>>) -> Self {
        self.time_window = TIME_WINDOW.expect_if_any(length.into());
        self
    }

    /// Divides the time window into this many buckets. Default: 10.
    ///
    /// # Panics
    ///
    /// If `buckets` is 0 or more than 1000.
    #[must_use]
    #[track_caller]
    pub fn buckets(mut self, buckets: u32) -> Self {
        self.buckets = BUCKETS.expect(buckets);
        self
    }

    /// Looks at the last `calls` calls, however old. Default: `None`, no count window.
    ///
    /// May be combined with a time window; either can trip the breaker. It takes a byte for each call it holds.
    ///
    /// # Choosing a value
    ///
    /// For traffic so thin that a time window never holds [`min_calls`](Self::min_calls).
    ///
    /// # Panics
    ///
    /// If `calls` is 0 or more than 1 000 000.
    #[must_use]
    #[track_caller]
    pub fn count_window(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.count_window = COUNT_WINDOW.expect_if_any(calls.into());
        self
    }

    /// The number of calls that a window must hold before its rates count. Default: 20.
    ///
    /// For a count window shorter than this, its length.
    ///
    /// # Choosing a value
    ///
    /// With 20, one failure among few calls does not trip: at a true failure rate of 10 %, ten failures in twenty calls
    /// happen less than once in 100 000 windows (binomial tail).
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[must_use]
    #[track_caller]
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = MIN_CALLS.expect(calls);
        self
    }

    /// Trips when failures divided by calls is at least `rate`. Default: 0.5. `None` to ignore it.
    ///
    /// # Panics
    ///
    /// If `rate` is not above 0 and at most 1.
    #[must_use]
    #[track_caller]
    pub fn failure_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.failure_rate = FAILURE_RATE.expect_if_any(rate.into());
        self
    }

    /// Trips when calls that took longer than `longer_than` are at least `rate` of all calls. Default: off.
    ///
    /// It costs a second clock reading per call, and is how a breaker sees a dependency that hangs when the calls
    /// to it are cut by a timeout that is not ours: a call dropped after `longer_than` counts as slow.
    ///
    /// # Panics
    ///
    /// If `longer_than` is zero, or `rate` is not above 0 and at most 1.
    #[must_use]
    #[track_caller]
    pub fn slow_calls(mut self, longer_than: Duration, rate: f64) -> Self {
        self.slow_calls = Some(SlowCalls {
            longer_than: SLOW_LONGER_THAN.expect(longer_than),
            rate: SLOW_RATE.expect(rate),
        });
        self
    }

    /// Ignores how long calls take. The default.
    #[must_use]
    pub const fn without_slow_calls(mut self) -> Self {
        self.slow_calls = None;
        self
    }

    /// Trips after this many failures in a row. Default: 20. `None` to ignore it.
    ///
    /// It sees a hard outage in a fraction of a second, where a rate first has to fill its window.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.consecutive_failures = CONSECUTIVE_FAILURES.expect_if_any(failures.into());
        self
    }

    /// Stays open for `first`, twice as long at each further opening, up to `max`. Default: 1 s and 2 s.
    ///
    /// Every wait is drawn from within 10 % around that, so that many clients do not probe together; the sequence starts
    /// again when the breaker closes.
    ///
    /// # Choosing a value
    ///
    /// Short on purpose: three probes every few seconds cost a dependency nothing, while a minute of refusing calls to
    /// a dependency that is well again is an outage of our own making. In the simulations of `tests/tests/outcomes`, of the calls of
    /// the half minute after an outage (S4; at most 94.4 % could be answered) 91.5 to 91.9 % were answered with at most 2 s, 89.1 to
    /// 91.7 % with 4 s, 92.8 to 93.2 % with 1 s; what the outage wasted were 1.2 to 2.1 probes for a hundred calls with 2 s, and a third
    /// more with 1 s. For clients of a few calls per second those probes are a good part of all calls, so longer waits spare the
    /// dependency more there.
    ///
    /// # Panics
    ///
    /// If `first` is less than 1 ms, or `max` is less than `first` or more than one day.
    #[must_use]
    #[track_caller]
    pub fn open_for(mut self, first: Duration, max: Duration) -> Self {
        self.open_for = OPEN_FOR.expect(first);
        self.max_open_for = MAX_OPEN_FOR.expect(max);
        expect(self.fitting())
    }

    /// Believes a server that asks to be left alone for up to `max`. Default: 30 s.
    ///
    /// The hint of the failure that trips the breaker lengthens the wait, never shortens it. The bound keeps a broken or
    /// hostile server from switching itself off for a year.
    #[must_use]
    pub const fn max_hint(mut self, max: Duration) -> Self {
        self.max_hint = max;
        self
    }

    /// Closes after this many successful probes, and admits no more than that while half-open. Default: 3.
    ///
    /// # Panics
    ///
    /// If `probes` is 0 or more than 1000.
    #[must_use]
    #[track_caller]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = PROBES.expect(probes);
        self
    }

    /// Counts a probe that takes longer than this as failed. Default: 30 s.
    ///
    /// With it, no breaker stays half-open because its probes hang.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub fn half_open_timeout(mut self, timeout: Duration) -> Self {
        self.half_open_timeout = HALF_OPEN_TIMEOUT.expect(timeout);
        self
    }

    /// Itself if its settings fit together, or what does not.
    pub(super) fn fitting(self) -> Result<Self, String> {
        let (first, max) = (self.open_for, self.max_open_for);
        if first <= max {
            Ok(self)
        } else {
            Err(format!("max_open_for is {max:?}, it must be at least open_for, which is {first:?}"))
        }
    }
}
