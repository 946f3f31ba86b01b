//! The response to a request with a correlation id.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderName;
use pin_project_lite::pin_project;

use super::{CorrelationId, inherit::ID};
use crate::{call::under::Under, http::Headers};

pin_project! {
    /// The response of [`Correlation`](super::Correlation).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Elsewhere while the inner future is polled.
        id: Option<CorrelationId>,
        // Where the response is to say it, if at all.
        answer: Option<HeaderName>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, id: Option<CorrelationId>, answer: Option<HeaderName>) -> Self {
        Self { inner, id, answer }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: Headers,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let under = Under::new(&ID, this.id);
        let polled = this.inner.poll(cx);
        drop(under);
        let mut result = ready!(polled);
        if let (Ok(response), Some(name), Some(id)) = (&mut result, this.answer.take(), this.id.take()) {
            response.headers_mut().insert(name, id.into());
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = self.answer.is_some();
        f.debug_struct("correlation::ResponseFuture").field("answered", &answered).finish_non_exhaustive()
    }
}
