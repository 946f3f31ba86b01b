use std::time::Duration;

use resilience_core::{
    RetryPolicy,
    adaptive::{self, Aimd},
    bulkhead, circuit_breaker,
    range::Range,
    rate_limit::Quota,
    retry::budget,
    throttle,
};

use crate::{per_key, stack::Invalid};

/// The settings of a client's stack. `None` leaves a part out.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{bulkhead, circuit_breaker};
/// use resilience_tower::stack::ClientSettings;
///
/// let settings = ClientSettings::new()
///     .total_timeout(Duration::from_secs(2))
///     .attempt_timeout(Duration::from_millis(500))
///     .circuit_breaker(circuit_breaker::Config::new().min_calls(50))
///     .throttle(None)
///     .bulkhead(bulkhead::Config::new(100));
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub(super) total_timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) bulkhead: Option<bulkhead::Config>,
    pub(super) rate_limit: Option<Quota>,
    pub(super) rate_limit_wait: Duration,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) retry_budget: Option<budget::Config>,
    pub(super) throttle: Option<throttle::Config>,
    pub(super) circuit_breaker: Option<circuit_breaker::Config>,
    pub(super) adaptive: Adaptive,
    pub(super) seed: Option<u64>,
}

pub(super) const TOTAL_TIMEOUT: Range<Duration> = Range::lasting("total_timeout");
pub(super) const ATTEMPT_TIMEOUT: Range<Duration> = Range::lasting("attempt_timeout");

