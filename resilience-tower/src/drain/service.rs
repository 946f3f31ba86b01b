use std::{
    fmt,
    marker::PhantomData,
    mem,
    task::{Context, Poll},
    time::Duration,
};

use resilience_core::{Drain as Handle, Event, Observer, Refusal, Rejected, drain::Permit};
use tower_service::Service;

use super::{Hold, UntilAnswer, future::ResponseFuture};

/// The service of [`DrainLayer`](super::DrainLayer).
///
/// # Clone
///
/// A clone shares the drain. It starts unready and holds nothing.
pub struct Drain<S, O = (), H = UntilAnswer> {
    inner: S,
    drain: Handle,
    observer: O,
    /// Whether the inner service was readied for the next call: it is not asked while the server drains.
    is_ready: bool,
    hold: PhantomData<fn() -> H>,
}

impl<S, O, H> Drain<S, O, H> {
    pub(super) const fn new(inner: S, drain: Handle, observer: O) -> Self {
        Self { inner, drain, observer, is_ready: false, hold: PhantomData }
    }
}

impl<S, O: Observer, H> Drain<S, O, H> {
    #[cold]
    fn refuse<F>(&self, retry_after: Duration) -> ResponseFuture<F, H> {
        if self.observer.listens() {
            self.observer.observe(&Event::DrainRejected { retry_after });
        }
        ResponseFuture::refused(Rejected::Draining { retry_after })
    }
}

impl<S: Clone, O: Clone, H> Clone for Drain<S, O, H> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.drain.clone(), self.observer.clone())
    }
}

impl<S, O, H, Req> Service<Req> for Drain<S, O, H>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    H: Hold<S::Response, Permit>,
{
    type Response = H::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, H>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.drain.is_draining() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.inner.poll_ready(cx);
        self.is_ready = matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let is_ready = mem::take(&mut self.is_ready);
        match self.drain.try_acquire() {
            Ok(permit) if is_ready => ResponseFuture::new(self.inner.call(request), permit),
            // It drained when the inner service would have been readied, and does so no more.
            Ok(_) => self.refuse(Duration::ZERO),
            Err(rejected) => self.refuse(rejected.retry_after().unwrap_or_default()),
        }
    }
}

impl<S: fmt::Debug, O, H> fmt::Debug for Drain<S, O, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("inner", &self.inner)
            .field("drain", &self.drain)
            .field("is_ready", &self.is_ready)
            .finish_non_exhaustive()
    }
}
