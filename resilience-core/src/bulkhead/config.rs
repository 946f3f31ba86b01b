//! The settings of a bulkhead.

use std::time::Duration;

use super::word::MOST;
use crate::range::Range;

pub(super) const MAX_CONCURRENT: Range<u32> = Range::new("max_concurrent", 1, MOST);

/// In which order waiting calls are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Order {
    /// The one that has waited longest is first.
    #[default]
    Fifo,
    /// The one that has come last is first: under lasting overload some are served at once and others not at all, where with
    /// [`Fifo`](Self::Fifo) all would wait until their callers have given up.
    Lifo,
}

/// The settings of a bulkhead.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::bulkhead::Config;
///
/// let config = Config::new(20).max_wait(Duration::from_millis(50)).max_queue(100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) max_concurrent: u32,
    pub(super) max_queue: u32,
    pub(super) max_wait: Duration,
    pub(super) order: Order,
    pub(super) shed_queue: bool,
}

impl Config {
    /// At most `max_concurrent` calls at a time; a further one is refused at once.
    ///
    /// # Choosing a value
    ///
    /// Little's law: calls per second times seconds per call are in flight on average. Twice that leaves room for bursts and
    /// still keeps a dependency that has become slow from taking all of the service with it.
    ///
    /// # Panics
    ///
    /// If it is zero or above 2 147 483 647.
    #[must_use]
    #[track_caller]
    pub fn new(max_concurrent: u32) -> Self {
        Self {
            max_concurrent: MAX_CONCURRENT.expect(max_concurrent),
            max_queue: max_concurrent,
            max_wait: Duration::ZERO,
            order: Order::Fifo,
            shed_queue: false,
        }
    }

    /// How long a call waits at most: see [`max_wait`](Self::max_wait).
    #[must_use]
    pub const fn longest_wait(&self) -> Duration {
        self.max_wait
    }

    /// How long a call may wait for its turn. Zero by default: it is refused at once.
    ///
    /// # Choosing a value
    ///
    /// Short against the time that a call takes: a queue evens out bursts, and under lasting overload only adds its wait to every
    /// call.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// How many calls may wait at a time; a further one is refused at once. By default as many as may run. Without a
    /// [`max_wait`](Self::max_wait) nobody waits.
    #[must_use]
    pub const fn max_queue(mut self, max_queue: u32) -> Self {
        self.max_queue = max_queue;
        self
    }

    /// In which order they are served. [`Order::Fifo`] by default.
    #[must_use]
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Whether calls are refused that have waited for more than 10 ms when their turn comes, while the queue does not drain: CoDel,
    /// with its target of 5 ms and its interval of 100 ms. Not by default.
    ///
    /// When every call of the last 100 ms has waited for more than 5 ms, the queue is no burst any more, and those who have waited
    /// long are likely to be given up by their callers.
    #[must_use]
    pub const fn shed_queue(mut self, sheds: bool) -> Self {
        self.shed_queue = sheds;
        self
    }

    /// Whether calls wait at all.
    #[must_use]
    pub const fn waits(&self) -> bool {
        !self.max_wait.is_zero() && self.max_queue > 0
    }
}
