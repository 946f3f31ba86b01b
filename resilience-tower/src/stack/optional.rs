//! A layer that may be left out.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// The layer, or nothing.
#[derive(Clone, Debug)]
pub(super) struct OptionalLayer<L>(pub(super) Option<L>);

impl<L: Layer<S>, S> Layer<S> for OptionalLayer<L> {
    type Service = Optional<L::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        match &self.0 {
            Some(layer) => Optional::On(layer.layer(inner)),
            None => Optional::Off(inner),
        }
    }
}

/// A service with a layer around it, or without.
#[derive(Clone, Debug)]
pub enum Optional<A, B> {
    /// With the layer.
    On(A),
    /// Without it.
    Off(B),
}

impl<A, B, Req> Service<Req> for Optional<A, B>
where
    A: Service<Req>,
    B: Service<Req, Response = A::Response, Error = A::Error>,
{
    type Response = A::Response;
    type Error = A::Error;
    type Future = OptionalFuture<A::Future, B::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Self::On(service) => service.poll_ready(cx),
            Self::Off(service) => service.poll_ready(cx),
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        match self {
            Self::On(service) => OptionalFuture { which: Which::On { future: service.call(request) } },
            Self::Off(service) => OptionalFuture { which: Which::Off { future: service.call(request) } },
        }
    }
}

pin_project! {
    /// The response of [`Optional`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct OptionalFuture<A, B> {
        #[pin]
        which: Which<A, B>,
    }
}

pin_project! {
    #[project = WhichProj]
    #[derive(Debug)]
    enum Which<A, B> {
        On { #[pin] future: A },
        Off { #[pin] future: B },
    }
}

impl<A: Future, B: Future<Output = A::Output>> Future for OptionalFuture<A, B> {
    type Output = A::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().which.project() {
            WhichProj::On { future } => future.poll(cx),
            WhichProj::Off { future } => future.poll(cx),
        }
    }
}
