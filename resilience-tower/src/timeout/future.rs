//! The phases of a call under a timeout.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use resilience_core::{Deadline, Event, Observer, Outcome, Refusal, Rejected, striped::Lease};

use super::layer::Scope;
use crate::time::{self, Sleep};

pin_project! {
    /// The response of [`Timeout`](super::Timeout).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future and the timer. It is not a timeout and no observer is told.
    ///
    /// # Panics
    ///
    /// When it is pending outside of a Tokio runtime with a time driver, and when it is polled again after a limit has fired.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, O = ()> {
        #[pin]
        phase: Phase<F>,
        observer: Option<Lease<O>>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        /// The inner future runs. Until it has returned `Pending` once there is no timer.
        Running {
            #[pin]
            inner: F,
            limit: Limit,
            #[pin]
            timer: Option<Sleep>,
        },
        /// The inner service was not called.
        Refused { fired: Fired },
        /// The limit has fired, and the inner future is dropped.
        Done,
    }
}

/// What ends the call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Counted from when the call is first found pending; `deadline` is the operation's.
    Attempt { limit: Duration, deadline: Option<Deadline> },
    /// At a moment that is known; whose it is, and whether this layer's own.
    Until { end: Deadline, scope: Scope, is_own: bool },
}

impl Limit {
    const fn is_own(self) -> bool {
        matches!(self, Self::Until { is_own: true, .. })
    }

    /// The end and whose it is, counted from now where the count has not begun. In a tie it is the total's.
    fn start(self) -> (Deadline, Scope) {
        match self {
            Self::Until { end, scope, .. } => (end, scope),
            Self::Attempt { limit, deadline } => {
                let own = Deadline::after(time::now(), limit);
                match deadline {
                    Some(total) if total.at() <= own.at() => (total, Scope::Total),
                    _ => (own, Scope::Attempt),
                }
            }
        }
    }
}

/// A limit that fired.
#[derive(Clone, Copy, Debug)]
struct Fired {
    scope: Scope,
    limit: Duration,
    elapsed: Duration,
    /// Whether the inner service has been called.
    called: bool,
}

impl Fired {
    fn new(end: Deadline, scope: Scope, now: Instant, called: bool) -> Self {
        Self { scope, limit: end.limit(), elapsed: end.elapsed(now), called }
    }

    const fn rejected(self) -> Rejected {
        let Self { scope, limit, elapsed, called } = self;
        match scope {
            Scope::Attempt => Rejected::AttemptTimeout { limit, elapsed },
            Scope::Total => Rejected::DeadlineExceeded { limit, elapsed, called },
        }
    }

    const fn event(self) -> Event {
        let Self { scope, limit, elapsed, .. } = self;
        match scope {
            Scope::Attempt => Event::AttemptTimedOut { limit, elapsed },
            Scope::Total => Event::DeadlineExceeded { limit, elapsed },
        }
    }
}

impl<F, O> ResponseFuture<F, O> {
    pub(super) const fn new(inner: F, limit: Limit, observer: Option<Lease<O>>) -> Self {
        Self { phase: Phase::Running { inner, limit, timer: None }, observer }
    }

    pub(super) fn refused(deadline: Deadline, now: Instant, observer: Option<Lease<O>>) -> Self {
        Self { phase: Phase::Refused { fired: Fired::new(deadline, Scope::Total, now, false) }, observer }
    }
}

impl<F, T, E, O> Future for ResponseFuture<F, O>
where
    F: Future<Output = Result<T, E>>,
    E: Refusal,
    O: Observer,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let PhaseProj::Running { inner, .. } = self.as_mut().project().phase.project() {
            if let Poll::Ready(result) = inner.poll(cx) {
                self.in_time(|| result.as_ref().err().and_then(Refusal::rejected).copied());
                return Poll::Ready(result);
            }
        }
        self.poll_limit(cx).map(|fired| Err(fired.rejected().into()))
    }
}

impl<F, O: Observer> ResponseFuture<F, O> {
    /// Says how much of its time a call has used that was pending, if anybody wants to know. A timeout further in has told of
    /// itself.
    #[inline]
    fn in_time(&self, rejected: impl FnOnce() -> Option<Rejected>) {
        let Phase::Running { limit, timer: Some(_), .. } = &self.phase else { return };
        let Limit::Until { end, scope, is_own: true } = limit else { return };
        let Some(observer) = self.observer.as_ref().filter(|observer| observer.is_verbose()) else { return };
        if rejected().is_none_or(|rejected| rejected.outcome() != Outcome::Timeout) {
            let (limit, elapsed) = (end.limit(), end.elapsed(time::now()));
            observer.observe(&match scope {
                Scope::Attempt => Event::AttemptInTime { limit, elapsed },
                Scope::Total => Event::OperationInTime { limit, elapsed },
            });
        }
    }

    /// The call is pending or was refused. Out of line, so that a ready answer has little to carry.
    #[inline(never)]
    fn poll_limit(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fired> {
        let mut this = self.project();
        let fired = match this.phase.as_mut().project() {
            PhaseProj::Running { limit, timer, .. } => ready!(poll_timer(limit, timer, cx)),
            PhaseProj::Refused { fired } => *fired,
            PhaseProj::Done => panic!("`Timeout`'s future was polled after it had completed"),
        };
        // What the inner future held must be free when the caller learns of it.
        this.phase.set(Phase::Done);
        if let Some(observer) = this.observer {
            observer.observe(&fired.event());
        }
        Poll::Ready(fired)
    }
}

/// Waits for the end of the limit; starts counting and registers the timer when it is first asked.
fn poll_timer(limit: &mut Limit, mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<Fired> {
    let (end, scope) = limit.start();
    if timer.is_none() {
        // A total limit that was found on the way is that of another layer, which has its own timer for it.
        *limit = Limit::Until { end, scope, is_own: limit.is_own() || scope == Scope::Attempt };
        timer.set(Some(time::sleep_until(end.at())));
    }
    if let Some(timer) = timer.as_pin_mut() {
        ready!(time::poll_timer(timer, cx));
    }
    Poll::Ready(Fired::new(end, scope, time::now(), true))
}

impl<F, O> fmt::Debug for ResponseFuture<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { timer: None, .. } => "Running",
            Phase::Running { .. } => "Waiting",
            Phase::Refused { .. } => "Refused",
            Phase::Done => "Done",
        };
        f.debug_struct("timeout::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
