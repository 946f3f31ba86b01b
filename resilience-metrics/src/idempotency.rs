use std::{fmt, sync::Arc};

use resilience_core::{Event, Observer, idempotency::Ending};

use crate::{catalogue, labels::Labels, sink::Counter};

#[cfg(feature = "idempotency")]
pub(crate) mod store;

/// Counts requests by what became of them and their idempotency keys: see
/// [`Telemetry::idempotency`](crate::Telemetry::idempotency).
///
/// # Clone
///
/// A clone counts into the same metrics.
#[derive(Clone)]
pub struct IdempotencyMetrics {
    /// In the order of [`Ending::ALL`].
    requests: Arc<[Counter; Ending::ALL.len()]>,
}

impl IdempotencyMetrics {
    pub(crate) fn new(labels: &Labels) -> Self {
        let requests = Ending::ALL
            .map(|ending| labels.counter(&catalogue::IDEMPOTENCY_REQUESTS, &[("result", ending.as_str())]));
        Self { requests: Arc::new(requests) }
    }
}

impl Observer for IdempotencyMetrics {
    fn observe(&self, event: &Event) {
        if let Event::Idempotency(ending) = *event {
            self.requests[ending as usize].increment(1);
        }
    }
}

impl fmt::Debug for IdempotencyMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyMetrics").finish_non_exhaustive()
    }
}
