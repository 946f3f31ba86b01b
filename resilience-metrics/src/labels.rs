//! The metrics of one policy, by their definitions.

use std::sync::Arc;

use metrics::SharedString;

use crate::{
    catalogue::MetricDef,
    sink::{Counter, Gauge, Histogram, Options, Sink},
};

/// The labels that all metrics of a policy have.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    sink: Arc<Sink>,
    pub(crate) policy: SharedString,
}

/// Labels that one of several metrics of a name has beside those.
type More<'a> = &'a [(&'static str, &'static str)];

impl Labels {
    pub(crate) const fn new(sink: Arc<Sink>, policy: SharedString) -> Self {
        Self { sink, policy }
    }

    pub(crate) fn pipeline(&self) -> &SharedString {
        &self.sink.pipeline
    }

    /// The recorders that these are told to, as far as they are known now.
    pub(crate) fn recorders(&self) -> Vec<usize> {
        self.sink.recorders()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.sink.options
    }

    pub(crate) fn counter(&self, metric: &MetricDef, more: More<'_>) -> Counter {
        self.sink.counter(metric, &self.with(more))
    }

    pub(crate) fn gauge(&self, metric: &MetricDef, more: More<'_>) -> Gauge {
        self.sink.gauge(metric, &self.with(more))
    }

    pub(crate) fn histogram(&self, metric: &MetricDef, more: More<'_>) -> Histogram {
        self.sink.histogram(metric, &self.with(more))
    }

    fn with(&self, more: More<'_>) -> Vec<(&'static str, SharedString)> {
        let policy = ("policy", self.policy.clone());
        let more = more.iter().map(|&(name, value)| (name, SharedString::const_str(value)));
        std::iter::once(policy).chain(more).collect()
    }
}
