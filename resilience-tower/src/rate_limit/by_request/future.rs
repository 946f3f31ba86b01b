//! The phases of a call that waits for its turn.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use resilience_core::{Event, Observer, RateLimiter, Refusal, Rejected, rate_limit::Reservation};
use tower_service::Service;

use crate::{
    rate_limit::settings::Settings,
    time::{self, Sleep},
};

pin_project! {
    /// The response of [`RateLimitBy`](super::RateLimitBy).
    ///
    /// # Cancellation
    ///
    /// Dropped before the inner service was called, it gives its place back, if nobody has come since. Later, it drops the inner
    /// future, and the tokens are used.
    ///
    /// # Panics
    ///
    /// When it waits outside of a Tokio runtime with a time driver, and when it is polled again after it was ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, O = ()>
    where
        S: Service<Req>,
    {
        #[pin]
        phase: Phase<S::Future, Queued<S, Req, O>>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, Q> {
        /// Waiting for the turn.
        Waiting { #[pin] timer: Sleep, queued: Option<Q> },
        /// It has come; waiting for the inner service to be ready.
        Readying { queued: Option<Q> },
        /// The call is made.
        Calling { #[pin] inner: F },
        /// It never will be.
        Refused { rejected: Rejected },
        Done,
    }
}

/// A call that was not made yet.
pub(super) struct Queued<S, Req, O> {
    service: S,
    request: Req,
    settings: Settings<O>,
    place: Option<Place>,
}

impl<S, Req, O> Queued<S, Req, O> {
    pub(super) const fn new(service: S, request: Req, settings: Settings<O>) -> Self {
        Self { service, request, settings, place: None }
    }

    pub(super) fn at(mut self, limiter: RateLimiter, reservation: Reservation) -> Self {
        self.place = Some(Place { limiter, reservation: Some(reservation) });
        self
    }

    fn wait(&self) -> Duration {
        let reservation = self.place.as_ref().and_then(|place| place.reservation.as_ref());
        reservation.map_or(Duration::ZERO, Reservation::wait)
    }
}

/// A place in the queue. Dropped before it is used, it is given back.
struct Place {
    limiter: RateLimiter,
    reservation: Option<Reservation>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.limiter.give_back(reservation);
        }
    }
}

impl<S: Service<Req>, Req, O> ResponseFuture<S, Req, O> {
    #[inline]
    pub(super) const fn call(inner: S::Future) -> Self {
        Self { phase: Phase::Calling { inner } }
    }

    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected } }
    }

    /// Its turn comes at the end of its wait, which began then; at once, if the wait is not enforced.
    pub(super) fn queued(queued: Queued<S, Req, O>, since: Option<Instant>) -> Self {
        let wait = queued.wait();
        let queued = Some(queued);
        let phase = match since {
            Some(since) if !wait.is_zero() => {
                Phase::Waiting { timer: time::sleep_until(since + wait), queued }
            }
            _ => Phase::Readying { queued },
        };
        Self { phase }
    }
}

impl<S, Req, O> Future for ResponseFuture<S, Req, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.phase.as_mut().project() {
                PhaseProj::Calling { inner } => return inner.poll(cx),
                PhaseProj::Refused { rejected } => return Poll::Ready(Err((*rejected).into())),
                PhaseProj::Waiting { timer, queued } => {
                    ready!(time::poll_timer(timer, cx));
                    let queued = queued.take();
                    if let Some(queued) = &queued {
                        tell_delayed(queued);
                    }
                    this.phase.set(Phase::Readying { queued });
                }
                PhaseProj::Readying { queued } => {
                    let called = ready!(poll_call(queued, cx));
                    match called {
                        Ok(inner) => this.phase.set(Phase::Calling { inner }),
                        Err(error) => {
                            this.phase.set(Phase::Done);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                PhaseProj::Done => panic!("`RateLimitBy`'s future was polled after it had completed"),
            }
        }
    }
}

/// Makes the call once the inner service is ready for it.
fn poll_call<S, Req, O>(
    waiting: &mut Option<Queued<S, Req, O>>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, S::Error>>
where
    S: Service<Req>,
{
    let Some(queued) = waiting else { unreachable!("it is there until the call is made") };
    if let Err(error) = ready!(queued.service.poll_ready(cx)) {
        *waiting = None;
        return Poll::Ready(Err(error));
    }
    match waiting.take() {
        Some(Queued { mut service, request, mut place, .. }) => {
            if let Some(place) = &mut place {
                // It is used.
                place.reservation = None;
            }
            Poll::Ready(Ok(service.call(request)))
        }
        None => unreachable!("it was there above"),
    }
}

fn tell_delayed<S, Req, O: Observer>(queued: &Queued<S, Req, O>) {
    let observer = &queued.settings.observer;
    if observer.listens() {
        observer.observe(&Event::RateLimitDelayed { wait: queued.wait() });
    }
}

impl<S: Service<Req>, Req, O> fmt::Debug for ResponseFuture<S, Req, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Waiting { .. } => "Waiting",
            Phase::Readying { .. } => "Readying",
            Phase::Calling { .. } => "Calling",
            Phase::Refused { .. } => "Refused",
            Phase::Done => "Done",
        };
        f.debug_struct("rate_limit::ByRequestFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
