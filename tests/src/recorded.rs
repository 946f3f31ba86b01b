//! What a recorder was told, by the text that a scrape would show.

use std::{collections::BTreeMap, fmt::Write as _};

use metrics::{Key, LocalRecorderGuard, set_default_local_recorder};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// A recorder for the present thread, until it is dropped.
pub struct Recorded {
    snapshotter: Snapshotter,
    _installed: LocalRecorderGuard<'static>,
}

impl Recorded {
    /// Records what this thread counts from now on.
    #[must_use]
    pub fn start() -> Self {
        // Leaked, because the guard borrows it: a few hundred bytes per test.
        let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let snapshotter = recorder.snapshotter();
        Self { snapshotter, _installed: set_default_local_recorder(recorder) }
    }

    /// What was recorded since the last time: this recorder forgets counts *and gauges* when it is read.
    #[must_use]
    pub fn take(&self) -> Readings {
        read(&self.snapshotter)
    }

    /// The samples of all histograms since the last time that anything was read.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Vec<f64>> {
        let all = self.snapshotter.snapshot().into_vec().into_iter();
        all.filter_map(|(key, _, _, value)| match value {
            DebugValue::Histogram(samples) if !samples.is_empty() => {
                Some((text(key.key()), samples.into_iter().map(Into::into).collect()))
            }
            _ => None,
        })
        .collect()
    }
}

/// What a recorder was told since the last time that it was read.
#[must_use]
pub fn read(snapshotter: &Snapshotter) -> Readings {
    let mut readings = Readings::default();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = text(key.key());
        match value {
            DebugValue::Counter(count) => drop(readings.counters.insert(key, count)),
            DebugValue::Gauge(value) => drop(readings.gauges.insert(key, value.into_inner())),
            DebugValue::Histogram(samples) => drop(readings.samples.insert(key, samples.len())),
        }
    }
    readings
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

/// Values by `name{label=value,..}`, the labels in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Counters.
    pub counters: BTreeMap<String, u64>,
    /// Gauges.
    pub gauges: BTreeMap<String, f64>,
    /// Numbers of samples in histograms.
    pub samples: BTreeMap<String, usize>,
}

impl Readings {
    /// The counters of this name that are not zero, by their labels.
    #[must_use]
    pub fn counted(&self, name: &str) -> BTreeMap<&str, u64> {
        self.labelled(name).into_iter().filter(|&(_, count)| count > 0).collect()
    }

    /// All counters of this name, by their labels.
    #[must_use]
    pub fn labelled(&self, name: &str) -> BTreeMap<&str, u64> {
        self.counters
            .iter()
            .filter_map(|(key, &count)| Some((key.strip_prefix(name)?.strip_prefix('{')?, count)))
            .map(|(labels, count)| (labels.trim_end_matches('}'), count))
            .collect()
    }

    /// The gauge with this text, if there is one.
    #[must_use]
    pub fn gauge(&self, key: &str) -> Option<f64> {
        self.gauges.get(key).copied()
    }
}

fn text(key: &Key) -> String {
    let labels: BTreeMap<&str, &str> = key.labels().map(|label| (label.key(), label.value())).collect();
    let mut text = format!("{}{{", key.name());
    for (index, (name, value)) in labels.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{name}={value}");
    }
    text.push('}');
    text
}
