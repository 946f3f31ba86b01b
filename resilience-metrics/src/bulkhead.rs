use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};
use resilience_core::{Bulkhead, Event, Observer, Rejected};

use crate::names;

/// Counts the refusals and waits of one bulkhead, and shows how full it is: see
/// [`Telemetry::bulkhead`](crate::Telemetry::bulkhead).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct BulkheadMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    policy: SharedString,
    bulkhead: Bulkhead,
    full: Counter,
    queue_full: Counter,
    queue_timeout: Counter,
    queue_shed: Counter,
    wait: Histogram,
    in_flight: Gauge,
    limit: Gauge,
    queue_depth: Gauge,
    queue_limit: Gauge,
}

impl BulkheadMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, bulkhead: Bulkhead) -> Self {
        let rejected = |reason: &'static str| {
            counter!(
                names::BULKHEAD_REJECTED,
                "pipeline" => pipeline.clone(),
                "policy" => policy.clone(),
                "reason" => reason,
            )
        };
        let named =
            |name: &'static str| gauge!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone());
        let shared = Shared {
            full: rejected("full"),
            queue_full: rejected("queue_full"),
            queue_timeout: rejected("queue_timeout"),
            queue_shed: rejected("queue_shed"),
            wait: histogram!(
                names::BULKHEAD_WAIT,
                "pipeline" => pipeline.clone(),
                "policy" => policy.clone(),
            ),
            in_flight: named(names::BULKHEAD_IN_FLIGHT),
            limit: named(names::BULKHEAD_LIMIT),
            queue_depth: named(names::BULKHEAD_QUEUE_DEPTH),
            queue_limit: named(names::BULKHEAD_QUEUE_LIMIT),
            policy,
            bulkhead,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    pub(crate) fn bulkhead(&self) -> &Bulkhead {
        &self.shared.bulkhead
    }

    /// Sets the gauges to what is true now, however calls have ended.
    pub(crate) fn publish(&self) {
        let snapshot = self.shared.bulkhead.snapshot();
        self.shared.in_flight.set(snapshot.in_flight);
        self.shared.limit.set(snapshot.limit);
        self.shared.queue_depth.set(snapshot.waiting);
        self.shared.queue_limit.set(snapshot.max_queue);
    }
}

impl Observer for BulkheadMetrics {
    fn observe(&self, event: &Event) {
        let shared = &self.shared;
        match event {
            Event::BulkheadWaited { waited } => shared.wait.record(waited.as_secs_f64()),
            Event::BulkheadRejected(Rejected::BulkheadFull { .. }) => shared.full.increment(1),
            Event::BulkheadRejected(Rejected::BulkheadQueueFull { .. }) => shared.queue_full.increment(1),
            Event::BulkheadRejected(Rejected::BulkheadTimedOut { .. }) => shared.queue_timeout.increment(1),
            Event::BulkheadRejected(Rejected::BulkheadShed { .. }) => shared.queue_shed.increment(1),
            _ => {}
        }
    }
}

impl fmt::Debug for BulkheadMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadMetrics")
            .field("policy", &self.shared.policy)
            .field("bulkhead", &self.shared.bulkhead)
            .finish_non_exhaustive()
    }
}
