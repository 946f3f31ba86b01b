//! Another service that answers in place of a failed one.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use resilience_core::{
    Bulkhead, CarryContext, Rejected,
    bulkhead::Permit,
    fallback::Ending,
    on_unwind,
    striped::{Lease, StripedArc},
};
use tower_service::Service;

use super::stand_in::{Offer, Prepared, StandIn, sealed};
use crate::{
    call::settle,
    retry::{Replay, Safety},
};

/// Another service, of which each failed call that may have one gets a clone.
pub struct Substitute<T>(pub(super) StripedArc<Shared<T>>);

/// What all calls share.
#[derive(Clone, Debug)]
pub(super) struct Shared<T> {
    pub(super) service: T,
    pub(super) bulkhead: Bulkhead,
    pub(super) repeats_unsafe: bool,
}

impl<T> Clone for Substitute<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> sealed::Sealed for Substitute<T> {}

impl<T, Req, Res, Err> StandIn<Req, Res, Err> for Substitute<T>
where
    T: Service<Req, Response = Res> + Clone,
    Req: Replay + CarryContext,
{
    type Prepared = Waiting<T, Req>;

    #[inline]
    fn prepare(&self, request: &Req) -> Waiting<T, Req> {
        Waiting { shared: self.0.lease(), request: request.try_clone(), has_been_pending: false }
    }
}

/// A copy of the request, until it is known whether it is needed.
#[expect(unnameable_types, reason = "it is of no use outside")]
pub struct Waiting<T, Req> {
    shared: Lease<Shared<T>>,
    request: Option<Req>,
    has_been_pending: bool,
}

impl<T, Req: Replay + CarryContext> Waiting<T, Req> {
    /// The request, if it may be sent.
    fn request(&mut self, was_sent: bool) -> Result<Req, Ending> {
        let request = self.request.take().filter(Replay::is_complete).ok_or(Ending::NotReplayable)?;
        let is_safe = request.safety() == Safety::Idempotent
            || request.context().is_some_and(resilience_core::Context::is_idempotent);
        if was_sent && !is_safe && !self.shared.repeats_unsafe { Err(Ending::Unsafe) } else { Ok(request) }
    }
}

impl<T, Req, Res, Err> Prepared<Res, Err> for Waiting<T, Req>
where
    T: Service<Req, Response = Res> + Clone,
    Req: Replay + CarryContext,
{
    type Answer = Answer<T, Req, Err>;

    fn begin(mut self, original: Result<Res, Err>, was_sent: bool) -> Self::Answer {
        <Self as Prepared<Res, Err>>::pending(&mut self);
        let (phase, permit) = match self.request(was_sent) {
            Err(ending) => (Phase::Nothing { ending }, None),
            Ok(request) => match self.shared.bulkhead.try_acquire(1) {
                Err(rejected) => (Phase::Full { rejected }, None),
                Ok(permit) => {
                    let service = self.shared.service.clone();
                    (Phase::Readying { service, request: Some(request) }, Some(permit))
                }
            },
        };
        Answer { phase, permit, original: Some(original) }
    }

    /// An attempt limit from further out counts from here, for the copy as well.
    #[inline]
    fn pending(&mut self) {
        if !self.has_been_pending {
            self.has_been_pending = true;
            self.request.as_mut().map(settle);
        }
    }
}

pin_project! {
    /// The answer of a fallback service.
    pub struct Answer<T, Req, Err>
    where
        T: Service<Req>,
    {
        #[pin]
        phase: Phase<T, Req, T::Future>,
        // Given back as soon as there is an answer or a panic. Dropped after what it is for.
        permit: Option<Permit>,
        original: Option<Result<T::Response, Err>>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<T, Req, F> {
        /// It may not be asked.
        Nothing { ending: Ending },
        /// It has enough to do.
        Full { rejected: Rejected },
        /// Waiting until it is ready.
        Readying { service: T, request: Option<Req> },
        /// It was called.
        Calling { #[pin] answer: F },
    }
}

impl<T, Req, F> Phase<T, Req, F>
where
    T: Service<Req, Future = F>,
    F: Future<Output = Result<T::Response, T::Error>>,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Found<T::Response>> {
        if let PhaseProj::Readying { service, request } = self.as_mut().project() {
            let is_ready = ready!(service.poll_ready(cx)).is_ok();
            let Some(request) = request.take().filter(|_| is_ready) else {
                return Poll::Ready(Found::Nothing(Ending::Failed));
            };
            let answer = service.call(request);
            self.set(Self::Calling { answer });
        }
        Poll::Ready(match self.project() {
            PhaseProj::Nothing { ending } => Found::Nothing(*ending),
            PhaseProj::Full { rejected } => Found::Full(*rejected),
            PhaseProj::Calling { answer } => match ready!(answer.poll(cx)) {
                Ok(response) => Found::Answer(response),
                Err(_) => Found::Nothing(Ending::Failed),
            },
            PhaseProj::Readying { .. } => unreachable!("it is ready"),
        })
    }
}

/// What there is without what it was to replace.
enum Found<Res> {
    Answer(Res),
    Nothing(Ending),
    Full(Rejected),
}

impl<T, Req, Err> Future for Answer<T, Req, Err>
where
    T: Service<Req>,
{
    type Output = Offer<T::Response, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let found = ready!(on_unwind(|| this.phase.poll(cx), || drop(this.permit.take())));
        let Some(original) = this.original.take() else {
            panic!("a fallback's answer was polled after it had completed");
        };
        Poll::Ready(match found {
            Found::Answer(answer) => Offer::Proposal { answer, original },
            Found::Nothing(ending) => Offer::Nothing { original, ending },
            Found::Full(rejected) => Offer::Full { original, rejected },
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Substitute<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Substitute")
            .field("service", &self.0.service)
            .field("bulkhead", &self.0.bulkhead)
            .finish_non_exhaustive()
    }
}

impl<T, Req> fmt::Debug for Waiting<T, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl<T: Service<Req>, Req, Err> fmt::Debug for Answer<T, Req, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
