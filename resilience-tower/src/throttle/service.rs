use std::task::{Context, Poll};

use resilience_core::{CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, striped::StripedArc};
use tower_service::Service;

use super::{future::ResponseFuture, shared::Shared};
use crate::{cut::Cut, time};

/// The service of [`ThrottleLayer`](super::ThrottleLayer).
///
/// # Clone
///
/// A clone shares the throttle.
#[derive(Debug)]
pub struct Throttle<S, C = ErrorsAreFailures, O = ()> {
    inner: S,
    shared: StripedArc<Shared<C, O>>,
}

impl<S, C, O> Throttle<S, C, O> {
    pub(super) const fn new(inner: S, shared: StripedArc<Shared<C, O>>) -> Self {
        Self { inner, shared }
    }
}

impl<S: Clone, C, O> Clone for Throttle<S, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone())
    }
}

impl<S, C, O, Req> Service<Req> for Throttle<S, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        match self.shared.throttle.admit(time::now) {
            Ok(ticket) => {
                let cut = Cut::of(request.context());
                ResponseFuture::call(ticket, cut, &self.shared, || self.inner.call(request))
            }
            Err(rejected) => {
                self.shared.tell(&rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}
