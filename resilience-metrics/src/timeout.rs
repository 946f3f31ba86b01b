use std::{fmt, sync::Arc};

use metrics::{Counter, SharedString, counter};
use resilience_core::{Event, Observer};

use crate::names;

/// Counts timeouts: see [`Telemetry::timeout`](crate::Telemetry::timeout).
///
/// # Clone
///
/// A clone counts into the same metrics.
#[derive(Clone)]
pub struct TimeoutMetrics {
    counters: Arc<Counters>,
}

struct Counters {
    attempt: Counter,
    operation: Counter,
}

impl TimeoutMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: &SharedString) -> Self {
        let of = |scope: &'static str| counter!(names::TIMEOUTS, "pipeline" => pipeline.clone(), "policy" => policy.clone(), "scope" => scope);
        Self { counters: Arc::new(Counters { attempt: of("attempt"), operation: of("operation") }) }
    }
}

impl Observer for TimeoutMetrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::AttemptTimedOut { .. } => self.counters.attempt.increment(1),
            Event::DeadlineExceeded { .. } => self.counters.operation.increment(1),
            _ => {}
        }
    }
}

impl fmt::Debug for TimeoutMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutMetrics").finish_non_exhaustive()
    }
}
