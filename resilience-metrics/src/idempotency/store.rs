//! How many records a store in memory holds, and how many it has given up.

use std::sync::Arc;

use resilience_core::idempotency::memory::Snapshot;

use crate::{catalogue, evicted::Evicted, labels::Labels, registry::Shown, sink::Gauge};

/// What a user gives to look at a store.
pub(crate) type Read = Box<dyn Fn() -> Snapshot + Send + Sync>;

#[derive(Clone)]
pub(crate) struct StoreMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    read: Read,
    entries: Gauge,
    expired: Evicted,
    capacity: Evicted,
}

impl StoreMetrics {
    pub(crate) fn new(labels: Labels, read: Read) -> Self {
        let evicted = |reason| Evicted::new(&labels, &catalogue::IDEMPOTENCY_EVICTIONS, reason);
        let shared = Shared {
            entries: labels.gauge(&catalogue::IDEMPOTENCY_ENTRIES, &[]),
            expired: evicted("expired"),
            capacity: evicted("capacity"),
            labels,
            read,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shown for StoreMetrics {
    const KINDS: &'static [&'static str] = &["idempotency store"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    /// Nobody can say whether two functions look at one store.
    fn is_same(&self, _: &Self) -> bool {
        false
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 records")]
    fn publish(&self) {
        let Shared { read, entries, expired, capacity, .. } = &*self.shared;
        let snapshot = read();
        entries.set(snapshot.entries as f64);
        expired.publish(snapshot.evictions.expired);
        capacity.publish(snapshot.evictions.capacity);
    }
}
