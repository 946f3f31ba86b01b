//! How the decision reaches a service: a layer, a service and a future with names, nothing boxed.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{
    now,
    policy::{InMaintenance, Maintenance},
};

/// Refuses calls while the dependency is being worked on.
///
/// Around any service whose error can carry the refusal: so it fits into each slot of a stack.
#[derive(Clone, Debug)]
pub(crate) struct MaintenanceLayer(pub(crate) Maintenance);

impl<S> Layer<S> for MaintenanceLayer {
    type Service = Maintained<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Maintained { inner, maintenance: self.0.clone(), is_ready: false }
    }
}

#[derive(Debug)]
pub(crate) struct Maintained<S> {
    inner: S,
    maintenance: Maintenance,
    /// Whether the inner service was readied for the next call.
    is_ready: bool,
}

/// A clone shares the window, and starts unready: what the original has readied is its own.
impl<S: Clone> Clone for Maintained<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), maintenance: self.maintenance.clone(), is_ready: false }
    }
}

impl<S, Req> Service<Req> for Maintained<S>
where
    S: Service<Req>,
    S::Error: From<InMaintenance>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MaintainedFuture<S::Future>;

    /// Ready at once for a call that will be refused, however busy the inner service is. A refusal never comes from here: a `Buffer`
    /// further out would take it for the end of the service.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.maintenance.check(now()).is_err() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.inner.poll_ready(cx);
        self.is_ready = matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let is_ready = mem::take(&mut self.is_ready);
        match self.maintenance.check(now()) {
            Ok(()) if is_ready => MaintainedFuture::Passed { inner: self.inner.call(request) },
            // The window has ended since: the inner service was not readied, and must not be called.
            Ok(()) => {
                MaintainedFuture::Refused { refusal: InMaintenance { retry_after: Default::default() } }
            }
            Err(refusal) => MaintainedFuture::Refused { refusal },
        }
    }
}

pin_project! {
    #[project = MaintainedProj]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) enum MaintainedFuture<F> {
        Passed { #[pin] inner: F },
        Refused { refusal: InMaintenance },
    }
}

impl<F, T, E> Future for MaintainedFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<InMaintenance>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            MaintainedProj::Passed { inner } => inner.poll(cx),
            MaintainedProj::Refused { refusal } => Poll::Ready(Err((*refusal).into())),
        }
    }
}
