//! How many keys a table holds, and how many it has given up.

use std::sync::Arc;

use resilience_core::keyed::Snapshot;

use crate::{catalogue, evicted::Evicted, labels::Labels, registry::Shown, sink::Gauge};

/// What a user gives to look at a table.
pub(crate) type Read = Box<dyn Fn() -> Snapshot + Send + Sync>;

#[derive(Clone)]
pub(crate) struct KeyedMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    read: Read,
    keys: Keys,
}

/// The metrics of one table.
pub(crate) struct Keys {
    entries: Gauge,
    idle: Evicted,
    capacity: Evicted,
}

impl KeyedMetrics {
    pub(crate) fn new(labels: Labels, read: Read) -> Self {
        let keys = Keys::new(&labels);
        Self { shared: Arc::new(Shared { labels, read, keys }) }
    }
}

impl Shown for KeyedMetrics {
    const KINDS: &'static [&'static str] = &["keyed table"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    /// Nobody can say whether two functions look at one table.
    fn is_same(&self, _: &Self) -> bool {
        false
    }

    fn publish(&self) {
        self.shared.keys.publish(&(self.shared.read)());
    }
}

impl Keys {
    pub(crate) fn new(labels: &Labels) -> Self {
        let evicted = |reason| Evicted::new(labels, &catalogue::KEYED_EVICTIONS, reason);
        Self {
            entries: labels.gauge(&catalogue::KEYED_ENTRIES, &[]),
            idle: evicted("idle"),
            capacity: evicted("capacity"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 keys")]
    pub(crate) fn publish(&self, snapshot: &Snapshot) {
        self.entries.set(snapshot.entries as f64);
        self.idle.publish(snapshot.evictions.idle);
        self.capacity.publish(snapshot.evictions.capacity);
    }
}
