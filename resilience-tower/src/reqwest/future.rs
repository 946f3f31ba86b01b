//! One request through a clone of the stack.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use reqwest::Request;
use resilience_core::{Call, Error};
use tower_service::Service;

pin_project! {
    /// The response of a [`Client`](super::Client).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request, and frees whatever the call held.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has completed, and when it is pending outside of a Tokio runtime with a time driver.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S>
    where
        S: Service<Call<Request>>,
    {
        #[pin]
        phase: Phase<S, S::Future>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, F> {
        /// Waiting for the stack to be ready; a bulkhead or a rate limit may have a queue.
        Readying { service: S, call: Option<Call<Request>> },
        /// The instance that was readied has been called.
        Calling { #[pin] future: F },
        /// There is no request: it could not be built.
        Unbuilt { error: Option<reqwest::Error> },
    }
}

impl<S: Service<Call<Request>>> ResponseFuture<S> {
    #[inline]
    pub(super) const fn new(service: S, call: Call<Request>) -> Self {
        Self { phase: Phase::Readying { service, call: Some(call) } }
    }

    pub(super) const fn unbuilt(error: reqwest::Error) -> Self {
        Self { phase: Phase::Unbuilt { error: Some(error) } }
    }
}

impl<S, T> Future for ResponseFuture<S>
where
    S: Service<Call<Request>, Response = T, Error = Error<reqwest::Error>>,
{
    type Output = Result<T, Error<reqwest::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        loop {
            match phase.as_mut().project() {
                PhaseProj::Readying { service, call } => {
                    ready!(service.poll_ready(cx))?;
                    let future = service.call(call.take().expect(OVER));
                    phase.set(Phase::Calling { future });
                }
                PhaseProj::Calling { future } => return future.poll(cx),
                PhaseProj::Unbuilt { error } => {
                    return Poll::Ready(Err(Error::inner(error.take().expect(OVER))));
                }
            }
        }
    }
}

const OVER: &str = "the future of a `reqwest::Client` was polled after it had completed";

impl<S: Service<Call<Request>>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Readying { .. } => "Readying",
            Phase::Calling { .. } => "Calling",
            Phase::Unbuilt { .. } => "Unbuilt",
        };
        f.debug_struct("reqwest::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
