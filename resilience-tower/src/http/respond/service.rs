use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;
use resilience_core::Rejected;
use tower_service::Service;

use super::RespondBody;
use crate::error::TakeRefusal;

/// The service of [`RespondLayer`](super::RespondLayer).
///
/// # Clone
///
/// A clone starts unready.
pub struct Respond<S, F = fn(&Rejected) -> Response<Bytes>> {
    inner: S,
    respond: F,
    /// The refusal that the last `poll_ready` came to, for the call that follows.
    rejected: Option<Rejected>,
}

impl<S, F> Respond<S, F> {
    pub(crate) const fn new(inner: S, respond: F) -> Self {
        Self { inner, respond, rejected: None }
    }
}

impl<S: Clone, F: Clone> Clone for Respond<S, F> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.respond.clone())
    }
}

impl<S, F, Req, B, T> Service<Req> for Respond<S, F>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: TakeRefusal,
    F: Fn(&Rejected) -> Response<T> + Clone,
    T: Into<Bytes>,
{
    type Response = Response<RespondBody<B>>;
    type Error = <S::Error as TakeRefusal>::Rest;
    type Future = RespondFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.rejected = match ready!(self.inner.poll_ready(cx)) {
            Ok(()) => None,
            Err(error) => Some(error.take_refusal()?),
        };
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let phase = match self.rejected {
            Some(rejected) => Phase::Rejected { rejected },
            None => Phase::Running { inner: self.inner.call(request) },
        };
        RespondFuture { phase, respond: self.respond.clone() }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Respond<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of [`Respond`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future.
    #[must_use = "futures do nothing unless polled"]
    pub struct RespondFuture<Fut, F = fn(&Rejected) -> Response<Bytes>> {
        #[pin]
        phase: Phase<Fut>,
        respond: F,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<Fut> {
        /// The inner future runs.
        Running { #[pin] inner: Fut },
        /// The inner service was not called.
        Rejected { rejected: Rejected },
    }
}

impl<Fut, F, B, E, T> Future for RespondFuture<Fut, F>
where
    Fut: Future<Output = Result<Response<B>, E>>,
    E: TakeRefusal,
    F: Fn(&Rejected) -> Response<T>,
    T: Into<Bytes>,
{
    type Output = Result<Response<RespondBody<B>>, E::Rest>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let rejected = match this.phase.project() {
            PhaseProj::Rejected { rejected } => *rejected,
            PhaseProj::Running { inner } => match ready!(inner.poll(cx)) {
                Ok(answer) => return Poll::Ready(Ok(answer.map(RespondBody::inner))),
                Err(error) => error.take_refusal()?,
            },
        };
        let refusal = (this.respond)(&rejected);
        Poll::Ready(Ok(refusal.map(|text| RespondBody::refusal(text.into()))))
    }
}

impl<Fut, F> fmt::Debug for RespondFuture<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Rejected { .. } => "Rejected",
        };
        f.debug_struct("RespondFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
