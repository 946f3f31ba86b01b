//! The settings of a circuit breaker.

use std::{num::NonZeroU32, time::Duration};

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
    pub(super) count_window: Option<NonZeroU32>,
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
            max_open_for: Duration::from_secs(4),
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
        let length = length.into();
        if let Some(length) = length {
            const DAY: Duration = Duration::from_secs(24 * 60 * 60);
            assert!(
                (Duration::from_millis(10)..=DAY).contains(&length),
                "time_window is {length:?}, it must be from 10 ms to one day"
            );
        }
        self.time_window = length;
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
        assert!((1..=1000).contains(&buckets), "buckets is {buckets}, it must be from 1 to 1000");
        self.buckets = buckets;
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
        let calls = calls.into();
        if let Some(calls) = calls {
            assert!(
                (1..=1_000_000).contains(&calls),
                "count_window is {calls}, it must be from 1 to 1000000"
            );
        }
        self.count_window = calls.and_then(NonZeroU32::new);
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
        assert!(calls > 0, "min_calls is 0, it must be at least 1");
        self.min_calls = calls;
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
        let rate = rate.into();
        if let Some(rate) = rate {
            check_rate("failure_rate", rate);
        }
        self.failure_rate = rate;
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
        assert!(!longer_than.is_zero(), "slow_calls has a threshold of zero, it must be longer");
        check_rate("slow_calls", rate);
        self.slow_calls = Some(SlowCalls { longer_than, rate });
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
        let failures = failures.into();
        assert!(failures != Some(0), "consecutive_failures is 0, it must be at least 1");
        self.consecutive_failures = failures;
        self
    }

    /// Stays open for `first`, twice as long at each further opening, up to `max`. Default: 1 s and 4 s.
    ///
    /// Every wait is drawn from within 10 % around that, so that many clients do not probe together; the sequence starts
    /// again when the breaker closes.
    ///
    /// # Choosing a value
    ///
    /// Short on purpose: three probes every few seconds cost a dependency nothing, while a minute of refusing calls to
    /// a dependency that is well again is an outage of our own making.
    ///
    /// # Panics
    ///
    /// If `first` is less than 1 ms, or `max` is less than `first` or more than one day.
    #[must_use]
    #[track_caller]
    pub fn open_for(mut self, first: Duration, max: Duration) -> Self {
        assert!(first >= Duration::from_millis(1), "open_for starts at {first:?}, it must be at least 1 ms");
        assert!(
            (first..=Duration::from_secs(24 * 60 * 60)).contains(&max),
            "open_for ends at {max:?}, it must be from its start, {first:?}, to one day"
        );
        self.open_for = first;
        self.max_open_for = max;
        self
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
        assert!((1..=1000).contains(&probes), "probes is {probes}, it must be from 1 to 1000");
        self.probes = probes;
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
        assert!(!timeout.is_zero(), "half_open_timeout is zero, it must be longer");
        self.half_open_timeout = timeout;
        self
    }
}

#[track_caller]
fn check_rate(field: &str, rate: f64) {
    assert!(rate > 0.0 && rate <= 1.0, "{field} has a rate of {rate}, it must be above 0 and at most 1");
}
