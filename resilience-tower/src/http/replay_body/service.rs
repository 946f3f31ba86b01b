use std::task::{Context, Poll};

use http::Request;
use http_body::Body;
use resilience_core::Call;
use tower_service::Service;

use super::ReplayBody;

/// The service of [`ReplayBodyLayer`](super::ReplayBodyLayer).
#[derive(Clone, Debug)]
pub struct WithReplayBody<S> {
    pub(super) inner: S,
    pub(super) cap: usize,
}

impl<S, B> Service<Request<B>> for WithReplayBody<S>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(|body| ReplayBody::new(body, self.cap)))
    }
}

impl<S, B> Service<Call<Request<B>>> for WithReplayBody<S>
where
    S: Service<Call<Request<ReplayBody<B>>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Request<B>>) -> S::Future {
        let (request, context) = call.into_parts();
        let request = request.map(|body| ReplayBody::new(body, self.cap));
        self.inner.call(Call::with_context(request, context))
    }
}
