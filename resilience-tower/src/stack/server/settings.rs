use std::{fmt, sync::Arc, time::Duration};

use resilience_core::{adaptive, bulkhead, rate_limit::Quota};

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
#[derive(Clone)]
pub struct ServerSettings {
    pub(super) total_timeout: Option<Duration>,
    pub(super) max_deadline: Duration,
    adaptive: Option<Arc<dyn Fn() -> adaptive::Config + Send + Sync>>,
    pub(super) rate_limit: Option<Quota>,
    pub(super) bulkhead: Option<bulkhead::Config>,
}

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
            adaptive: Some(Arc::new(adaptive::Config::default)),
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
        self.total_timeout = limit.into();
        assert!(
            self.total_timeout != Some(Duration::ZERO),
            "`total_timeout` is 0ns, it must be longer than zero, or `None`"
        );
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
        assert!(!max.is_zero(), "`max_deadline` is 0ns, it must be longer than zero");
        self.max_deadline = max;
        self
    }

    /// The adaptive limit, of settings that `make` makes. By default [`adaptive::Config::default`], with a latency target of 200 ms.
    #[must_use]
    pub fn adaptive(mut self, make: impl Fn() -> adaptive::Config + Send + Sync + 'static) -> Self {
        self.adaptive = Some(Arc::new(make));
        self
    }

    /// No adaptive limit.
    #[must_use]
    pub fn without_adaptive(mut self) -> Self {
        self.adaptive = None;
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
        let wait = self.bulkhead.as_ref().map(bulkhead::Config::longest_wait).unwrap_or_default();
        match self.total_timeout {
            Some(total) if wait >= total => Err(Invalid(format!(
                "the `max_wait` of `bulkhead` is {wait:?} and `total_timeout` {total:?}: a request would spend all its time \
                 waiting; lower `max_wait`"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn make_adaptive(&self) -> Option<adaptive::Config> {
        self.adaptive.as_ref().map(|make| make())
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("total_timeout", &self.total_timeout)
            .field("max_deadline", &self.max_deadline)
            .field("adaptive", &self.make_adaptive())
            .field("rate_limit", &self.rate_limit)
            .field("bulkhead", &self.bulkhead)
            .finish()
    }
}
