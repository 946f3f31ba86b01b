use std::task::{Context, Poll};

use resilience_core::CarryContext;
use tower_layer::Layer;
use tower_service::Service;

use super::inherited;

/// Takes over the deadline of the call that a server is working on while it makes this one.
///
/// On a client: outermost, or directly inside of a [`CallLayer`](super::CallLayer). It finds what a [`HandOnLayer`](super::HandOnLayer)
/// around the handler has left on the task, where there is an example; without one it changes nothing.
///
/// It keeps no time: a [`TimeoutLayer::total`](crate::TimeoutLayer::total) further in does, and refuses a call whose deadline is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct InheritLayer(());

impl InheritLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for InheritLayer {
    type Service = Inherit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Inherit { inner }
    }
}

/// The service of [`InheritLayer`].
#[derive(Clone, Debug)]
pub struct Inherit<S> {
    inner: S,
}

impl<S, Req> Service<Req> for Inherit<S>
where
    S: Service<Req>,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        if let Some(deadline) = inherited() {
            if let Some(context) = request.context_mut() {
                context.tighten(deadline);
            }
        }
        self.inner.call(request)
    }
}
