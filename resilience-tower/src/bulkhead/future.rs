//! The phases of a call through a bulkhead.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use resilience_core::{
    Deadline, Rejected,
    bulkhead::{Permit, Served, Waiter},
};

use super::UntilAnswer;
pub use super::by_request::future::ByRequestFuture;
pub use crate::hold::HeldFuture;
use crate::time::{self, Sleep};

/// The response of [`Bulkhead`](super::Bulkhead).
///
/// # Cancellation
///
/// Dropping it gives the permit back.
pub type ResponseFuture<F, H = UntilAnswer> = HeldFuture<F, Permit, H>;

/// A place in the queue and the time that is left for it.
pub(crate) struct Waiting {
    /// Nothing once it has left the queue.
    waiter: Option<Waiter>,
    timer: Pin<Box<Sleep>>,
    deadline: Option<Deadline>,
}

impl Waiting {
    /// Waits for as long as it may, and not beyond the deadline of the operation.
    pub(crate) fn new(waiter: Waiter, max_wait: Duration, deadline: Option<Deadline>) -> Self {
        let end = Deadline::after(waiter.since(), max_wait);
        let end = deadline.map_or(end, |deadline| deadline.min(end));
        Self { waiter: Some(waiter), timer: Box::pin(time::sleep_until(end.at())), deadline }
    }

    /// A permit wins a tie with the timer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Served, Rejected>> {
        let Some(waiter) = &mut self.waiter else {
            unreachable!("whoever polls it drops it when it is ready");
        };
        if let Poll::Ready(served) = waiter.poll(cx, time::now) {
            return Poll::Ready(served);
        }
        ready!(time::poll_timer(self.timer.as_mut(), cx));
        let now = time::now();
        let over = self.deadline.filter(|deadline| deadline.is_over(now));
        let timed_out = self.waiter.take().map(|waiter| waiter.time_out(now));
        match (over, timed_out) {
            (Some(deadline), _) => {
                let (limit, elapsed) = (deadline.limit(), deadline.elapsed(now));
                Poll::Ready(Err(Rejected::DeadlineExceeded { limit, elapsed, called: false }))
            }
            (None, Some(timed_out)) => Poll::Ready(Err(timed_out)),
            (None, None) => unreachable!("it was there above"),
        }
    }

    pub(crate) fn since(&self) -> Option<std::time::Instant> {
        self.waiter.as_ref().map(Waiter::since)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("waiter", &self.waiter).finish_non_exhaustive()
    }
}
