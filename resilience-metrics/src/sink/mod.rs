//! Where the metrics of one pipeline go, and the handles through which they get there.

mod counter;
mod fan;
mod gauge;
mod histogram;
mod options;
mod source;

use std::{fmt, sync::Arc};

use metrics::{Key, Label, Level, Metadata, Recorder, SharedString};
use parking_lot::Mutex;

use self::source::Source;
pub(crate) use self::{
    counter::Counter, gauge::Gauge, histogram::Histogram, options::Options, source::Given,
};
use crate::catalogue::{self, MetricDef};

type Sources = Arc<Vec<Source>>;

const METADATA: Metadata<'static> = Metadata::new("resilience", Level::INFO, Some(module_path!()));

/// What the handles of a pipeline share.
pub(crate) struct Sink {
    pub(crate) pipeline: SharedString,
    pub(crate) options: Options,
    sources: Sources,
    /// Whether somebody has chosen the sources.
    is_chosen: bool,
    /// All that there are: those of one key are one.
    counters: Mutex<Vec<Counter>>,
}

/// Labels beside the name of the pipeline.
type Labels<'a> = &'a [(&'static str, SharedString)];

impl Sink {
    pub(crate) fn new(pipeline: SharedString) -> Self {
        Self {
            pipeline,
            options: Options::default(),
            sources: Arc::new(vec![Source::installed()]),
            is_chosen: false,
            counters: Mutex::default(),
        }
    }

    /// One more recorder, or `None` for the one that is installed.
    pub(crate) fn add_recorder(&mut self, recorder: Option<Given>) {
        // Nobody else has them: see `is_unused`.
        let mut sources = Arc::into_inner(std::mem::take(&mut self.sources)).unwrap_or_default();
        if !std::mem::replace(&mut self.is_chosen, true) {
            sources.clear();
        }
        sources.push(recorder.map_or_else(Source::installed, Source::given));
        self.sources = Arc::new(sources);
    }

    /// One more recorder, whoever there is without it.
    #[cfg(feature = "live")]
    pub(crate) fn add_viewer(&mut self, recorder: Given) {
        self.is_chosen = true;
        self.add_recorder(Some(recorder));
    }

    /// Whether no handle was made yet. There are none without a counter.
    pub(crate) fn is_unused(&self) -> bool {
        self.counters.lock().is_empty()
    }

    pub(crate) fn counter(&self, metric: &MetricDef, labels: Labels<'_>) -> Counter {
        let key = self.key(metric, labels);
        let mut counters = self.counters.lock();
        if let Some(there) = counters.iter().find(|there| *there.key() == key) {
            return there.clone();
        }
        let counter = Counter::new(&self.sources, key);
        counters.push(counter.clone());
        drop(counters);
        // Not under the lock: the recorder is foreign code.
        counter.bind();
        counter
    }

    pub(crate) fn gauge(&self, metric: &MetricDef, labels: Labels<'_>) -> Gauge {
        Gauge::new(&self.sources, self.key(metric, labels))
    }

    pub(crate) fn histogram(&self, metric: &MetricDef, labels: Labels<'_>) -> Histogram {
        Histogram::new(&self.sources, self.key(metric, labels))
    }

    /// Looks for recorders that were not there before: they get all counters, with what was counted until now.
    pub(crate) fn bind(&self) {
        let counters = self.counters.lock().clone();
        counters.iter().for_each(Counter::bind);
        self.gauge(&catalogue::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION").into())]).set(1.0);
    }

    /// Where the recorders are that there are now, which tells them apart.
    pub(crate) fn recorders(&self) -> Vec<usize> {
        let at = |recorder: &dyn Recorder| {
            (size_of_val(recorder) > 0).then(|| std::ptr::from_ref(recorder).addr())
        };
        self.sources.iter().filter_map(|source| source.with(at).flatten()).collect()
    }

    /// Takes whatever recorder is installed for one.
    pub(crate) fn believe(&self) {
        self.sources.iter().for_each(Source::believe);
    }

    fn key(&self, metric: &MetricDef, labels: Labels<'_>) -> Key {
        #[cfg(debug_assertions)]
        catalogue::check(metric, labels);
        let mut all = Vec::with_capacity(metric.labels.len());
        if metric.labels.contains(&catalogue::PIPELINE) {
            all.push(Label::new(catalogue::PIPELINE.name, self.pipeline.clone()));
        }
        all.extend(labels.iter().map(|(name, value)| Label::new(*name, value.clone())));
        Key::from_parts(metric.name, all)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_kept_once_however_often_it_is_asked_for() {
        let sink = Sink::new("pay".into());
        for policy in ["a", "b", "a", "b"] {
            sink.counter(&catalogue::LOAD_SHED_REJECTED, &[("policy", policy.into())]).increment(1);
        }
        assert_eq!(sink.counters.lock().len(), 2);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "`resilience_timeouts_total` has no `scope` of `request`")]
    fn what_is_not_in_the_catalogue_cannot_be_emitted() {
        let labels = [("policy", "timeout".into()), ("scope", "request".into())];
        drop(Sink::new("pay".into()).counter(&catalogue::TIMEOUTS, &labels));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "`resilience_timeouts_total` lacks its label `scope`")]
    fn no_label_can_be_left_out() {
        drop(Sink::new("pay".into()).counter(&catalogue::TIMEOUTS, &[("policy", "timeout".into())]));
    }
}
