//! The phases of a call through a bulkhead.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use resilience_core::{
    Deadline, Refusal, Rejected,
    bulkhead::{Permit, Served, Waiter},
    on_unwind,
};

pub use super::by_request::future::ByRequestFuture;
use super::{Hold, UntilAnswer};
use crate::time::{self, Sleep};

pin_project! {
    /// The response of [`Bulkhead`](super::Bulkhead).
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the permit back.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, H = UntilAnswer> {
        #[pin]
        phase: Phase<F>,
        hold: PhantomData<fn() -> H>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        /// The inner future runs; dropped before the permit goes back.
        Running { #[pin] inner: F, permit: Option<Permit> },
        /// The inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F, H> ResponseFuture<F, H> {
    #[inline]
    pub(super) const fn new(inner: F, permit: Permit) -> Self {
        Self { phase: Phase::Running { inner, permit: Some(permit) }, hold: PhantomData }
    }

    #[inline]
    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected }, hold: PhantomData }
    }
}

impl<F, H, T, E> Future for ResponseFuture<F, H>
where
    F: Future<Output = Result<T, E>>,
    E: Refusal,
    H: Hold<T>,
{
    type Output = Result<H::Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner, permit } => {
                let polled = on_unwind(|| inner.poll(cx), || drop(permit.take()));
                H::hold(polled, permit)
            }
            PhaseProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

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

impl<F, H> fmt::Debug for ResponseFuture<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("bulkhead::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
