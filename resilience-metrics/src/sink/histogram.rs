//! A histogram that is made with its first sample: one is many lines of a scrape.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use metrics::{HistogramFn, IntoF64, Key};

use super::{METADATA, Sources, fan::Fan};

pub(crate) struct Histogram {
    sources: Sources,
    key: Key,
    /// One for each source. A sample taken before there is a recorder is lost.
    bound: Box<[OnceLock<metrics::Histogram>]>,
}

impl Histogram {
    pub(super) fn new(sources: &Sources, key: Key) -> Self {
        Self { sources: sources.clone(), key, bound: sources.iter().map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn record(&self, value: impl IntoF64) {
        let value = value.into_f64();
        for index in 0..self.bound.len() {
            if let Some(histogram) = self.bind_to(index) {
                histogram.record(value);
            }
        }
    }

    fn bind_to(&self, index: usize) -> Option<&metrics::Histogram> {
        let bound = &self.bound[index];
        if bound.get().is_none() {
            let found =
                self.sources[index].with(|recorder| recorder.register_histogram(&self.key, &METADATA));
            let _ = found.map(|histogram| bound.set(histogram));
        }
        bound.get()
    }

    /// What records into it at every recorder, if all are there.
    pub(crate) fn bind(&self) -> Option<metrics::Histogram> {
        let bound: Option<Box<[metrics::Histogram]>> =
            (0..self.bound.len()).map(|index| self.bind_to(index).cloned()).collect();
        bound.map(|bound| match &*bound {
            [only] => only.clone(),
            _ => metrics::Histogram::from_arc(Arc::new(Fan(bound))),
        })
    }
}

impl HistogramFn for Fan<metrics::Histogram> {
    fn record(&self, value: f64) {
        self.0.iter().for_each(|histogram| histogram.record(value));
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("key", &self.key).finish_non_exhaustive()
    }
}
