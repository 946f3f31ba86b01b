use std::task::{Context, Poll};

use resilience_core::{CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, striped::StripedArc};
use tower_service::Service;

use super::{Prioritize, Share, Unshared, future::ResponseFuture, shared::Shared};
use crate::cut::Cut;

/// The service of [`AdaptiveLayer`](super::AdaptiveLayer).
///
/// # Clone
///
/// A clone shares the limit. It starts unready and holds nothing.
#[derive(Debug)]
pub struct Adaptive<S, C = ErrorsAreFailures, O = (), F = Unshared, P = ()> {
    inner: S,
    shared: StripedArc<Shared<C, O, F, P>>,
}

impl<S, C, O, F, P> Adaptive<S, C, O, F, P> {
    pub(super) const fn new(inner: S, shared: StripedArc<Shared<C, O, F, P>>) -> Self {
        Self { inner, shared }
    }
}

impl<S: Clone, C, O, F, P> Clone for Adaptive<S, C, O, F, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone())
    }
}

impl<S, C, O, F, P, Req> Service<Req> for Adaptive<S, C, O, F, P>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    O: Observer,
    F: Share<Req>,
    P: Prioritize<Req>,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, O, F, P>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let shared = &*self.shared;
        let priority = shared.priority.priority(&request);
        match shared.share.admit(&shared.limit, &request, priority) {
            Ok(ticket) => {
                let cut = Cut::of(request.context());
                ResponseFuture::call(ticket, cut, &self.shared, || self.inner.call(request))
            }
            Err(rejected) => {
                shared.tell(priority, rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}
