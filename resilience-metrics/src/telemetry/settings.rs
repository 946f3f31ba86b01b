//! What is said about a telemetry before it is used.

use std::{sync::Arc, time::SystemTime};

use metrics::{Recorder, SharedString};

use super::Telemetry;
use crate::sink::Sink;

impl Telemetry {
    /// Has `recorder` told everything, and not the one that is installed. Called again, each recorder is told everything.
    ///
    /// So several recorders can be in one process, and tests need not install one.
    ///
    /// ```
    /// use metrics_util::debugging::DebuggingRecorder;
    /// use resilience_metrics::Telemetry;
    /// use std::sync::Arc;
    ///
    /// let recorder = DebuggingRecorder::new();
    /// let snapshotter = recorder.snapshotter();
    /// let telemetry = Telemetry::new("payments").with_recorder(Arc::new(recorder));
    /// telemetry.timeout("timeout");
    /// assert!(!snapshotter.snapshot().into_vec().is_empty());
    /// ```
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn with_recorder(mut self, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        self.setting().add_recorder(Some(recorder));
        self
    }

    /// Has the recorder that is installed told everything too, beside those that it was [given](Self::with_recorder).
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn with_installed_recorder(mut self) -> Self {
        self.setting().add_recorder(None);
        self
    }

    /// Has `recorder` told everything too, beside those that are told without it.
    #[cfg(feature = "live")]
    #[track_caller]
    pub(crate) fn with_viewer(mut self, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        self.setting().add_viewer(recorder);
        self
    }

    /// Whether to record what helps to tune and costs more: retries per operation, pauses, and which part of its timeout each call
    /// used, which is a look at the clock for each call that does not answer at once. Not by default.
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.setting().options.verbose = verbose;
        self
    }

    /// Whether to show the state of circuit breakers also as one gauge for each state, of which one is 1. Not by default.
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn one_hot(mut self, one_hot: bool) -> Self {
        self.setting().options.one_hot = one_hot;
        self
    }

    /// Gives the metrics of operations a label `operation` with one of these values, or `_other`: see
    /// [`OperationLayer::named`](crate::OperationLayer::named). None by default.
    ///
    /// Each is as many series as there are outcomes, and as many histograms as there were, so declare tens, not thousands.
    /// A request whose operation is none of them also counts in `resilience_telemetry_overflow_total`.
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn operations<N: Into<SharedString>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<SharedString> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        self.setting().options.operations = names;
        self
    }

    /// What says the time of day for the timestamps, in place of the system's clock.
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn with_wall_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.setting().options.wall_clock = Arc::new(clock);
        self
    }

    /// Whether an operation that ends publishes the gauges when that was last done a second ago or more: see
    /// [`publish`](Self::publish). By default it does.
    ///
    /// # Panics
    ///
    /// If anything was taken from this telemetry before, or it has clones.
    #[must_use]
    #[track_caller]
    pub fn publish_on_calls(mut self, publish: bool) -> Self {
        self.setting().options.publish_on_calls = publish;
        self
    }

    #[track_caller]
    fn setting(&mut self) -> &mut Sink {
        match Arc::get_mut(&mut self.sink) {
            Some(sink) if sink.is_unused() => sink,
            _ => panic!(
                "the telemetry is in use already: its settings come before its clones and before what is taken from it"
            ),
        }
    }
}
