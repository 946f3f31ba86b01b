//! The response to a request with a correlation id.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderName;
use pin_project_lite::pin_project;

use super::CorrelationId;
use crate::http::Headers;

pin_project! {
    /// The response of [`Correlation`](super::Correlation).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // What the response is to say, if anything.
        answer: Option<(HeaderName, CorrelationId)>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, answer: Option<(HeaderName, CorrelationId)>) -> Self {
        Self { inner, answer }
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
        let mut result = ready!(this.inner.poll(cx));
        if let (Ok(response), Some((name, id))) = (&mut result, this.answer.take()) {
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
