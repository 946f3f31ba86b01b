use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{Classify, Refusal};

use super::{ErrorText, open::Open};

pin_project! {
    /// The response of [`OperationSpan`](super::OperationSpan) and [`AttemptSpan`](super::AttemptSpan).
    ///
    /// # Cancellation
    ///
    /// Dropped before its end, it says so in the span: `cancelled`, which is no error. What is inside is dropped in the span.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has completed, if there was a span.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C, T, H = ()> {
        // Nothing once it has ended and been dropped, in the span.
        #[pin]
        inner: Option<F>,
        // Nothing if no subscriber has taken the span, and after the end. On the heap, where the span is too: the many calls
        // without one would move it.
        open: Option<Box<Open<C, T, H>>>,
    }

    impl<F, C, T, H> PinnedDrop for ResponseFuture<F, C, T, H> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.open.is_some() {
                abandon(this.inner, this.open);
            }
        }
    }
}

/// What is inside ends in the span; and for those who go by the last time that a span was left, the span ends now.
#[inline(never)]
fn abandon<F, C, T, H>(mut inner: Pin<&mut Option<F>>, open: &mut Option<Box<Open<C, T, H>>>) {
    if let Some(open) = open.take() {
        open.span().in_scope(|| inner.set(None));
        open.cancelled();
    }
}

impl<F, C, T, H> ResponseFuture<F, C, T, H> {
    /// Without a span.
    #[inline]
    pub(super) const fn plain(inner: F) -> Self {
        Self { inner: Some(inner), open: None }
    }

    /// Calls the inner service in a span.
    pub(super) fn call(mut open: Open<C, T, H>, inner: impl FnOnce(&H) -> F) -> Self {
        let inner = open.run(inner);
        Self { inner: Some(inner), open: Some(Box::new(open)) }
    }
}

impl<F, C, T, H, R, E> Future for ResponseFuture<F, C, T, H>
where
    F: Future<Output = Result<R, E>>,
    C: Classify<R, E>,
    T: ErrorText<E>,
    E: Refusal,
{
    type Output = Result<R, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.open.is_some() {
            return poll_in_span(this.inner, this.open, cx);
        }
        poll(this.inner, cx)
    }
}

/// Out of line, so that a call without a span has nothing of it to carry.
#[inline(never)]
fn poll_in_span<F, C, T, H, R, E>(
    mut inner: Pin<&mut Option<F>>,
    in_span: &mut Option<Box<Open<C, T, H>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<R, E>>
where
    F: Future<Output = Result<R, E>>,
    C: Classify<R, E>,
    T: ErrorText<E>,
    E: Refusal,
{
    let Some(open) = in_span else { return poll(inner, cx) };
    let polled = open.run(|_| {
        let polled = poll(inner.as_mut(), cx);
        if polled.is_ready() {
            inner.set(None);
        }
        polled
    });
    if let Poll::Ready(result) = &polled {
        if let Some(open) = in_span.take() {
            open.answered(result.as_ref());
        }
    }
    polled
}

#[inline]
fn poll<F: Future>(inner: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    inner.as_pin_mut().expect("the future of a span was polled after it had completed").poll(cx)
}

impl<F, C, T, H> fmt::Debug for ResponseFuture<F, C, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.open.as_ref().and_then(|open| open.span().id());
        f.debug_struct("span::ResponseFuture").field("span", &span).finish_non_exhaustive()
    }
}
