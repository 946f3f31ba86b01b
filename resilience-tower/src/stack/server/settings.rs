use std::time::Duration;

use resilience_core::{adaptive, bulkhead, range::Range, rate_limit::Quota};

use crate::stack::Invalid;

/// The settings of a server's stack. `None` leaves a part out.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Quota, bulkhead};
/// use resilience_tower::stack::ServerSettings;
///
/// let settings = ServerSettings::new()
///     .total_timeout(Duration::from_secs(10))
///     .rate_limit(Quota::per_second(100).burst(20))
///     .bulkhead(bulkhead::Config::new(500));
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub(super) total_timeout: Option<Duration>,
    pub(super) max_deadline: Duration,
    pub(super) adaptive: Option<adaptive::Config>,
    pub(super) rate_limit: Option<Quota>,
    pub(super) bulkhead: Option<bulkhead::Config>,
}

pub(super) const TOTAL_TIMEOUT: Range<Duration> = Range::lasting("total_timeout");
pub(super) const MAX_DEADLINE: Range<Duration> = Range::lasting("max_deadline");

impl Default for ServerSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerSettings {
    /// The defaults: see each setter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            total_timeout: Some(Duration::from_secs(30)),
            max_deadline: Duration::from_secs(60 * 60),
            adaptive: Some(adaptive::Config::default()),
            rate_limit: None,
            bulkhead: None,
        }
    }

    /// The time for a request whose caller has named none, or more. 30 s by default: longer than most callers wait, so that work whose
    /// result nobody reads ends.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn total_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total_timeout = TOTAL_TIMEOUT.expect_if_any(limit.into());
        self
    }

    /// What a caller's deadline is taken for at most. One hour by default: see
    /// [`ReadDeadlineLayer::max`](crate::http::deadline::ReadDeadlineLayer::max).
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn max_deadline(mut self, max: Duration) -> Self {
        self.max_deadline = MAX_DEADLINE.expect(max);
        self
    }

    /// The adaptive limit. By default [`adaptive::Config::default`], with a latency target of 200 ms.
    #[must_use]
    pub fn adaptive(mut self, config: impl Into<Option<adaptive::Config>>) -> Self {
        self.adaptive = config.into();
        self
    }

    /// How many requests may come in a time: of each [key](super::ServerLayer::per), if there are keys. Off by default: a right
    /// figure is known to the service's author alone.
    #[must_use]
    pub fn rate_limit(mut self, quota: impl Into<Option<Quota>>) -> Self {
        self.rate_limit = quota.into();
        self
    }

    /// How many requests may run at a time. Off by default: the adaptive limit finds that out.
    #[must_use]
    pub fn bulkhead(mut self, config: impl Into<Option<bulkhead::Config>>) -> Self {
        self.bulkhead = config.into();
        self
    }

    /// Whether they fit together.
    ///
    /// # Errors
    ///
    /// If a request may wait for the bulkhead longer than it may take in all.
    pub fn check(&self) -> Result<(), Invalid> {
        Ok(self.fit()?)
    }

    pub(super) fn fit(&self) -> Result<(), String> {
        let wait = self.bulkhead.as_ref().map(bulkhead::Config::longest_wait).unwrap_or_default();
        match self.total_timeout {
            Some(total) if wait >= total => Err(format!(
                "the `max_wait` of `bulkhead` is {wait:?} and `total_timeout` {total:?}: a request would spend all its time \
                 waiting; lower `max_wait`"
            )),
            _ => Ok(()),
        }
    }
}
