//! What a caller holds: a permit, or a place in the queue.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{Bulkhead, queue::Number};
use crate::Rejected;

/// The right to make one call. Dropping it gives it back.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{Bulkhead, bulkhead::Config};
///
/// let bulkhead = Bulkhead::new(Config::new(1));
/// let permit = bulkhead.try_acquire(1)?;
/// assert!(bulkhead.try_acquire(1).is_err());
/// drop(permit);
/// assert!(bulkhead.try_acquire(1).is_ok());
/// # Ok::<(), resilience_core::Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back"]
pub struct Permit {
    bulkhead: Bulkhead,
    weight: u32,
}

impl Permit {
    pub(super) const fn new(bulkhead: Bulkhead, weight: u32) -> Self {
        Self { bulkhead, weight }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.bulkhead.shared.give_back(self.weight);
    }
}

/// What [`Bulkhead::acquire`] gives.
#[derive(Debug)]
pub enum Acquired {
    /// A permit.
    Now(Permit),
    /// A place in the queue.
    Later(Waiter),
}

/// A place in the queue.
///
/// # Cancellation
///
/// Dropping it leaves the queue. One that was served and has not fetched its permit gives it to the next.
#[derive(Debug)]
#[must_use = "a waiter that is dropped leaves the queue"]
pub struct Waiter {
    bulkhead: Bulkhead,
    number: Number,
    weight: u32,
    since: Instant,
    /// Whether it has left the queue with a permit or a refusal.
    is_over: bool,
}

impl Waiter {
    pub(super) const fn new(bulkhead: Bulkhead, number: Number, weight: u32, since: Instant) -> Self {
        Self { bulkhead, number, weight, since, is_over: false }
    }

    /// When it began to wait.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Waits for its turn. The task is woken then, and only then.
    ///
    /// `now` is asked for the time when it is served.
    ///
    /// # Errors
    ///
    /// [`Rejected::BulkheadShed`] if its turn came so late that it is [shed](super::Config::shed_queue).
    ///
    /// # Panics
    ///
    /// If it is polled again after it was ready.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: impl FnOnce() -> Instant,
    ) -> Poll<Result<Served, Rejected>> {
        assert!(!self.is_over, "a waiter of a bulkhead was polled after it had been served");
        let mut waker = Some(cx.waker().clone());
        match self.bulkhead.shared.fetch(self.number, self.weight, &mut waker, self.since, now) {
            None => Poll::Pending,
            Some(served) => {
                self.is_over = true;
                Poll::Ready(served.map(|waited| {
                    let permit = Permit::new(self.bulkhead.clone(), self.weight);
                    Served { permit, waited }
                }))
            }
        }
    }

    /// Leaves the queue because it has waited too long at `now`: the refusal.
    #[must_use]
    pub fn time_out(self, now: Instant) -> Rejected {
        let waited = now.saturating_duration_since(self.since);
        Rejected::BulkheadTimedOut { waited, max_wait: self.bulkhead.max_wait() }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.is_over {
            self.bulkhead.shared.leave(self.number, self.weight);
        }
    }
}

/// A permit that was waited for.
#[derive(Debug)]
pub struct Served {
    /// The permit.
    pub permit: Permit,
    /// How long it was waited for.
    pub waited: Duration,
}
