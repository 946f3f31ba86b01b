use std::{fmt, sync::Arc};

use resilience_core::{Event, Observer};

use crate::{
    catalogue,
    labels::Labels,
    sink::{Counter, Histogram},
};

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
    used: Option<Used>,
}

/// Which part of the timeout calls used.
struct Used {
    attempt: Histogram,
    operation: Histogram,
}

impl TimeoutMetrics {
    pub(crate) fn new(labels: &Labels) -> Self {
        let of = |scope| labels.counter(&catalogue::TIMEOUTS, &[("scope", scope)]);
        let used = |scope| labels.histogram(&catalogue::TIMEOUT_USED, &[("scope", scope)]);
        let used = || Used { attempt: used("attempt"), operation: used("operation") };
        let counters = Counters {
            attempt: of("attempt"),
            operation: of("operation"),
            used: labels.options().verbose.then(used),
        };
        Self { counters: Arc::new(counters) }
    }
}

impl Observer for TimeoutMetrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::AttemptTimedOut { .. } => self.counters.attempt.increment(1),
            Event::DeadlineExceeded { .. } => self.counters.operation.increment(1),
            _ => {}
        }
        if let Some(used) = &self.counters.used {
            used.observe(event);
        }
    }

    fn is_verbose(&self) -> bool {
        self.counters.used.is_some()
    }
}

impl Observer for Used {
    fn observe(&self, event: &Event) {
        let (histogram, elapsed, limit) = match event {
            Event::AttemptTimedOut { limit, elapsed } | Event::AttemptInTime { limit, elapsed } => {
                (&self.attempt, elapsed, limit)
            }
            Event::DeadlineExceeded { limit, elapsed } | Event::OperationInTime { limit, elapsed } => {
                (&self.operation, elapsed, limit)
            }
            _ => return,
        };
        // A deadline that a request brings may leave nothing.
        let part = if elapsed < limit { elapsed.div_duration_f64(*limit) } else { 1.0 };
        histogram.record(part);
    }
}

impl fmt::Debug for TimeoutMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutMetrics").finish_non_exhaustive()
    }
}