/// The adaptive limit.
#[derive(Clone, Debug)]
pub(super) enum Adaptive {
    Off,
    /// Within the bounds of these settings, with a target that follows from the attempt timeout.
    ByTimeout(adaptive::Config),
    Set(adaptive::Config),
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientSettings {
    /// The defaults: see each setter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            total_timeout: Some(Duration::from_secs(5)),
            attempt_timeout: Some(Duration::from_secs(2)),
            bulkhead: None,
            rate_limit: None,
            rate_limit_wait: Duration::from_secs(1),
            retry: Some(RetryPolicy::new()),
            retry_budget: Some(budget::Config::default()),
            throttle: Some(throttle::Config::new()),
            circuit_breaker: Some(circuit_breaker::Config::new()),
            adaptive: Adaptive::default(),
            seed: None,
        }
    }

    /// The time for a whole operation, retries and pauses included. 5 s by default: what a person waits for.
    ///
    /// A call may bring [its own](resilience_core::Context::with_total_timeout), and a deadline that it brings binds if it is earlier.
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

    /// The time for one attempt. 2 s by default: two attempts and a pause have room in the total.
    ///
    /// The adaptive limit takes its latency target from it, unless it is [set](Self::adaptive).
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn attempt_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = ATTEMPT_TIMEOUT.expect_if_any(limit.into());
        self
    }

    /// How many operations may run at a time, whatever their destination. Off by default: the adaptive limit bounds what a destination
    /// gets, and what a process bears only its author knows.
    #[must_use]
    pub fn bulkhead(mut self, config: impl Into<Option<bulkhead::Config>>) -> Self {
        self.bulkhead = config.into();
        self
    }

    /// How many operations may be sent in a time, whatever their destination. Off by default: it is for a quota that somebody has
    /// granted.
    #[must_use]
    pub fn rate_limit(mut self, quota: impl Into<Option<Quota>>) -> Self {
        self.rate_limit = quota.into();
        self
    }

    /// How long an operation may wait for the rate limit. 1 s by default: a client smooths a burst rather than fail it. Zero refuses
    /// at once.
    #[must_use]
    pub const fn rate_limit_wait(mut self, max: Duration) -> Self {
        self.rate_limit_wait = max;
        self
    }

    /// When to try again. Up to three attempts by default.
    #[must_use]
    pub fn retry(mut self, policy: impl Into<Option<RetryPolicy>>) -> Self {
        self.retry = policy.into();
        self
    }

    /// What pays for retries: a budget for each destination. Paid for by successes by default.
    ///
    /// A change of these settings while the stack runs begins new budgets, which are full.
    ///
    /// ```
    /// use resilience_core::RetryBudget;
    /// use resilience_tower::stack::ClientSettings;
    ///
    /// let settings = ClientSettings::new().retry_budget(RetryBudget::ratio(0.1));
    /// # let _ = settings;
    /// ```
    #[must_use]
    pub fn retry_budget(mut self, config: impl Into<budget::Config>) -> Self {
        self.retry_budget = Some(config.into());
        self
    }

    /// Retries without a budget. Then an outage multiplies the load on what is failing by the number of attempts.
    #[must_use]
    pub fn without_retry_budget(mut self) -> Self {
        self.retry_budget = None;
        self
    }

    /// The throttle of each destination.
    #[must_use]
    pub fn throttle(mut self, config: impl Into<Option<throttle::Config>>) -> Self {
        self.throttle = config.into();
        self
    }

    /// The breaker of each destination.
    #[must_use]
    pub fn circuit_breaker(mut self, config: impl Into<Option<circuit_breaker::Config>>) -> Self {
        self.circuit_breaker = config.into();
        self
    }

    /// The adaptive limit of each destination. By default [`Aimd::for_timeout`] with the attempt timeout, and the bounds of [`adaptive::Config`].
    #[must_use]
    pub fn adaptive(mut self, config: impl Into<Option<adaptive::Config>>) -> Self {
        self.adaptive = config.into().map_or(Adaptive::Off, Adaptive::Set);
        self
    }

    /// Draws what policies leave to chance (jitter, what the throttle lets through) from a seed, for tests and simulations: the same
    /// seed and the same calls in the same order, the same decisions. None by default; two stacks of one seed would act in step,
    /// so a file cannot say it.
    #[must_use]
    pub fn seed(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.seed = seed.into();
        self
    }

    /// Whether they fit together.
    ///
    /// # Errors
    ///
    /// If an attempt may take longer than the whole operation, or the breaker's window is shorter than an attempt: then the calls that
    /// time out would leave the window as soon as they enter it.
    pub fn check(&self) -> Result<(), Invalid> {
        Ok(self.fit()?)
    }

    pub(super) fn fit(&self) -> Result<(), String> {
        let Some(attempt) = self.attempt_timeout else { return Ok(()) };
        if let Some(total) = self.total_timeout.filter(|&total| total < attempt) {
            return Err(format!(
                "`attempt_timeout` is {attempt:?} and `total_timeout` {total:?}: an attempt may not take longer than the \
                 whole operation; lower `attempt_timeout` or leave it out"
            ));
        }
        let window = self.circuit_breaker.as_ref().and_then(circuit_breaker::Config::shortest_window);
        if let Some(window) = window.filter(|&window| window < attempt) {
            return Err(format!(
                "the `time_window` of `circuit_breaker` is {window:?} and `attempt_timeout` {attempt:?}: calls that hang would \
                 not be seen together; make the window longer than an attempt"
            ));
        }
        Ok(())
    }

    /// What each destination gets.
    pub(super) fn per_key(&self) -> per_key::Settings {
        let mut settings = per_key::Settings::new();
        settings.operation = per_key::OperationSettings {
            total_timeout: self.total_timeout,
            attempt_timeout: self.attempt_timeout,
            retry: self.retry,
        };
        if let Some(seed) = self.seed {
            settings = settings.seed(seed);
        }
        if let Some(config) = self.throttle {
            settings = settings.throttle(config);
        }
        if let Some(config) = &self.circuit_breaker {
            settings = settings.circuit_breaker(config.clone());
        }
        if let Some(config) = self.retry_budget.clone().filter(|_| self.retry.is_some()) {
            settings = settings.retry_budget(config);
        }
        match self.adaptive.config(self.attempt_timeout) {
            Some(config) => settings.adaptive(move || config.clone()),
            None => settings,
        }
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::ByTimeout(adaptive::Config::default())
    }
}

impl Adaptive {
    /// The settings with this attempt timeout.
    fn config(&self, attempt: Option<Duration>) -> Option<adaptive::Config> {
        match (self, attempt) {
            (Self::Off, _) => None,
            (Self::ByTimeout(bounds), Some(attempt)) => {
                Some(bounds.clone().algorithm(Aimd::for_timeout(attempt)))
            }
            (Self::ByTimeout(config) | Self::Set(config), _) => Some(config.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_target_follows_the_attempt_timeout_unless_it_is_set() {
        let of =
            |settings: &ClientSettings| format!("{:?}", settings.adaptive.config(settings.attempt_timeout));
        let expected = |config: adaptive::Config| format!("{:?}", Some(config));
        let settings = ClientSettings::new();
        for timeout in [Duration::from_secs(2), Duration::from_millis(300)] {
            let aimd = adaptive::Config::new(Aimd::for_timeout(timeout));
            assert_eq!(of(&settings.clone().attempt_timeout(timeout)), expected(aimd));
        }
        assert_eq!(of(&settings.clone().attempt_timeout(None)), expected(adaptive::Config::default()));
        let set = adaptive::Config::new(Aimd::new(Duration::from_millis(7)));
        assert_eq!(of(&settings.clone().adaptive(set.clone())), expected(set));
        assert_eq!(of(&settings.adaptive(None)), "None");
    }
}
