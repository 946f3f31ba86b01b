use std::task::{Context, Poll};

use resilience_core::Error;
use tower_service::Service;

use super::future::ResponseFuture;

/// The service of [`ErrorLayer`](super::ErrorLayer).
#[derive(Clone, Debug)]
pub struct MapError<S> {
    inner: S,
}

impl<S> MapError<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, Req> Service<Req> for MapError<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::inner)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(self.inner.call(request))
    }
}
