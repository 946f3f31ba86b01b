use std::{fmt, sync::Arc};

use resilience_core::{Event, Observer};

use crate::{
    AdaptiveMetrics, BulkheadMetrics, DrainMetrics, PerKeyMetrics, RateLimitMetrics, RetryMetrics,
    TimeoutMetrics,
};

/// Counts what all policies of a stack decide: see [`Telemetry::client`](crate::Telemetry::client) and
/// [`Telemetry::server`](crate::Telemetry::server).
///
/// # Clone
///
/// A clone counts into the same metrics.
#[derive(Clone)]
pub struct StackMetrics {
    parts: Arc<Parts>,
}

/// Each counts its own events, and none those of another.
pub(crate) struct Parts {
    pub(crate) timeout: TimeoutMetrics,
    pub(crate) retry: Option<RetryMetrics>,
    pub(crate) per_key: Option<PerKeyMetrics>,
    pub(crate) adaptive: Option<AdaptiveMetrics>,
    pub(crate) bulkhead: Option<BulkheadMetrics>,
    pub(crate) rate_limit: RateLimitMetrics,
    pub(crate) drain: Option<DrainMetrics>,
}

impl StackMetrics {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl Observer for StackMetrics {
    fn is_verbose(&self) -> bool {
        self.parts.timeout.is_verbose()
    }

    fn observe(&self, event: &Event) {
        let Parts { timeout, retry, per_key, adaptive, bulkhead, rate_limit, drain } = &*self.parts;
        timeout.observe(event);
        rate_limit.observe(event);
        tell(retry.as_ref(), event);
        tell(per_key.as_ref(), event);
        tell(adaptive.as_ref(), event);
        tell(bulkhead.as_ref(), event);
        tell(drain.as_ref(), event);
    }
}

fn tell(observer: Option<&impl Observer>, event: &Event) {
    if let Some(observer) = observer {
        observer.observe(event);
    }
}

impl fmt::Debug for StackMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackMetrics").finish_non_exhaustive()
    }
}
