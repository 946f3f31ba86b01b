//! The Prometheus recorder behind the rows with metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder, once for the process.
///
/// # Panics
///
/// If somebody else has installed one.
pub fn install() {
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().expect("the only recorder"));
}

/// A counter and a histogram of the recorder that is installed, without anything around them.
pub fn handles() -> (metrics::Counter, metrics::Histogram) {
    (metrics::counter!("benches_total"), metrics::histogram!("benches_seconds"))
}

/// Does what a scrape would: turns recorded samples into buckets. They pile up in memory until then.
pub fn drain() {
    if let Some(recorder) = RECORDER.get() {
        recorder.run_upkeep();
    }
}
