use std::{fmt, sync::Arc};

use resilience_core::{Bulkhead, Event, Observer, Rejected};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge, Histogram},
};

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
    labels: Labels,
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
    pub(crate) fn new(labels: Labels, bulkhead: Bulkhead) -> Self {
        let rejected = |reason| labels.counter(&catalogue::BULKHEAD_REJECTED, &[("reason", reason)]);
        let shared = Shared {
            full: rejected("full"),
            queue_full: rejected("queue_full"),
            queue_timeout: rejected("queue_timeout"),
            queue_shed: rejected("queue_shed"),
            wait: labels.histogram(&catalogue::BULKHEAD_WAIT, &[]),
            in_flight: labels.gauge(&catalogue::BULKHEAD_IN_FLIGHT, &[]),
            limit: labels.gauge(&catalogue::BULKHEAD_LIMIT, &[]),
            queue_depth: labels.gauge(&catalogue::BULKHEAD_QUEUE_DEPTH, &[]),
            queue_limit: labels.gauge(&catalogue::BULKHEAD_QUEUE_LIMIT, &[]),
            labels,
            bulkhead,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for BulkheadMetrics {
    const KINDS: &'static [&'static str] = &["bulkhead"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        self.shared.bulkhead.is_same(&other.shared.bulkhead)
    }

    fn publish(&self) {
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
            .field("policy", &self.shared.labels.policy)
            .field("bulkhead", &self.shared.bulkhead)
            .finish_non_exhaustive()
    }
}
