use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, SharedString, counter, gauge};
use resilience_core::{Event, Observer, Throttle};

use crate::{names, time};

/// Counts the refusals of one throttle and shows how probable the next one is: see
/// [`Telemetry::throttle`](crate::Telemetry::throttle).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct ThrottleMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    policy: SharedString,
    throttle: Throttle,
    rejected: Counter,
    refusal_ratio: Gauge,
}

impl ThrottleMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, throttle: Throttle) -> Self {
        let rejected = counter!(
            names::THROTTLE_REJECTED,
            "pipeline" => pipeline.clone(),
            "policy" => policy.clone(),
        );
        let refusal_ratio = gauge!(
            names::THROTTLE_RATIO,
            "pipeline" => pipeline.clone(),
            "policy" => policy.clone(),
        );
        Self { shared: Arc::new(Shared { policy, throttle, rejected, refusal_ratio }) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.shared.throttle
    }

    /// Sets the gauge to what the next call would meet.
    pub(crate) fn publish(&self) {
        self.shared.refusal_ratio.set(self.shared.throttle.snapshot(time::now()).probability);
    }
}

impl Observer for ThrottleMetrics {
    fn observe(&self, event: &Event) {
        if let Event::Throttled { .. } = event {
            self.shared.rejected.increment(1);
        }
    }
}

impl fmt::Debug for ThrottleMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleMetrics")
            .field("policy", &self.shared.policy)
            .field("throttle", &self.shared.throttle)
            .finish_non_exhaustive()
    }
}
