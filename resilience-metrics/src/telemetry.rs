use std::{fmt, sync::Arc};

use metrics::SharedString;
use resilience_core::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Drain, RateLimiter, RetryBudget, Throttle, keyed::Snapshot,
};

use crate::{
    AdaptiveMetrics, AttemptLayer, BulkheadMetrics, CircuitBreakerMetrics, DrainMetrics, FallbackMetrics,
    IdempotencyMetrics, LoadShedMetrics, OperationLayer, PerKeyMetrics, RateLimitMetrics, RetryMetrics,
    StackMetrics, ThrottleMetrics, TimeoutMetrics, in_flight::InFlight, keyed::KeyedMetrics, labels::Labels,
    pulse::Pulse, registry::Registry, sink::Sink, stack::Parts, time,
};

mod publish;
mod settings;

pub use self::publish::Publisher;

/// The metrics of one pipeline: a client of one dependency, or one server.
///
/// See the [crate](crate) for an example and for the metrics.
///
/// They go to the recorder that is installed, whenever that is, or to those that it is [given](Self::with_recorder). What is counted
/// before a recorder is there is told as soon as it is; only durations are lost until then.
///
/// Its settings come before all else: before it is cloned, and before anything is taken from it.
///
/// # Clone
///
/// A clone is the same pipeline.
#[derive(Clone)]
pub struct Telemetry {
    sink: Arc<Sink>,
    registry: Registry,
    in_flight: InFlight,
    pulse: Arc<Pulse>,
}

impl Telemetry {
    /// The metrics of the pipeline with this name, which is the value of every `pipeline` label.
    ///
    /// The name is public, so it must not come from a request. Two pipelines of a process need two names: what has gauges panics when it
    /// is given a name that another telemetry of the same name and recorder has already given to something else.
    pub fn new(pipeline: impl Into<SharedString>) -> Self {
        Self {
            sink: Arc::new(Sink::new(pipeline.into())),
            registry: Registry::default(),
            in_flight: InFlight::default(),
            pulse: Arc::new(Pulse::new(time::now())),
        }
    }

    /// A layer that counts and times every operation by its outcome, cancelled ones included. Outermost in a stack.
    ///
    /// Give it the classifier of the stack.
    pub fn operation_layer<C>(&self, classify: C) -> OperationLayer<C>
    where
        C: Send + Sync + 'static,
    {
        let layer = OperationLayer::new(self, classify);
        self.in_flight.watch(layer.red());
        self.publish();
        layer
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
        self.registry.register(CircuitBreakerMetrics::new(self.labels(policy), breaker.clone()))
    }

    /// A layer that counts and times every attempt by its kind (`first` or `retry`) and outcome, cancelled ones included.
    /// Inside of the retry layer and of the breaker, around the attempt timeout: what a policy refuses was no attempt.
    ///
    /// Give it the classifier of the stack. A failure of any kind counts as one, a permanent one too.
    pub fn attempt_layer<C>(&self, classify: C) -> AttemptLayer<C> {
        AttemptLayer::new(self, classify)
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
        self.registry.register(RetryMetrics::new(self.labels(policy), budget.cloned()))
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
        self.registry.register(BulkheadMetrics::new(self.labels(policy), bulkhead.clone()))
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
        self.registry.register(AdaptiveMetrics::new(self.labels(policy), limit.clone()))
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
        self.registry.register(RateLimitMetrics::new(self.labels(policy), limiter.into().cloned()))
    }

    /// An observer for a timeout layer, with this value of the `policy` label.
    pub fn timeout(&self, policy: impl Into<SharedString>) -> TimeoutMetrics {
        TimeoutMetrics::new(&self.labels(policy))
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
        self.registry.register(ThrottleMetrics::new(self.labels(policy), throttle.clone()))
    }

    /// An observer for the layer of `drain`, with this value of the `policy` label.
    ///
    /// The gauges are set now and by [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// If this pipeline has another drain under the same name: the two would overwrite each other's gauges.
    #[track_caller]
    pub fn drain(&self, policy: impl Into<SharedString>, drain: &Drain) -> DrainMetrics {
        self.registry.register(DrainMetrics::new(self.labels(policy), drain.clone()))
    }

    /// An observer for a load-shedding layer, with this value of the `policy` label. Two of one name count together.
    pub fn load_shed(&self, policy: impl Into<SharedString>) -> LoadShedMetrics {
        LoadShedMetrics::new(&self.labels(policy))
    }

    /// Shows a [table of policies by key](crate#policies-by-key) under this value of the `policy` label: how many keys it holds, and
    /// how many it has given up since it was made.
    ///
    /// `read` is called now and by [`publish`](Self::publish), by several threads at once if they publish at once; it is dropped
    /// with the last clone of the telemetry. The counters move when published.
    ///
    /// # Panics
    ///
    /// If this pipeline shows a table under the same name already.
    #[track_caller]
    pub fn keyed(
        &self,
        policy: impl Into<SharedString>,
        read: impl Fn() -> Snapshot + Send + Sync + 'static,
    ) {
        self.registry.register(KeyedMetrics::new(self.labels(policy), Box::new(read)));
    }

    /// An observer for a layer with [several policies by key](crate#policies-by-key), with this value of the `policy` label; and
    /// its table, as by [`keyed`](Self::keyed), with the state of its breakers.
    ///
    /// # Panics
    ///
    /// If this pipeline shows a table or a circuit breaker under the same name already. A second layer over the same table takes
    /// a clone of the observer.
    #[track_caller]
    pub fn per_key(
        &self,
        policy: impl Into<SharedString>,
        read: impl Fn() -> Snapshot + Send + Sync + 'static,
    ) -> PerKeyMetrics {
        let metrics = PerKeyMetrics::new(&self.labels(policy));
        self.registry.register(metrics.gauges(Box::new(read)));
        metrics
    }

