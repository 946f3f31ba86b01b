use std::{fmt, sync::Arc};

use metrics::Counter;
use resilience_core::{Event, Observer};

use crate::{labels::Labels, names};

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
    pub(crate) fn new(labels: &Labels) -> Self {
        let of = |scope| labels.counter_of(names::TIMEOUTS, "scope", scope);
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
