use std::task::{Context, Poll};

use tower_service::Service;

use super::{CorrelationId, CorrelationLayer, future::ResponseFuture, inherit::ID};
use crate::{call::under::Under, http::Headers};

/// The service of [`CorrelationLayer`].
#[derive(Clone, Debug)]
pub struct Correlation<S, F = fn() -> CorrelationId> {
    pub(super) inner: S,
    pub(super) layer: CorrelationLayer<F>,
}

impl<S, F, Req> Service<Req> for Correlation<S, F>
where
    S: Service<Req, Response: Headers>,
    F: Fn() -> CorrelationId,
    Req: Headers,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        let CorrelationLayer { name, create, answered } = &self.layer;
        let mut id = Some(CorrelationId::of_or_insert(request.headers_mut(), name, create));
        let answer = answered.then(|| name.clone());
        // `call` may make calls itself.
        let under = Under::new(&ID, &mut id);
        let inner = self.inner.call(request);
        drop(under);
        ResponseFuture::new(inner, id, answer)
    }
}