    /// An observer for a fallback layer, with this value of the `policy` label. Two of one name count together.
    ///
    /// It counts what the fallback was wanted for; requests that are not meant for it ([`Ending::is_failure`]) count nowhere.
    /// The bulkhead of a fallback service has metrics of its own: observe the layer with a pair of this and of
    /// [`bulkhead`](Self::bulkhead).
    ///
    /// [`Ending::is_failure`]: resilience_core::fallback::Ending::is_failure
    pub fn fallback(&self, policy: impl Into<SharedString>) -> FallbackMetrics {
        FallbackMetrics::new(&self.labels(policy))
    }

    /// An observer for a guard of idempotency keys (`resilience_tower::idempotency::Guard::with_observer`), with this value of the
    /// `policy` label. Two of one name count together.
    ///
    /// Each request counts once, under what became of it ([`Ending`]); the calls that a client sends with a key count nowhere here.
    ///
    /// ```
    /// use resilience_core::{Event, Observer, idempotency::Ending};
    /// use resilience_metrics::Telemetry;
    ///
    /// let telemetry = Telemetry::new("payments");
    /// let observer = telemetry.idempotency("idempotency");
    /// // As the guard does.
    /// observer.observe(&Event::Idempotency(Ending::Stored));
    /// ```
    ///
    /// [`Ending`]: resilience_core::idempotency::Ending
    pub fn idempotency(&self, policy: impl Into<SharedString>) -> IdempotencyMetrics {
        IdempotencyMetrics::new(&self.labels(policy))
    }

    /// Shows a store of idempotency keys that is in memory under this value of the `policy` label: how many records it holds, and how
    /// many it has given up since it was made. It needs the feature `idempotency`.
    ///
    /// `read` is called now and by [`publish`](Self::publish), by several threads at once if they publish at once; it is dropped
    /// with the last clone of the telemetry. The counters move when published.
    ///
    /// ```
    /// use resilience_core::idempotency::{MemoryStore, memory::Config};
    /// use resilience_metrics::Telemetry;
    /// use std::time::Instant;
    ///
    /// let telemetry = Telemetry::new("payments");
    /// let store = MemoryStore::new(Config::new(), Instant::now);
    /// let shown = store.clone();
    /// telemetry.idempotency_store("idempotency", move || shown.snapshot());
    /// ```
    ///
    /// # Panics
    ///
    /// If this pipeline shows a store under the same name already.
    #[cfg(feature = "idempotency")]
    #[track_caller]
    pub fn idempotency_store(
        &self,
        policy: impl Into<SharedString>,
        read: impl Fn() -> resilience_core::idempotency::memory::Snapshot + Send + Sync + 'static,
    ) {
        use crate::idempotency::store::StoreMetrics;

        self.registry.register(StoreMetrics::new(self.labels(policy), Box::new(read)));
    }

    /// An observer for all policies of a client's stack (`resilience_tower::stack`), each under a `policy` label of its own: `timeout`,
    /// `retry`, `destinations`, `bulkhead`, `rate_limit`.
    ///
    /// `destinations` reads the table of destinations, as by [`per_key`](Self::per_key). RED metrics are layers:
    /// [`operation_layer`](Self::operation_layer) goes into the operation slot, [`attempt_layer`](Self::attempt_layer) into
    /// the attempt slot.
    ///
    /// # Panics
    ///
    /// If this pipeline has another policy under one of these names.
    #[track_caller]
    pub fn client(
        &self,
        destinations: impl Fn() -> Snapshot + Send + Sync + 'static,
        bulkhead: Option<&Bulkhead>,
        rate_limit: Option<&RateLimiter>,
    ) -> StackMetrics {
        StackMetrics::new(Parts {
            timeout: self.timeout("timeout"),
            retry: Some(self.retry("retry", None)),
            per_key: Some(self.per_key("destinations", destinations)),
            adaptive: None,
            bulkhead: bulkhead.map(|bulkhead| self.bulkhead("bulkhead", bulkhead)),
            rate_limit: self.rate_limit("rate_limit", rate_limit),
            drain: None,
        })
    }

    /// An observer for all policies of a server's stack, each under a `policy` label of its own: `timeout`, `drain`, `adaptive`,
    /// `bulkhead`, `rate_limit`.
    ///
    /// # Panics
    ///
    /// If this pipeline has another policy under one of these names.
    #[track_caller]
    pub fn server(
        &self,
        drain: &Drain,
        adaptive: Option<&AdaptiveLimit>,
        bulkhead: Option<&Bulkhead>,
    ) -> StackMetrics {
        StackMetrics::new(Parts {
            timeout: self.timeout("timeout"),
            retry: None,
            per_key: None,
            adaptive: adaptive.map(|limit| self.adaptive("adaptive", limit)),
            bulkhead: bulkhead.map(|bulkhead| self.bulkhead("bulkhead", bulkhead)),
            rate_limit: self.rate_limit("rate_limit", None),
            drain: Some(self.drain("drain", drain)),
        })
    }

    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    pub(crate) fn pipeline(&self) -> &SharedString {
        &self.sink.pipeline
    }

    fn labels(&self, policy: impl Into<SharedString>) -> Labels {
        Labels::new(Arc::clone(&self.sink), policy.into())
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("pipeline", &self.sink.pipeline).finish_non_exhaustive()
    }
}
