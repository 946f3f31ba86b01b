//! The recorder of the view: every series of the library, in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

use super::{
    buckets::Buckets,
    snapshot::{self, Sample},
    transitions::{Change, Total, Transitions},
};
use crate::catalogue;

/// How many series there may be: a mistake with labels must not fill the memory.
const MOST: usize = 4096;

/// All series, by pipeline.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Locked to register and to read; nothing foreign runs under it.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    pipelines: BTreeMap<String, Pipeline>,
    len: usize,
    refused: bool,
}

#[derive(Debug, Default)]
struct Pipeline {
    counters: Cells<Total>,
    gauges: Cells<AtomicU64>,
    histograms: Cells<Buckets>,
    transitions: Arc<Transitions>,
}

type Cells<C> = BTreeMap<Key, Arc<C>>;

impl Series {
    /// All pipelines, and whether there is no more than that.
    pub(super) fn read(&self, began: Instant) -> (Vec<snapshot::Pipeline>, bool) {
        let table = self.table.lock();
        let pipelines = table.pipelines.iter().map(|(name, pipeline)| pipeline.read(name, began)).collect();
        (pipelines, !table.refused)
    }

    /// The series with this key. `None` if it is none of ours, or there are too many.
    fn register<C>(
        &self,
        key: &Key,
        cells: fn(&mut Pipeline) -> &mut Cells<C>,
        new: impl FnOnce(&Pipeline) -> C,
    ) -> Option<Arc<C>> {
        let name = label(key, "pipeline").filter(|_| key.name().starts_with("resilience_"))?;
        let mut table = self.table.lock();
        let there = table.pipelines.get_mut(name).and_then(|pipeline| cells(pipeline).get(key));
        if there.is_some() {
            return there.cloned();
        }
        if table.len == MOST {
            table.refused = true;
            return None;
        }
        table.len += 1;
        let pipeline = table.pipelines.entry(name.to_owned()).or_default();
        let cell = Arc::new(new(pipeline));
        cells(pipeline).insert(key.clone(), Arc::clone(&cell));
        Some(cell)
    }
}

impl Pipeline {
    fn read(&self, name: &str, began: Instant) -> snapshot::Pipeline {
        snapshot::Pipeline {
            name: name.to_owned(),
            counters: samples(&self.counters, Total::read),
            gauges: samples(&self.gauges, |bits| f64::from_bits(bits.load(Ordering::Relaxed))),
            histograms: samples(&self.histograms, Buckets::read),
            transitions: self.transitions.read(began),
        }
    }

    fn total(&self, key: &Key) -> Total {
        if key.name() != catalogue::BREAKER_TRANSITIONS.name {
            return Total::default();
        }
        let [policy, from, to] =
            ["policy", "from", "to"].map(|name| label(key, name).unwrap_or_default().to_owned());
        Total::of(Change { policy, from, to }, Arc::clone(&self.transitions))
    }
}

fn samples<C, V>(cells: &Cells<C>, read: impl Fn(&C) -> V) -> Vec<Sample<V>> {
    let sample = |(key, cell): (&Key, &Arc<C>)| {
        let labels = key.labels().filter(|label| label.key() != "pipeline");
        let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Sample { name: key.name().to_owned(), labels, value: read(cell) }
    };
    cells.iter().map(sample).collect()
}

fn label<'a>(key: &'a Key, name: &str) -> Option<&'a str> {
    key.labels().find(|label| label.key() == name).map(|label| label.value())
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let cell = self.register(key, |pipeline| &mut pipeline.counters, |pipeline| pipeline.total(key));
        cell.map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let cell = self.register(key, |pipeline| &mut pipeline.gauges, |_| AtomicU64::default());
        cell.map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let cell = self.register(key, |pipeline| &mut pipeline.histograms, |_| Buckets::default());
        cell.map_or_else(Histogram::noop, Histogram::from_arc)
    }
}
