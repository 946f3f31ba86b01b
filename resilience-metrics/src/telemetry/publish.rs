//! Bringing the gauges up to date.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

use super::Telemetry;
use crate::time;

impl Telemetry {
    /// Sets every gauge to what is true now. Call it when metrics are scraped, before they are rendered: then they are exact.
    ///
    /// Otherwise gauges are as of the last transition and the last second in which an operation of this pipeline has ended, because
    /// each publishes them if nobody has done so for a second (with an [operation layer](Self::operation_layer), and a recorder).
    /// While no operations end, a breaker whose wait is over would show as open.
    ///
    /// A recorder that was not there before gets all counters, with what was counted until now. Gauges that an exporter has
    /// forgotten, because nobody had set them for long, are there again. Counters and histograms are not: give idle timeouts to
    /// gauges alone, or to nothing.
    pub fn publish(&self) {
        self.sink.bind();
        self.in_flight.publish(&self.sink);
        self.registry.publish();
    }

    /// [Publishes](Self::publish) once every `period`, and until what it returns is dropped.
    ///
    /// For recorders that push: nobody says when they look.
    ///
    /// # Panics
    ///
    /// If `period` is zero. If it is called outside of a Tokio runtime, or in one without its time driver.
    #[track_caller]
    pub fn spawn_publisher(&self, period: Duration) -> Publisher {
        let telemetry = self.clone();
        Publisher::spawn(period, move || telemetry.publish())
    }

    #[inline]
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        self.pulse.nanos(now)
    }

    /// Whether whoever asks is to publish, because nobody has for long.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.pulse.is_due(now) && self.sink.options.publish_on_calls
    }

    /// Takes whatever recorder is installed for one, now and from now on, and tells it what was counted until now.
    ///
    /// Telemetry finds a recorder that is installed late by itself. This is for a recorder that looks like none: one of size zero in
    /// a static.
    pub fn rebind(&self) {
        self.sink.believe();
        self.publish();
    }
}

/// A task that does something now and then, and ends when this is dropped: see [`Telemetry::spawn_publisher`].
#[must_use = "it ends when this is dropped"]
pub struct Publisher {
    task: AbortHandle,
}

impl Publisher {
    #[track_caller]
    pub(crate) fn spawn(period: Duration, publish: impl Fn() + Send + 'static) -> Self {
        assert!(!period.is_zero(), "the period of a publisher is zero, it must be longer");
        let mut ticks = time::interval(period);
        let task = tokio::spawn(async move {
            loop {
                ticks.tick().await;
                publish();
            }
        });
        Self { task: task.abort_handle() }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
