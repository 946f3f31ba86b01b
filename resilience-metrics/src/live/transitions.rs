//! The last transitions of the circuit breakers of a pipeline.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use metrics::CounterFn;
use parking_lot::Mutex;

use super::snapshot::Transition;
use crate::time;

/// How many are kept.
const KEPT: usize = 32;

/// The last ones, oldest first.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    recent: Mutex<VecDeque<(Instant, Arc<Change>)>>,
}

/// Who changed, and how: the labels of the counter.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) policy: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl Transitions {
    fn note(&self, change: &Arc<Change>) {
        // Under the lock, so that they are in order.
        let mut recent = self.recent.lock();
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back((time::now(), Arc::clone(change)));
    }

    /// The last ones, youngest first, in seconds since the view `began`.
    pub(super) fn read(&self, began: Instant) -> Vec<Transition> {
        let past = |(at, change): &(Instant, Arc<Change>)| Transition {
            policy: change.policy.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
            seconds: at.saturating_duration_since(began).as_secs_f64(),
        };
        self.recent.lock().iter().rev().map(past).collect()
    }
}

/// A counter. One of transitions notes them, too.
#[derive(Debug, Default)]
pub(super) struct Total {
    /// Relaxed: it guards nothing.
    count: AtomicU64,
    noted: Option<(Arc<Change>, Arc<Transitions>)>,
}

impl Total {
    /// One whose increments are transitions.
    pub(super) fn of(change: Change, transitions: Arc<Transitions>) -> Self {
        Self { count: AtomicU64::new(0), noted: Some((Arc::new(change), transitions)) }
    }

    pub(super) fn read(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl CounterFn for Total {
    fn increment(&self, value: u64) {
        self.count.fetch_add(value, Ordering::Relaxed);
        if let Some((change, transitions)) = self.noted.as_ref().filter(|_| value > 0) {
            transitions.note(change);
        }
    }

    fn absolute(&self, value: u64) {
        self.count.fetch_max(value, Ordering::Relaxed);
    }
}
