//! The phases of a call whose request says what permits it needs.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use resilience_core::{CarryContext, Event, Observer, Refusal, Rejected, bulkhead::Permit, on_unwind};
use tower_service::Service;

use crate::bulkhead::{Hold, future::Waiting};

pin_project! {
    /// The response of [`BulkheadByRequest`](crate::bulkhead::BulkheadByRequest).
    ///
    /// # Cancellation
    ///
    /// Dropping it leaves the queue, or gives the permit back.
    ///
    /// # Panics
    ///
    /// When it waits outside of a Tokio runtime with a time driver, and when it is polled again after it was ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct ByRequestFuture<S, Req, O, H>
    where
        S: Service<Req>,
    {
        #[pin]
        phase: Phase<S, Req, S::Future>,
        observer: O,
        hold: PhantomData<fn() -> H>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, Req, F> {
        /// In the queue.
        Waiting { waiting: Waiting, waited: Option<(S, Req)> },
        /// With a permit, until the inner service is ready.
        Readying { service: S, call: Option<(Req, Permit)> },
        /// The inner future runs; dropped before the permit goes back.
        Running { #[pin] inner: F, permit: Option<Permit> },
        Refused { rejected: Rejected },
        Done,
    }
}

impl<S: Service<Req>, Req, O, H> ByRequestFuture<S, Req, O, H> {
    pub(super) fn waiting(waiting: Waiting, service: S, request: Req, observer: O) -> Self {
        let waited = Some((service, request));
        Self { phase: Phase::Waiting { waiting, waited }, observer, hold: PhantomData }
    }

    pub(super) fn readying(service: S, request: Req, permit: Permit, observer: O) -> Self {
        let call = Some((request, permit));
        Self { phase: Phase::Readying { service, call }, observer, hold: PhantomData }
    }

    pub(super) fn refused(rejected: Rejected, observer: O) -> Self {
        Self { phase: Phase::Refused { rejected }, observer, hold: PhantomData }
    }
}

impl<S, Req, O, H> Future for ByRequestFuture<S, Req, O, H>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    H: Hold<S::Response, Permit>,
    Req: CarryContext,
{
    type Output = Result<H::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.phase.as_mut().project() {
                PhaseProj::Waiting { waiting, waited } => {
                    let since = waiting.since();
                    let served = ready!(waiting.poll(cx));
                    match (served, waited.take()) {
                        (Ok(served), Some((service, mut request))) => {
                            this.observer.observe(&Event::BulkheadWaited { waited: served.waited });
                            if let (Some(since), Some(context)) = (since, request.context_mut()) {
                                context.settle(since);
                            }
                            Phase::Readying { service, call: Some((request, served.permit)) }
                        }
                        (Err(rejected), _) => Phase::Refused { rejected },
                        (Ok(_), None) => unreachable!("it is taken once"),
                    }
                }
                PhaseProj::Readying { service, call } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        this.phase.set(Phase::Done);
                        return Poll::Ready(Err(error));
                    }
                    let Some((request, permit)) = call.take() else {
                        unreachable!("it is taken once");
                    };
                    Phase::Running { inner: service.call(request), permit: Some(permit) }
                }
                PhaseProj::Running { inner, permit } => {
                    let polled = on_unwind(|| inner.poll(cx), || drop(permit.take()));
                    let answer = ready!(H::hold(polled, permit));
                    this.phase.set(Phase::Done);
                    return Poll::Ready(answer);
                }
                PhaseProj::Refused { rejected } => {
                    let rejected = *rejected;
                    this.phase.set(Phase::Done);
                    this.observer.observe(&Event::BulkheadRejected(rejected));
                    return Poll::Ready(Err(rejected.into()));
                }
                PhaseProj::Done => panic!("`BulkheadByRequest`'s future was polled after it had completed"),
            };
            this.phase.set(next);
        }
    }
}

impl<S, Req, O, H> fmt::Debug for ByRequestFuture<S, Req, O, H>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Waiting { .. } => "Waiting",
            Phase::Readying { .. } => "Readying",
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
            Phase::Done => "Done",
        };
        f.debug_struct("bulkhead::ByRequestFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
