use std::{fmt, sync::Arc};

use metrics::SharedString;
use parking_lot::Mutex;
use resilience_core::{AdaptiveLimit, Bulkhead, CircuitBreaker, RateLimiter, RetryBudget, Throttle};

use crate::{
    AdaptiveMetrics, AttemptLayer, BulkheadMetrics, CircuitBreakerMetrics, FallbackMetrics, LoadShedMetrics,
    OperationLayer, RateLimitMetrics, RetryMetrics, ThrottleMetrics, TimeoutMetrics, names,
};

/// The metrics of one pipeline: a client of one dependency, or one server.
///
/// See the [crate](crate) for an example and for the metrics.
///
/// Install the recorder first. Handles are looked up once, when they are made, so what is made without a recorder
/// counts nowhere.
///
/// # Clone
///
/// A clone is the same pipeline.
#[derive(Clone)]
pub struct Telemetry {
    pipeline: SharedString,
    gauges: Arc<Mutex<Gauges>>,
}

/// Whatever has gauges to publish.
#[derive(Clone, Default)]
struct Gauges {
    breakers: Vec<CircuitBreakerMetrics>,
    retries: Vec<RetryMetrics>,
    bulkheads: Vec<BulkheadMetrics>,
    throttles: Vec<ThrottleMetrics>,
    rate_limits: Vec<RateLimitMetrics>,
    adaptive: Vec<AdaptiveMetrics>,
}

impl Telemetry {
    /// The metrics of the pipeline with this name, which is the value of every `pipeline` label.
    ///
    /// The name is public, so it must not come from a request; two pipelines of a process need two names.
    pub fn new(pipeline: impl Into<SharedString>) -> Self {
        names::describe();
        Self { pipeline: pipeline.into(), gauges: Arc::default() }
    }

    /// A layer that counts and times every operation by its outcome, cancelled ones included. Outermost in a stack.
    ///
    /// Give it the classifier of the stack.
    pub fn operation_layer<C>(&self, classify: C) -> OperationLayer<C> {
        OperationLayer::new(&self.pipeline, classify)
    }

