//! Where metrics go: a recorder that was given, or whichever is installed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use metrics::Recorder;

use crate::catalogue;

/// A recorder that a telemetry was given.
pub(crate) type Given = Arc<dyn Recorder + Send + Sync>;

pub(crate) struct Source {
    /// `None` for whichever is installed, now or later.
    given: Option<Given>,
    /// Whether it was told what the metrics mean. Relaxed, like the next one: they guard nothing.
    described: AtomicBool,
    /// Whether what looks like no recorder at all is one all the same.
    believed: AtomicBool,
}

impl Source {
    pub(super) const fn given(recorder: Given) -> Self {
        Self::new(Some(recorder))
    }

    pub(super) const fn installed() -> Self {
        Self::new(None)
    }

    const fn new(given: Option<Given>) -> Self {
        Self { given, described: AtomicBool::new(false), believed: AtomicBool::new(false) }
    }

    pub(super) fn believe(&self) {
        self.believed.store(true, Ordering::Relaxed);
    }

    /// What `f` makes of the recorder; `None` as long as nobody has installed one.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&dyn Recorder) -> T) -> Option<T> {
        let f = |recorder: &dyn Recorder| without_span(|| f(recorder));
        let described = |recorder: &dyn Recorder| {
            if !self.described.load(Ordering::Relaxed) && !self.described.swap(true, Ordering::Relaxed) {
                catalogue::describe(recorder);
            }
            f(recorder)
        };
        match &self.given {
            Some(given) => Some(described(given)),
            None => metrics::with_recorder(|recorder| {
                (self.believed.load(Ordering::Relaxed) || !is_none(recorder)).then(|| described(recorder))
            }),
        }
    }
}

/// Runs `f` outside of all spans: `metrics-tracing-context` gives what is registered in one its fields as labels, for ever, and
/// whose request comes first is nobody's business.
fn without_span<T>(f: impl FnOnce() -> T) -> T {
    use tracing::dispatcher::{Dispatch, has_been_set, with_default};

    // Where there is no subscriber this would be the first, and keep `tracing` from falling back on `log`.
    if has_been_set() { with_default(&Dispatch::none(), f) } else { f() }
}

/// Whether this is what the facade has in place of a recorder.
///
/// It does not say so itself. It is a static of size zero, which lies somewhere in the program, while a recorder of
/// size zero that somebody has installed is in a box, at an address that is nothing but its alignment.
fn is_none(recorder: &dyn Recorder) -> bool {
    const NO_PROGRAM_IS_BELOW: usize = 4096;
    size_of_val(recorder) == 0 && std::ptr::from_ref(recorder).addr() > NO_PROGRAM_IS_BELOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::NoopRecorder;

    /// Leans on how the facade is made: if this fails after an update, see `Telemetry::rebind`.
    #[test]
    fn no_recorder_is_told_from_one_that_does_nothing() {
        assert!(metrics::with_recorder(is_none));
        let boxed: Box<dyn Recorder> = Box::new(NoopRecorder);
        assert!(!metrics::with_local_recorder(&boxed, || metrics::with_recorder(is_none)));
        assert!(!metrics::with_local_recorder(&*boxed, || metrics::with_recorder(is_none)));
        let given: Given = Arc::new(Counting(0));
        assert!(!metrics::with_local_recorder(&given, || metrics::with_recorder(is_none)));
        assert!(!metrics::with_local_recorder(&Counting(0), || metrics::with_recorder(is_none)));
    }

    #[test]
    fn a_static_recorder_of_no_size_has_to_be_believed() {
        static MINE: NoopRecorder = NoopRecorder;
        let source = Source::installed();
        metrics::with_local_recorder(&MINE, || {
            assert!(source.with(|_| ()).is_none());
            source.believe();
            assert!(source.with(|_| ()).is_some());
        });
    }

    #[test]
    fn a_recorder_sees_no_span() {
        let subscriber = tracing_subscriber::registry();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("request", user = "alice").in_scope(|| {
                let is_inside = || tracing::Span::current().id().is_some();
                assert!(is_inside());
                let source = Source::given(Arc::new(NoopRecorder));
                assert_eq!(source.with(|_| is_inside()), Some(false));
                assert!(is_inside());
            });
        });
    }

    /// As large as recorders are.
    struct Counting(#[expect(dead_code, reason = "for its size")] u64);

    impl Recorder for Counting {
        fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
        fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
        fn describe_histogram(
            &self,
            _: metrics::KeyName,
            _: Option<metrics::Unit>,
            _: metrics::SharedString,
        ) {
        }
        fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
            metrics::Counter::noop()
        }
        fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
            metrics::Gauge::noop()
        }
        fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
            metrics::Histogram::noop()
        }
    }
}
