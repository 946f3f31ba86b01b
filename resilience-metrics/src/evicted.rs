//! Counts what a table has counted itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{catalogue::MetricDef, labels::Labels, sink::Counter};

/// How many entries were given up for one reason.
pub(crate) struct Evicted {
    counter: Counter,
    /// How many the counter has been told of, or is being told of. Relaxed: it guards nothing.
    told: AtomicU64,
}

impl Evicted {
    pub(crate) fn new(labels: &Labels, metric: &MetricDef, reason: &'static str) -> Self {
        Self { counter: labels.counter(metric, &[("reason", reason)]), told: AtomicU64::new(0) }
    }

    /// Of several threads, each tells what the others have not: all together the highest total, in whatever order they have read.
    pub(crate) fn publish(&self, total: u64) {
        let told = self.told.fetch_max(total, Ordering::Relaxed);
        self.counter.increment(total.saturating_sub(told));
    }
}
