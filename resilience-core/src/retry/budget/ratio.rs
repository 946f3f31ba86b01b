//! The settings of a budget in proportion to recent requests.

use std::{sync::OnceLock, time::Duration};

use super::{RetryBudget, shared::Rules, slices};
use crate::thousandths::thousandths;

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
    thousandths: u32,
    ttl: Duration,
    reserve_per_second: u32,
}

impl Ratio {
    #[track_caller]
    pub(super) fn new(ratio: f64) -> Self {
        let thousandths = thousandths("ratio", ratio, 0.0..=1.0);
        Self { thousandths, ttl: Duration::from_secs(10), reserve_per_second: 10 }
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
        assert!(retries <= 100, "reserve_per_second is {retries}, it must be from 0 to 100");
        self.reserve_per_second = retries;
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
        const RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
        assert!(RANGE.contains(&ttl), "ttl is {ttl:?}, it must be from 1 s to 60 s");
        self.ttl = ttl;
        self
    }
}

impl From<Ratio> for RetryBudget {
    fn from(settings: Ratio) -> Self {
        let rules = slices::Rules::new(settings.thousandths, settings.ttl, settings.reserve_per_second);
        Self::of(Rules::Ratio { rules, origin: OnceLock::new() })
    }
}
