use std::{fmt, sync::Arc};

use resilience_core::{Drain, Event, Observer};

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge},
};

/// Counts the refusals of one drain, and shows what runs and whether it drains: see
/// [`Telemetry::drain`](crate::Telemetry::drain).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct DrainMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    drain: Drain,
    rejected: Counter,
    active: Gauge,
    in_flight: Gauge,
}

impl DrainMetrics {
    pub(crate) fn new(labels: Labels, drain: Drain) -> Self {
        let shared = Shared {
            rejected: labels.counter(&catalogue::DRAIN_REJECTED, &[]),
            active: labels.gauge(&catalogue::DRAIN_ACTIVE, &[]),
            in_flight: labels.gauge(&catalogue::DRAIN_IN_FLIGHT, &[]),
            labels,
            drain,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for DrainMetrics {
    const KINDS: &'static [&'static str] = &["drain"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        self.shared.drain.is_same(&other.shared.drain)
    }

    fn publish(&self) {
        let snapshot = self.shared.drain.snapshot();
        self.shared.active.set(if snapshot.draining { 1.0 } else { 0.0 });
        #[expect(clippy::cast_precision_loss, reason = "a number of calls")]
        self.shared.in_flight.set(snapshot.running as f64);
    }
}

impl Observer for DrainMetrics {
    fn observe(&self, event: &Event) {
        if let Event::DrainRejected { .. } = event {
            self.shared.rejected.increment(1);
        }
    }
}

impl fmt::Debug for DrainMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainMetrics")
            .field("policy", &self.shared.labels.policy)
            .field("drain", &self.shared.drain)
            .finish_non_exhaustive()
    }
}
