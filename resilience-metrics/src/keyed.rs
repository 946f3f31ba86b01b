//! How many keys a table holds, and how many it has given up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use resilience_core::keyed::Snapshot;

use crate::{
    catalogue,
    labels::Labels,
    registry::Shown,
    sink::{Counter, Gauge},
};

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

/// Counts what a table has counted.
struct Evicted {
    counter: Counter,
    /// How many the counter has been told of, or is being told of. Relaxed: it guards nothing.
    told: AtomicU64,
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
        let evicted = |reason| {
            let counter = labels.counter(&catalogue::KEYED_EVICTIONS, &[("reason", reason)]);
            Evicted { counter, told: AtomicU64::new(0) }
        };
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

impl Evicted {
    /// Of several threads, each tells what the others have not: all together the highest total, in whatever order they have read.
    fn publish(&self, total: u64) {
        let told = self.told.fetch_max(total, Ordering::Relaxed);
        self.counter.increment(total.saturating_sub(told));
    }
}
