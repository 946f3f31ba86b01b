//! A gauge that is there again after an exporter has forgotten it.

use std::{fmt, sync::OnceLock};

use metrics::{IntoF64, Key};

use super::{METADATA, Sources};

pub(crate) struct Gauge {
    sources: Sources,
    key: Key,
    /// One for each source, for threads that do not see the recorder: one that is installed for a thread.
    seen: Box<[OnceLock<metrics::Gauge>]>,
}

impl Gauge {
    pub(super) fn new(sources: &Sources, key: Key) -> Self {
        Self { sources: sources.clone(), key, seen: sources.iter().map(|_| OnceLock::new()).collect() }
    }

    /// It is registered anew each time: after an idle timeout the exporter would not show what an old handle is set to. That
    /// costs about 100 ns, at a scrape or a transition.
    pub(crate) fn set(&self, value: impl IntoF64) {
        let value = value.into_f64();
        for (source, seen) in self.sources.iter().zip(&self.seen) {
            match source.with(|recorder| recorder.register_gauge(&self.key, &METADATA)) {
                Some(gauge) => {
                    gauge.set(value);
                    let _ = seen.set(gauge);
                }
                None => seen.get().into_iter().for_each(|gauge| gauge.set(value)),
            }
        }
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("key", &self.key).finish_non_exhaustive()
    }
}
