//! When a breaker last changed its state.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    catalogue,
    labels::Labels,
    sink::{Gauge, Options},
};

pub(crate) struct LastTransition {
    /// Seconds since 1970, as the bits of a float; those grow with it. Relaxed: it guards nothing.
    at: AtomicU64,
    gauge: Gauge,
}

impl LastTransition {
    pub(crate) fn new(labels: &Labels) -> Self {
        Self { at: AtomicU64::new(0), gauge: labels.gauge(&catalogue::BREAKER_LAST_TRANSITION, &[]) }
    }

    /// There was one now.
    pub(crate) fn note(&self, options: &Options) {
        self.at.fetch_max(options.unix_time().to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn publish(&self) {
        self.gauge.set(f64::from_bits(self.at.load(Ordering::Relaxed)));
    }
}
