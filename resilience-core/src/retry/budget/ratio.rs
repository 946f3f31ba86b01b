//! The settings of a budget in proportion to recent requests.

use std::{sync::OnceLock, time::Duration};

use super::{RetryBudget, shared::Rules, slices};
use crate::{range::Range, thousandths::Thousandths};

pub(super) const RATIO: Thousandths = Thousandths::new("ratio", 0.0, 1.0);
pub(super) const TTL: Range<Duration> = Range::new("ttl", Duration::from_secs(1), Duration::from_secs(60));
pub(super) const RESERVE_PER_SECOND: Range<u32> = Range::new("reserve_per_second", 0, 100);

/// The settings of a budget in proportion to recent requests: see [`RetryBudget::ratio`].
///
/// ```
/// use std::time::{Duration, Instant};
/// use resilience_core::retry::RetryBudget;
///
/// let now = Instant::now();
/// let settings = RetryBudget::ratio(0.2).reserve_per_second(5).ttl(Duration::from_secs(30));
/// let budget = RetryBudget::from(settings);
/// assert_eq!(budget.tokens(now), 150.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// In thousandths.
    pub(super) ratio: u32,
    pub(super) ttl: Duration,
    pub(super) reserve_per_second: u32,
}

impl Ratio {
    #[track_caller]
    pub(super) fn new(ratio: f64) -> Self {
        Self { ratio: RATIO.expect(ratio), ttl: Duration::from_secs(10), reserve_per_second: 10 }
    }

    /// Grants so many retries a second, whatever the requests: that times [`ttl`](Self::ttl), rounded down, and again when
    /// those have expired, half a `ttl` to a whole one later. Default: 10.
    ///
    /// # Choosing a value
    ///
    /// The default is Finagle's, meant for clients that have just started or send little. It is granted to every client
    /// and during an outage as well: a thousand clients are ten thousand retries a second. 0 is safer.
    ///
    /// # Panics
    ///
    /// If `retries` is more than 100.
    #[must_use]
    #[track_caller]
    pub fn reserve_per_second(mut self, retries: u32) -> Self {
        self.reserve_per_second = RESERVE_PER_SECOND.expect(retries);
        self
    }

    /// Counts the requests of so long. Default: 10 s, which is Finagle's.
    ///
    /// Time is cut into slices of half a `ttl`, and the present slice and the one before it count: a request pays for a
    /// retry for at least half a `ttl` and at most a whole one, and so long counts a retry that was made.
    ///
    /// # Panics
    ///
    /// If it is less than 1 s or more than 60 s.
    #[must_use]
    #[track_caller]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = TTL.expect(ttl);
        self
    }
}

impl From<Ratio> for RetryBudget {
    fn from(settings: Ratio) -> Self {
        let rules = slices::Rules::new(settings.ratio, settings.ttl, settings.reserve_per_second);
        Self::of(Rules::Ratio { rules, origin: OnceLock::new() })
    }
}