    /// An observer for the layer of `breaker`, with this value of the `policy` label.
    ///
    /// The state gauge is there from now on. It is set at each transition that the layer makes, and by
    /// [`publish`](Self::publish) to what the next call would meet.
    ///
    /// # Panics
    ///
    /// If this pipeline has another breaker under the same name: the two would overwrite each other's gauge.
    #[track_caller]
    pub fn circuit_breaker(
        &self,
        policy: impl Into<SharedString>,
        breaker: &CircuitBreaker,
    ) -> CircuitBreakerMetrics {
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = CircuitBreakerMetrics::new(&self.pipeline, policy.into(), breaker.clone());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.breakers.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.breaker().is_same(breaker),
                "pipeline `{}` has another circuit breaker named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.breakers.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// A layer that counts and times every attempt by its kind (`first` or `retry`) and outcome, cancelled ones included.
    /// Inside of the retry layer and of the breaker, around the attempt timeout: what a policy refuses was no attempt.
    ///
    /// Give it the classifier of the stack. A failure of any kind counts as one, a permanent one too.
    pub fn attempt_layer<C>(&self, classify: C) -> AttemptLayer<C> {
        AttemptLayer::new(&self.pipeline, classify)
    }

    /// An observer for a retry layer, with this value of the `policy` label, and the gauges of its budget, if it has
    /// one of its own or shares it: see `RetryLayer::budget`.
    ///
    /// The gauges are set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another budget under the same name: the two would overwrite each other's gauges.
    #[track_caller]
    pub fn retry(&self, policy: impl Into<SharedString>, budget: Option<&RetryBudget>) -> RetryMetrics {
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = RetryMetrics::new(&self.pipeline, policy.into(), budget.cloned());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.retries.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.shows(budget),
                "pipeline `{}` has another retry budget named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.retries.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// An observer for the layer of `bulkhead`, with this value of the `policy` label.
    ///
    /// The gauges are set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another bulkhead under the same name: the two would overwrite each other's gauges.
    #[track_caller]
    pub fn bulkhead(&self, policy: impl Into<SharedString>, bulkhead: &Bulkhead) -> BulkheadMetrics {
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = BulkheadMetrics::new(&self.pipeline, policy.into(), bulkhead.clone());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.bulkheads.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.bulkhead().is_same(bulkhead),
                "pipeline `{}` has another bulkhead named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.bulkheads.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// An observer for the layer of `limit`, with this value of the `policy` label.
    ///
    /// The gauges are set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another adaptive limit under the same name: the two would overwrite each other's gauges.
    #[track_caller]
    pub fn adaptive(&self, policy: impl Into<SharedString>, limit: &AdaptiveLimit) -> AdaptiveMetrics {
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = AdaptiveMetrics::new(&self.pipeline, policy.into(), limit.clone());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.adaptive.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.limit().is_same(limit),
                "pipeline `{}` has another adaptive limit named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.adaptive.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// An observer for a rate limit layer, with this value of the `policy` label, and the gauges of its limiter. A layer with
    /// many, one for each key, has none to show: `None`.
    ///
    /// The gauges are set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another limiter under the same name: the two would overwrite each other's gauges.
    #[track_caller]
    pub fn rate_limit<'a>(
        &self,
        policy: impl Into<SharedString>,
        limiter: impl Into<Option<&'a RateLimiter>>,
    ) -> RateLimitMetrics {
        let limiter = limiter.into();
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = RateLimitMetrics::new(&self.pipeline, policy.into(), limiter.cloned());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.rate_limits.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.shows(limiter),
                "pipeline `{}` has another rate limit named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.rate_limits.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// An observer for a timeout layer, with this value of the `policy` label.
    pub fn timeout(&self, policy: impl Into<SharedString>) -> TimeoutMetrics {
        TimeoutMetrics::new(&self.pipeline, &policy.into())
    }

    /// An observer for the layer of `throttle`, with this value of the `policy` label.
    ///
    /// The gauge is set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another throttle under the same name: the two would overwrite each other's gauge.
    #[track_caller]
    pub fn throttle(&self, policy: impl Into<SharedString>, throttle: &Throttle) -> ThrottleMetrics {
        // Made before the lock is taken: the recorder is foreign code.
        let metrics = ThrottleMetrics::new(&self.pipeline, policy.into(), throttle.clone());
        let mut gauges = self.gauges.lock();
        if let Some(there) = gauges.throttles.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.throttle().is_same(throttle),
                "pipeline `{}` has another throttle named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        gauges.throttles.push(metrics.clone());
        drop(gauges);
        metrics.publish();
        metrics
    }

    /// An observer for a load-shedding layer, with this value of the `policy` label. Two of one name count together.
    pub fn load_shed(&self, policy: impl Into<SharedString>) -> LoadShedMetrics {
        LoadShedMetrics::new(&self.pipeline, policy.into())
    }

    /// An observer for a fallback layer, with this value of the `policy` label. Two of one name count together.
    ///
    /// It counts what the fallback was wanted for; requests that are not meant for it ([`Ending::is_failure`]) count nowhere.
    /// The bulkhead of a fallback service has metrics of its own: observe the layer with a pair of this and of
    /// [`bulkhead`](Self::bulkhead).
    ///
    /// [`Ending::is_failure`]: resilience_core::fallback::Ending::is_failure
    pub fn fallback(&self, policy: impl Into<SharedString>) -> FallbackMetrics {
        FallbackMetrics::new(&self.pipeline, &policy.into())
    }

    /// Sets every gauge to what is true now. Call it when metrics are scraped, before they are rendered.
    ///
    /// Without it a breaker whose wait is over would show as open until the next call, and one that was
    /// forced open by hand not at all.
    pub fn publish(&self) {
        let Gauges { breakers, retries, bulkheads, throttles, rate_limits, adaptive } =
            self.gauges.lock().clone();
        breakers.iter().for_each(CircuitBreakerMetrics::publish);
        retries.iter().for_each(RetryMetrics::publish);
        bulkheads.iter().for_each(BulkheadMetrics::publish);
        throttles.iter().for_each(ThrottleMetrics::publish);
        rate_limits.iter().for_each(RateLimitMetrics::publish);
        adaptive.iter().for_each(AdaptiveMetrics::publish);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}
