use std::fmt;

use resilience_core::{Event, Observer, fallback::Ending};

use crate::{catalogue, labels::Labels, sink::Counter};

/// Counts the uses of a fallback by their result: see [`Telemetry::fallback`](crate::Telemetry::fallback).
///
/// # Clone
///
/// A clone counts into the same metrics.
#[derive(Clone)]
pub struct FallbackMetrics {
    success: Counter,
    failure: Counter,
}

impl FallbackMetrics {
    pub(crate) fn new(labels: &Labels) -> Self {
        let [success, failure] =
            ["success", "failure"].map(|result| labels.counter(&catalogue::FALLBACKS, &[("result", result)]));
        Self { success, failure }
    }
}

impl Observer for FallbackMetrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::Fallback { ending: Ending::Answered, .. } => self.success.increment(1),
            Event::Fallback { ending, .. } if ending.is_failure() => self.failure.increment(1),
            _ => {}
        }
    }
}

impl fmt::Debug for FallbackMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackMetrics").finish_non_exhaustive()
    }
}
