//! What `/snapshot` answers, and each server-sent event says.

use std::collections::BTreeMap;

use serde::Serialize;

/// What the metrics of this process say at one moment.
///
/// As JSON it is the answer of `/snapshot`. Fields may be added to it; a change of what is there changes `version`.
///
/// ```json
/// {
///   "version": 1,
///   "instance": "9f3c05d1a2b47e68",
///   "seconds": 73.204,
///   "complete": true,
///   "pipelines": [{
///     "name": "payments",
///     "counters": [{
///       "name": "resilience_operations_total",
///       "labels": { "outcome": "success" },
///       "value": 12007
///     }],
///     "gauges": [{
///       "name": "resilience_circuit_breaker_state",
///       "labels": { "policy": "circuit_breaker" },
///       "value": 0.0
///     }],
///     "histograms": [{
///       "name": "resilience_operation_duration_seconds",
///       "labels": { "outcome": "success" },
///       "value": [[0.0078125, 11000], [0.0087890625, 1007]]
///     }],
///     "transitions": [
///       { "policy": "circuit_breaker", "from": "half_open", "to": "closed", "seconds": 65.1 },
///       { "policy": "circuit_breaker", "from": "open", "to": "half_open", "seconds": 64.9 }
///     ]
///   }]
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Of this form: 1.
    pub version: u32,
    /// Another one for each [`Live`](super::Live), by chance. When it has changed, counters have begun at zero.
    pub instance: String,
    /// Since the view was made, on a clock that never goes back.
    pub seconds: f64,
    /// `false` if there are more series than the view keeps.
    pub complete: bool,
    /// In the order of their names.
    pub pipelines: Vec<Pipeline>,
}

/// The metrics of one pipeline; what they mean is in the [catalogue](crate::catalogue).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pipeline {
    /// The `pipeline` label.
    pub name: String,
    /// Totals since the start.
    pub counters: Vec<Sample<u64>>,
    /// Present values. What is not a number is `null` in JSON.
    pub gauges: Vec<Sample<f64>>,
    /// Numbers of samples since the start, by size.
    pub histograms: Vec<Sample<Vec<Bucket>>>,
    /// The last 32 transitions of its circuit breakers, the latest one first.
    pub transitions: Vec<Transition>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sample<V> {
    /// Of the metric.
    pub name: String,
    /// All but `pipeline`.
    pub labels: BTreeMap<String, String>,
    /// A number; of a histogram the buckets that are not empty, in order.
    pub value: V,
}

/// The upper bound of a bucket, and how many samples are between that of the bucket before and it.
///
/// Bounds are fixed, eight for each power of two from 2^-20 to 2^8. The first bucket holds all that is smaller, the last one all that
/// is larger.
pub type Bucket = (f64, u64);

/// A circuit breaker that has changed its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Transition {
    /// The `policy` label of the breaker.
    pub policy: String,
    /// `closed`, `half_open` or `open`.
    pub from: String,
    /// Likewise.
    pub to: String,
    /// When, by the clock of [`Snapshot::seconds`].
    pub seconds: f64,
}
