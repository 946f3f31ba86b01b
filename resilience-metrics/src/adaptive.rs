use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, SharedString, counter, gauge};
use resilience_core::{AdaptiveLimit, Event, Observer, adaptive::Priority};

use crate::names;

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
    policy: SharedString,
    handle: AdaptiveLimit,
    critical: Counter,
    default: Counter,
    sheddable: Counter,
    limit: Gauge,
    in_flight: Gauge,
}

impl AdaptiveMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, handle: AdaptiveLimit) -> Self {
        let rejected = |priority: Priority| {
            counter!(
                names::ADAPTIVE_REJECTED,
                "pipeline" => pipeline.clone(),
                "policy" => policy.clone(),
                "priority" => priority.as_str(),
            )
        };
        let named =
            |name: &'static str| gauge!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone());
        let shared = Shared {
            critical: rejected(Priority::Critical),
            default: rejected(Priority::Default),
            sheddable: rejected(Priority::Sheddable),
            limit: named(names::ADAPTIVE_LIMIT),
            in_flight: named(names::ADAPTIVE_IN_FLIGHT),
            policy,
            handle,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    pub(crate) fn limit(&self) -> &AdaptiveLimit {
        &self.shared.handle
    }

    /// Sets the gauges to what is true now, however calls have ended.
    pub(crate) fn publish(&self) {
        let snapshot = self.shared.handle.snapshot();
        self.shared.limit.set(snapshot.limit);
        self.shared.in_flight.set(snapshot.in_flight);
    }
}

impl Observer for AdaptiveMetrics {
    fn observe(&self, event: &Event) {
        let Event::AdaptiveRejected { priority, .. } = event else { return };
        let rejected = match priority {
            Priority::Critical => &self.shared.critical,
            Priority::Default => &self.shared.default,
            Priority::Sheddable => &self.shared.sheddable,
        };
        rejected.increment(1);
    }
}

impl fmt::Debug for AdaptiveMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveMetrics")
            .field("policy", &self.shared.policy)
            .field("limit", &self.shared.handle)
            .finish_non_exhaustive()
    }
}
