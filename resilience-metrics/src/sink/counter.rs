//! A counter that loses nothing of what is counted before there is a recorder.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{CounterFn, Key};

use super::{METADATA, Sources, fan::Fan};

/// # Clone
///
/// A clone is the same counter.
#[derive(Clone)]
pub(crate) struct Counter {
    slot: Arc<Slot>,
}

struct Slot {
    sources: Sources,
    key: Key,
    /// One for each source.
    late: Box<[Late]>,
}

/// A counter of one recorder.
#[derive(Default)]
struct Late {
    bound: OnceLock<metrics::Counter>,
    /// What was counted before, and has not been told yet.
    ///
    /// Acquire and release: whoever adds after the last time that it was told has a bound counter before it, and so finds that.
    before: AtomicU64,
}

impl Counter {
    pub(super) fn new(sources: &Sources, key: Key) -> Self {
        let late = sources.iter().map(|_| Late::default()).collect();
        Self { slot: Arc::new(Slot { sources: Arc::clone(sources), key, late }) }
    }

    pub(super) fn key(&self) -> &Key {
        &self.slot.key
    }

    pub(crate) fn increment(&self, by: u64) {
        for (index, late) in self.slot.late.iter().enumerate() {
            match late.bound.get() {
                Some(counter) => counter.increment(by),
                None => {
                    late.before.fetch_add(by, Ordering::AcqRel);
                    self.bind_to(index);
                }
            }
        }
    }

    /// Looks for the recorders that were not there before, and tells them what was counted.
    pub(super) fn bind(&self) {
        for index in 0..self.slot.late.len() {
            self.bind_to(index);
        }
    }

    fn bind_to(&self, index: usize) {
        let Slot { sources, key, late } = &*self.slot;
        let late = &late[index];
        if late.bound.get().is_none() {
            let found = sources[index].with(|recorder| recorder.register_counter(key, &METADATA));
            // Of two threads both have found the same one.
            let _ = found.map(|counter| late.bound.set(counter));
        }
        late.tell();
    }

    /// Whether any recorder is there.
    pub(crate) fn is_bound(&self) -> bool {
        self.slot.late.iter().any(|late| late.bound.get().is_some())
    }

    /// What increments it at every recorder, once all are there.
    pub(crate) fn bound(&self) -> Option<metrics::Counter> {
        let bound: Option<Box<[metrics::Counter]>> =
            self.slot.late.iter().map(|late| late.bound.get().cloned()).collect();
        bound.map(|bound| match &*bound {
            [only] => only.clone(),
            _ => metrics::Counter::from_arc(Arc::new(Fan(bound))),
        })
    }
}

impl Late {
    fn tell(&self) {
        if let Some(counter) = self.bound.get() {
            let before = self.before.swap(0, Ordering::AcqRel);
            if before > 0 {
                counter.increment(before);
            }
        }
    }
}

impl CounterFn for Fan<metrics::Counter> {
    fn increment(&self, value: u64) {
        self.0.iter().for_each(|counter| counter.increment(value));
    }

    fn absolute(&self, value: u64) {
        self.0.iter().for_each(|counter| counter.absolute(value));
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("key", &self.slot.key).finish_non_exhaustive()
    }
}
