//! A bulkhead: at most so many calls at a time, so that one dependency that has become slow does not take every thread, task and
//! connection of the service with it.
//!
//! # What it promises
//!
//! * Never more permits than the limit are given out; lowering the limit revokes none, the surplus drains.
//! * Whoever waits is served in order: nobody overtakes the queue, and a heavy call is not passed over for the light ones behind it.
//! * A permit always comes back: when it is dropped. A waiter that leaves in the moment it is served passes its permit on.
//! * A refusal says which it is: no permit is free, the queue is full, the wait was too long, or the queue does not drain.
//! * To take and to give back a permit while nobody waits is one atomic operation each; the lock is for the queue.

mod codel;
mod config;
#[cfg(feature = "serde")]
mod patch;
mod permit;
mod queue;
mod shared;
pub(crate) mod word;

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use self::shared::{Shared, full};
use crate::{
    Rejected,
    keyed::{Entry, Worth},
};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    config::{Config, Order},
    permit::{Acquired, Permit, Served, Waiter},
};

/// A bulkhead: the handle to its shared state.
///
/// ```
/// use resilience_core::{Bulkhead, Rejected, bulkhead::Config};
///
/// let bulkhead = Bulkhead::new(Config::new(2));
/// let (one, _other) = (bulkhead.try_acquire(1)?, bulkhead.try_acquire(1)?);
/// let refused = bulkhead.try_acquire(1).unwrap_err();
/// assert_eq!(refused, Rejected::BulkheadFull { limit: 2, in_flight: 2 });
/// drop(one);
/// assert_eq!(bulkhead.snapshot().in_flight, 1);
/// # Ok::<(), Rejected>(())
/// ```
///
/// # Clone
///
/// A clone is the same bulkhead.
#[derive(Clone)]
pub struct Bulkhead {
    shared: Arc<Shared>,
}

impl Bulkhead {
    /// A bulkhead with all permits free.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { shared: Arc::new(Shared::new(config)) }
    }

    /// Takes `weight` permits if they are free and nobody waits for them.
    ///
    /// # Errors
    ///
    /// [`Rejected::BulkheadFull`].
    #[inline]
    pub fn try_acquire(&self, weight: u32) -> Result<Permit, Rejected> {
        self.acquire_free(weight).ok_or_else(|| self.refusal())
    }

    /// The permits, if they are free and nobody waits for them: the part of [`try_acquire`](Self::try_acquire) that a caller with a
    /// fast path wants to have apart.
    #[inline]
    #[must_use]
    pub fn acquire_free(&self, weight: u32) -> Option<Permit> {
        self.shared.take(weight).then(|| Permit::new(self.clone(), weight))
    }

    /// The refusal of a call that does not wait, with the figures of this moment.
    #[must_use]
    pub fn refusal(&self) -> Rejected {
        full(self.shared.word())
    }

    /// Takes `weight` permits, or a place in the queue if the settings allow to [wait](Config::max_wait).
    ///
    /// Who waits has to look after the longest wait itself: see [`Waiter::time_out`]. `now` is asked for the time by those who wait.
    ///
    /// # Errors
    ///
    /// [`Rejected::BulkheadFull`] if nobody may wait, or for more than the limit ever allows;
    /// [`Rejected::BulkheadQueueFull`].
    pub fn acquire(&self, weight: u32, now: impl FnOnce() -> Instant) -> Result<Acquired, Rejected> {
        if let Some(permit) = self.acquire_free(weight) {
            return Ok(Acquired::Now(permit));
        }
        let number = self.shared.join(weight)?;
        Ok(Acquired::Later(Waiter::new(self.clone(), number, weight, now())))
    }

    /// How long a call may wait; zero if it is refused at once.
    #[inline]
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.shared.max_wait()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.config()
    }

    /// Puts other settings in force. Permits that are out stay out, and who waits goes on waiting, by the new settings.
    pub fn reconfigure(&self, config: Config) {
        self.shared.reconfigure(config);
    }

    /// Changes the number of permits. It never blocks: a higher limit serves those who wait at once, a lower one lets the
    /// surplus drain. A waiting call that is heavier than the new limit waits for as long as it may, and those behind it with it.
    ///
    /// # Panics
    ///
    /// If `max_concurrent` is zero or above 2 147 483 647.
    #[track_caller]
    pub fn resize(&self, max_concurrent: u32) {
        let max_concurrent = config::MAX_CONCURRENT.expect(max_concurrent);
        self.reconfigure(Config { max_concurrent, ..self.config() });
    }

    /// The bulkhead as it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Whether the two handles are of one bulkhead.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// A bulkhead at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many permits there are.
    pub limit: u32,
    /// How many of them are out; more than the limit after it was lowered.
    pub in_flight: u32,
    /// How many calls may wait.
    pub max_queue: u32,
    /// How many do.
    pub waiting: u32,
}

/// One with calls in it is in force, however long they take: another in its place would admit as many again.
impl Entry for Bulkhead {
    fn worth(&self, _: Instant) -> Worth {
        let word = self.shared.word();
        if word.in_flight() == 0 && !word.is_waited() { Worth::Nothing } else { Worth::InForce }
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.shared.word();
        f.debug_struct("Bulkhead")
            .field("in_flight", &word.in_flight())
            .field("limit", &word.limit())
            .finish_non_exhaustive()
    }
}
