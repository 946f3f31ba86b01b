//! One operation that was sent with a key.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderValue;
use pin_project_lite::pin_project;
use resilience_core::{Refusal, idempotency::OutcomeUnknown};

use super::{
    KeyedResponse,
    answer::{is_definitive, may_have_run},
    service,
};

pin_project! {
    /// The response of [`SendIdempotencyKey`](super::SendIdempotencyKey).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request. What that has done is unknown then, and if the key is not the caller's own, it is gone.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // What the request was sent with, if it was.
        key: Option<HeaderValue>,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn new(inner: F, key: Option<HeaderValue>) -> Self {
        Self { inner, key }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: KeyedResponse,
    E: Refusal,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        if let Some(key) = this.key {
            note(&mut result, key);
        }
        Poll::Ready(result)
    }
}

/// Notes on what says nothing of the operation that its outcome is unknown.
fn note<T: KeyedResponse, E: Refusal>(result: &mut Result<T, E>, value: &HeaderValue) {
    let says_nothing = match result {
        Ok(response) => !is_definitive(response),
        Err(error) => may_have_run(error),
    };
    let unknown = says_nothing.then(|| service::key(value)).flatten().map(|key| OutcomeUnknown::of(&key));
    match (result, unknown) {
        (Ok(response), Some(unknown)) => {
            response.extensions_mut().insert(unknown);
        }
        (Err(error), Some(unknown)) => error.set_outcome_unknown(unknown),
        (_, None) => {}
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("idempotency::client::ResponseFuture")
            .field("has_key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
