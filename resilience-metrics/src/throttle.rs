use std::{fmt, sync::Arc};

use resilience_core::{Event, Observer, Throttle};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge},
    time,
};

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
    labels: Labels,
    throttle: Throttle,
    rejected: Counter,
    refusal_ratio: Gauge,
}

impl ThrottleMetrics {
    pub(crate) fn new(labels: Labels, throttle: Throttle) -> Self {
        let rejected = labels.counter(&catalogue::THROTTLE_REJECTED, &[]);
        let refusal_ratio = labels.gauge(&catalogue::THROTTLE_RATIO, &[]);
        Self { shared: Arc::new(Shared { labels, throttle, rejected, refusal_ratio }) }
    }
}

impl Shown for ThrottleMetrics {
    const KINDS: &'static [&'static str] = &["throttle"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        self.shared.throttle.is_same(&other.shared.throttle)
    }

    /// Sets the gauge to what the next call would meet.
    fn publish(&self) {
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
            .field("policy", &self.shared.labels.policy)
            .field("throttle", &self.shared.throttle)
            .finish_non_exhaustive()
    }
}
