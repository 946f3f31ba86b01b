//! Every metric of this crate: its name, kind, unit, labels and meaning, in one list.
//!
//! Whatever names a metric goes by [`CATALOGUE`]: the code that counts, what is described to recorders, the table below,
//! dashboards and alerts.
//!
//! ```
//! use resilience_metrics::catalogue::{CATALOGUE, Kind};
//!
//! let state = CATALOGUE.iter().find(|metric| metric.name == "resilience_circuit_breaker_state");
//! assert!(state.is_some_and(|metric| metric.kind == Kind::Gauge && metric.labels[0].name == "pipeline"));
//! ```
#![doc = include_str!("../../CATALOGUE.md")]

mod buckets;
mod labels;
mod metrics;
mod table;

use ::metrics::{Recorder, SharedString, Unit};

pub use self::{
    buckets::{FINE_SECONDS, LATENCY_SECONDS, WAIT_SECONDS},
    metrics::CATALOGUE,
};
pub(crate) use self::{labels::PIPELINE, metrics::*};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricDef {
    /// Its whole name, as the facade is told and as Prometheus shows it.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its unit, where recorders have a name for it.
    pub unit: Option<Unit>,
    /// Its labels, in the order in which they are given.
    pub labels: &'static [LabelDef],
    /// When it is there.
    pub shown: Shown,
    /// What it says.
    pub help: &'static str,
    /// The upper bounds of its buckets, where it is a histogram, by default.
    pub buckets: &'static [f64],
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is set to what is true.
    Gauge,
    /// It takes samples.
    Histogram,
}

/// When a metric is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// As soon as there is what it is about; a histogram with its first sample.
    Always,
    /// With [`Telemetry::verbose`](crate::Telemetry::verbose).
    Verbose,
    /// With [`Telemetry::one_hot`](crate::Telemetry::one_hot).
    OneHot,
    /// With [`Telemetry::operations`](crate::Telemetry::operations).
    Operations,
}

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelDef {
    /// Its name.
    pub name: &'static str,
    /// Which values there are.
    pub values: Values,
    /// When metrics have it.
    pub shown: Shown,
}

/// The values of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Names that were given to a [`Telemetry`](crate::Telemetry), never one that came from a request.
    Given,
    /// One of these.
    OneOf(&'static [&'static str]),
}

impl Values {
    /// Whether a label may have this value.
    #[must_use]
    pub fn allow(self, value: &str) -> bool {
        match self {
            Self::Given => true,
            Self::OneOf(values) => values.contains(&value),
        }
    }
}

impl Kind {
    /// `counter`, `gauge` or `histogram`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// That a metric has these labels, beside that of the pipeline, all it has to have, and these values.
#[cfg(debug_assertions)]
pub(crate) fn check(metric: &MetricDef, labels: &[(&'static str, SharedString)]) {
    let name = metric.name;
    for (label, value) in labels {
        let def = metric.labels.iter().find(|def| def.name == *label);
        assert!(def.is_some_and(|def| def.values.allow(value)), "`{name}` has no `{label}` of `{value}`");
    }
    for def in metric.labels.iter().filter(|def| def.shown == Shown::Always && **def != PIPELINE) {
        assert!(
            labels.iter().any(|(label, _)| *label == def.name),
            "`{name}` lacks its label `{}`",
            def.name
        );
    }
}

/// Tells the recorder what each metric means.
pub(crate) fn describe(recorder: &dyn Recorder) {
    for metric in CATALOGUE {
        let (name, help) = (metric.name.into(), SharedString::const_str(metric.help));
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, metric.unit, help),
            Kind::Gauge => recorder.describe_gauge(name, metric.unit, help),
            Kind::Histogram => recorder.describe_histogram(name, metric.unit, help),
        }
    }
}
