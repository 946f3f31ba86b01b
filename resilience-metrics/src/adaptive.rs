use std::{fmt, sync::Arc};

use resilience_core::{AdaptiveLimit, Event, Observer, adaptive::Priority};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge},
};

/// Counts the refusals of one adaptive limit, and shows the limit and what is in flight: see
/// [`Telemetry::adaptive`](crate::Telemetry::adaptive).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct AdaptiveMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    handle: AdaptiveLimit,
    rejected: Rejections,
    limit: Gauge,
    in_flight: Gauge,
}

/// The refusals by priority.
pub(crate) struct Rejections {
    critical: Counter,
    default: Counter,
    sheddable: Counter,
}

impl AdaptiveMetrics {
    pub(crate) fn new(labels: Labels, handle: AdaptiveLimit) -> Self {
        let shared = Shared {
            rejected: Rejections::new(&labels),
            limit: labels.gauge(&catalogue::ADAPTIVE_LIMIT, &[]),
            in_flight: labels.gauge(&catalogue::ADAPTIVE_IN_FLIGHT, &[]),
            labels,
            handle,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for AdaptiveMetrics {
    const KINDS: &'static [&'static str] = &["adaptive limit"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        self.shared.handle.is_same(&other.shared.handle)
    }

    fn publish(&self) {
        let snapshot = self.shared.handle.snapshot();
        self.shared.limit.set(snapshot.limit);
        self.shared.in_flight.set(snapshot.in_flight);
    }
}

impl Rejections {
    pub(crate) fn new(labels: &Labels) -> Self {
        let of = |priority: Priority| {
            labels.counter(&catalogue::ADAPTIVE_REJECTED, &[("priority", priority.as_str())])
        };
        Self {
            critical: of(Priority::Critical),
            default: of(Priority::Default),
            sheddable: of(Priority::Sheddable),
        }
    }
}

impl Observer for Rejections {
    fn observe(&self, event: &Event) {
        let Event::AdaptiveRejected { priority, .. } = event else { return };
        let rejected = match priority {
            Priority::Critical => &self.critical,
            Priority::Default => &self.default,
            Priority::Sheddable => &self.sheddable,
        };
        rejected.increment(1);
    }
}

impl Observer for AdaptiveMetrics {
    fn observe(&self, event: &Event) {
        self.shared.rejected.observe(event);
    }
}

impl fmt::Debug for AdaptiveMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveMetrics")
            .field("policy", &self.shared.labels.policy)
            .field("limit", &self.shared.handle)
            .finish_non_exhaustive()
    }
}
