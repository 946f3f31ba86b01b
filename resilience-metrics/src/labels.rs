//! The metrics of one policy, by their names.

use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};

/// The labels that all metrics of a policy have.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) pipeline: SharedString,
    pub(crate) policy: SharedString,
}

impl Labels {
    pub(crate) fn counter(&self, name: &'static str) -> Counter {
        counter!(name, "pipeline" => self.pipeline.clone(), "policy" => self.policy.clone())
    }

    /// One of several counters of this name, which differ in `label`.
    pub(crate) fn counter_of(&self, name: &'static str, label: &'static str, value: &'static str) -> Counter {
        counter!(name, "pipeline" => self.pipeline.clone(), "policy" => self.policy.clone(), label => value)
    }

    pub(crate) fn gauge(&self, name: &'static str) -> Gauge {
        gauge!(name, "pipeline" => self.pipeline.clone(), "policy" => self.policy.clone())
    }

    /// One of several gauges of this name, which differ in `label`.
    pub(crate) fn gauge_of(&self, name: &'static str, label: &'static str, value: &'static str) -> Gauge {
        gauge!(name, "pipeline" => self.pipeline.clone(), "policy" => self.policy.clone(), label => value)
    }

    pub(crate) fn histogram(&self, name: &'static str) -> Histogram {
        histogram!(name, "pipeline" => self.pipeline.clone(), "policy" => self.policy.clone())
    }
}
