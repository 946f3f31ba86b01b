use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use resilience_core::{RetryPolicy, adaptive, circuit_breaker, retry::budget, throttle};

/// Which policies each key gets, and with which settings. None of them at first.
///
/// ```
/// use resilience_core::{circuit_breaker, throttle};
/// use resilience_tower::per_key::Settings;
///
/// let settings = Settings::new()
///     .circuit_breaker(circuit_breaker::Config::new().min_calls(50))
///     .throttle(throttle::Config::new());
/// # let _ = settings;
/// ```
#[derive(Clone, Default)]
pub struct Settings {
    pub(super) circuit_breaker: Option<circuit_breaker::Config>,
    pub(super) throttle: Option<throttle::Config>,
    pub(super) adaptive: Option<Make<adaptive::Config>>,
    pub(super) retry_budget: Option<budget::Config>,
    /// Since which settings of a table the budget is this one.
    pub(super) budget_since: u64,
    pub(crate) operation: OperationSettings,
    /// The next one to use, so that each policy draws numbers of its own. Relaxed: only their difference matters.
    seeds: Option<Arc<AtomicU64>>,
}

/// What a stack says of its operations; a layer by itself says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OperationSettings {
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
}

type Make<T> = Arc<dyn Fn() -> T + Send + Sync>;

impl Settings {
    /// No policy at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A breaker for each key.
    #[must_use]
    pub fn circuit_breaker(mut self, config: circuit_breaker::Config) -> Self {
        self.circuit_breaker = Some(config);
        self
    }

    /// A throttle for each key.
    #[must_use]
    pub fn throttle(mut self, config: throttle::Config) -> Self {
        self.throttle = Some(config);
        self
    }

    /// An adaptive limit for each key, of settings that `make` makes.
    #[must_use]
    pub fn adaptive(mut self, make: impl Fn() -> adaptive::Config + Send + Sync + 'static) -> Self {
        self.adaptive = Some(Arc::new(make));
        self
    }

    /// A retry budget for each key. For a [stack](crate::stack), whose retry layer it pays for.
    #[must_use]
    pub(crate) fn retry_budget(mut self, config: budget::Config) -> Self {
        self.retry_budget = Some(config);
        self
    }

    /// Draws what policies leave to chance from a seed, for tests and simulations: the same seed and the same calls in the same order,
    /// the same decisions. Without it each policy has a generator of its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seeds = Some(Arc::new(AtomicU64::new(seed)));
        self
    }

    /// A seed for the next policy that is made, if they are seeded.
    pub(super) fn next_seed(&self) -> Option<u64> {
        self.seeds.as_ref().map(|next| next.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("circuit_breaker", &self.circuit_breaker)
            .field("throttle", &self.throttle)
            .field("adaptive", &self.adaptive.as_ref().map(|make| make()))
            .field("retry_budget", &self.retry_budget)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_one_seed_draw_different_numbers() {
        let settings = Settings::new().seed(7);
        assert_eq!((settings.next_seed(), settings.clone().next_seed()), (Some(7), Some(8)));
        assert_eq!(Settings::new().next_seed(), None);
    }
}
