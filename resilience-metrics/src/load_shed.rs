use std::fmt;

use resilience_core::{Event, Observer};

use crate::{catalogue, labels::Labels, sink::Counter};

/// Counts the calls that load shedding refused: see [`Telemetry::load_shed`](crate::Telemetry::load_shed).
///
/// # Clone
///
/// A clone counts into the same metric.
#[derive(Clone)]
pub struct LoadShedMetrics {
    rejected: Counter,
}

impl LoadShedMetrics {
    pub(crate) fn new(labels: &Labels) -> Self {
        Self { rejected: labels.counter(&catalogue::LOAD_SHED_REJECTED, &[]) }
    }
}

impl Observer for LoadShedMetrics {
    fn observe(&self, event: &Event) {
        if let Event::LoadShed { .. } = event {
            self.rejected.increment(1);
        }
    }
}

impl fmt::Debug for LoadShedMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShedMetrics").finish_non_exhaustive()
    }
}
