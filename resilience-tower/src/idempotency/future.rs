//! The response to a request that may be guarded.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::WriteAnswer;

type Guarded<A, E> = Pin<Box<dyn Future<Output = Result<A, E>> + Send>>;

pin_project! {
    /// The response of [`Idempotent`](super::Idempotent).
    ///
    /// # Cancellation
    ///
    /// To drop it cuts a request that is not guarded. An operation that has begun under a key goes on in a task of its own, unless the
    /// settings say [otherwise](super::Execution::Inline).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, P, A, E> {
        #[pin]
        phase: Phase<F, A, E>,
        protocol: PhantomData<fn() -> P>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, A, E> {
        /// Not guarded: the wrapped service's own future.
        Passing { #[pin] inner: F },
        /// Refused at once.
        Answered { answer: Option<A> },
        /// Asks the store first.
        Guarded { guarded: Guarded<A, E> },
    }
}

impl<F, P, A, E> ResponseFuture<F, P, A, E> {
    pub(super) const fn passing(inner: F) -> Self {
        Self { phase: Phase::Passing { inner }, protocol: PhantomData }
    }

    pub(super) const fn answered(answer: A) -> Self {
        Self { phase: Phase::Answered { answer: Some(answer) }, protocol: PhantomData }
    }

    /// Boxed: it makes calls over a network, in front of which an allocation is nothing.
    pub(super) fn guarded(guarded: impl Future<Output = Result<A, E>> + Send + 'static) -> Self {
        Self { phase: Phase::Guarded { guarded: Box::pin(guarded) }, protocol: PhantomData }
    }
}

impl<F, P, A, Res, E> Future for ResponseFuture<F, P, A, E>
where
    F: Future<Output = Result<Res, E>>,
    P: WriteAnswer<Res, Answer = A>,
{
    type Output = Result<A, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Passing { inner } => inner.poll(cx).map(|result| result.map(P::pass)),
            PhaseProj::Guarded { guarded } => guarded.as_mut().poll(cx),
            PhaseProj::Answered { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            },
        }
    }
}

impl<F, P, A, E> fmt::Debug for ResponseFuture<F, P, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Passing { .. } => "Passing",
            Phase::Answered { .. } => "Answered",
            Phase::Guarded { .. } => "Guarded",
        };
        f.debug_struct("idempotency::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
