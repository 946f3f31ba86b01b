use std::{fmt, sync::Arc};

use metrics::SharedString;
use parking_lot::Mutex;
use resilience_core::CircuitBreaker;

use crate::{CircuitBreakerMetrics, OperationLayer, TimeoutMetrics, names};

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
    breakers: Arc<Mutex<Vec<CircuitBreakerMetrics>>>,
}

impl Telemetry {
    /// The metrics of the pipeline with this name, which is the value of every `pipeline` label.
    ///
    /// The name is public, so it must not come from a request; two pipelines of a process need two names.
    pub fn new(pipeline: impl Into<SharedString>) -> Self {
        names::describe();
        Self { pipeline: pipeline.into(), breakers: Arc::default() }
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
        let mut breakers = self.breakers.lock();
        if let Some(there) = breakers.iter().find(|there| there.policy() == metrics.policy()) {
            assert!(
                there.breaker().is_same(breaker),
                "pipeline `{}` has another circuit breaker named `{}`: give this one a name of its own",
                self.pipeline,
                metrics.policy(),
            );
            return there.clone();
        }
        breakers.push(metrics.clone());
        drop(breakers);
        metrics.publish();
        metrics
    }

    /// An observer for a timeout layer, with this value of the `policy` label.
    pub fn timeout(&self, policy: impl Into<SharedString>) -> TimeoutMetrics {
        TimeoutMetrics::new(&self.pipeline, &policy.into())
    }

    /// Sets every gauge to what is true now. Call it when metrics are scraped, before they are rendered.
    ///
    /// Without it a breaker whose wait is over would show as open until the next call, and one that was
    /// forced open by hand not at all.
    pub fn publish(&self) {
        let breakers = self.breakers.lock().clone();
        for breaker in breakers {
            breaker.publish();
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}
