//! The settings of a throttle.

use std::time::Duration;

use super::window::SLICES;
use crate::{
    range::{DAY, Range, expect},
    thousandths::Thousandths,
};

pub(super) const MULTIPLIER: Thousandths = Thousandths::new("multiplier", 1.001, 100.0);
pub(super) const WINDOW: Range<Duration> = Range::new("window", Duration::from_millis(10), DAY);
pub(super) const MAX_REQUESTS: Tens = Tens(Range::new("max_requests", SLICES, 1_000_000));
pub(super) const MIN_REQUESTS: Range<u32> = Range::positive("min_requests");
pub(super) const PROBE_ONE_IN: Range<u32> = Range::positive("probe_one_in");

/// The settings of a [`Throttle`](super::Throttle).
///
/// ```
/// use std::time::Duration;
/// use resilience_core::throttle::Config;
///
/// let config = Config::new()
///     .multiplier(1.5)
///     .window(Duration::from_secs(30))
///     .max_requests(200)
///     .min_requests(20)
///     .probe_one_in(50);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// K, in thousandths.
    pub(super) multiplier: u32,
    pub(super) window: Duration,
    pub(super) max_requests: u32,
    pub(super) min_requests: u32,
    pub(super) probe_one_in: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The defaults: see each setter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            multiplier: 2000,
            window: Duration::from_secs(10),
            max_requests: 40,
            min_requests: 10,
            probe_one_in: 20,
        }
    }

    /// Offers up to `k` times what is accepted: K in the formula. Default: 2, as in the book.
    ///
    /// # Choosing a value
    ///
    /// Calls are refused once fewer than one in `k` is accepted. With 2 the dependency still sees, and has to turn down, about
    /// as many calls as it accepts, and the throttle sees at once when it accepts more. A lower value spares an overloaded
    /// dependency more and mistakes more errors for an overload: failures that have nothing to do with load, and are more than
    /// `1 - 1/k` of all calls, bring the calls down to the [probes](Self::probe_one_in).
    ///
    /// # Panics
    ///
    /// If `k` is not above 1 and at most 100, or has more than three decimals.
    #[must_use]
    #[track_caller]
    pub fn multiplier(mut self, k: f64) -> Self {
        self.multiplier = MULTIPLIER.expect(k);
        self
    }

    /// Looks at the calls of the last `length` of time, and at no more than [`max_requests`](Self::max_requests). Default: 10 s.
    ///
    /// It slides by tenths, so it covers between nine tenths of `length` and `length`.
    ///
    /// # Choosing a value
    ///
    /// It matters to callers with little traffic, whose window never holds `max_requests`. Long enough to hold
    /// [`min_requests`](Self::min_requests), several times the attempt timeout, and short: recovery takes about twice this at the
    /// most. In the book it is two minutes, for clients with so much traffic that they recover within a fraction of it.
    ///
    /// # Panics
    ///
    /// If `length` is less than 10 ms or more than one day.
    #[must_use]
    #[track_caller]
    pub fn window(mut self, length: Duration) -> Self {
        self.window = WINDOW.expect(length);
        self
    }

    /// Looks at the last `requests` calls at the most. Default: 40.
    ///
    /// Older ones go a tenth of this at a time.
    ///
    /// # Choosing a value
    ///
    /// The first refusal comes after half as many failures in a row, and from an outage to full traffic takes about twice as
    /// many calls as this: small is fast. In a simulation with the other defaults, a client of 20 calls per second was back 3 s
    /// after an outage with 40, 7 s with 100, and 19 s without a bound. Too small a number sees an overload in any unlucky few:
    /// with 40, twenty of the last forty must fail.
    ///
    /// # Panics
    ///
    /// If `requests` is not a multiple of ten, is 0, or is more than 1 000 000.
    #[must_use]
    #[track_caller]
    pub fn max_requests(mut self, requests: u32) -> Self {
        self.max_requests = expect(MAX_REQUESTS.check(requests));
        self
    }

    /// Refuses nothing while the window holds fewer calls than this. Default: 10.
    ///
    /// At most nine tenths of [`max_requests`](Self::max_requests), which a full window always holds, count.
    ///
    /// # Choosing a value
    ///
    /// Callers that make fewer calls in a window are never throttled. With 10, a few failures among few calls do not count: at a
    /// true failure rate of 10 %, six failures in ten calls happen once in 7000 windows, and then the probability is 0.18.
    ///
    /// # Panics
    ///
    /// If `requests` is 0.
    #[must_use]
    #[track_caller]
    pub fn min_requests(mut self, requests: u32) -> Self {
        self.min_requests = MIN_REQUESTS.expect(requests);
        self
    }

    /// Lets at least one in `calls` pass, however high the probability is. Default: 20.
    ///
    /// # Choosing a value
    ///
    /// What an outage wastes: one in 20 is 5 % of the traffic, besides what passes by chance. Probes are what recovery begins with:
    /// with one in 100 it takes between half as long again and twice as long. In proportion to traffic, unlike so many per second, they are neither a burden
    /// where there are many small callers nor too few where there is a large one.
    ///
    /// # Panics
    ///
    /// If `calls` is 0. With 1, nothing is ever refused.
    #[must_use]
    #[track_caller]
    pub fn probe_one_in(mut self, calls: u32) -> Self {
        self.probe_one_in = PROBE_ONE_IN.expect(calls);
        self
    }
}

/// The range of a number that is cut into slices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tens(pub(super) Range<u32>);

impl Tens {
    pub(super) fn check(&self, value: u32) -> Result<u32, String> {
        match self.0.check(value) {
            Ok(value) if value % SLICES == 0 => Ok(value),
            _ => Err(format!("{} and a multiple of {SLICES}", self.0.refusal(&value))),
        }
    }
}
