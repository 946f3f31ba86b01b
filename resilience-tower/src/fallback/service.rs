use std::task::{Context, Poll};

use resilience_core::{Classify, ErrorsAreFailures, Observer, Refusal};
use tower_service::Service;

use super::{StandIn, future::ResponseFuture, rules::Rules};
use crate::observed::Observed;

/// The service of [`FallbackLayer`](super::FallbackLayer).
///
/// # Clone
///
/// A clone shares the value or the fallback service, and the observer. It starts unready and holds nothing.
#[derive(Debug)]
pub struct Fallback<S, A, C = ErrorsAreFailures, O = ()> {
    inner: S,
    stand_in: A,
    rules: Rules<C>,
    observer: Observed<O>,
}

impl<S, A, C, O> Fallback<S, A, C, O> {
    pub(super) const fn new(inner: S, stand_in: A, rules: Rules<C>, observer: Observed<O>) -> Self {
        Self { inner, stand_in, rules, observer }
    }
}

impl<S: Clone, A: Clone, C: Clone, O> Clone for Fallback<S, A, C, O> {
    fn clone(&self) -> Self {
        let Self { inner, stand_in, rules, observer } = self;
        Self::new(inner.clone(), stand_in.clone(), rules.clone(), observer.clone())
    }
}

impl<S, A, C, O, Req> Service<Req> for Fallback<S, A, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    A: StandIn<Req, S::Response, S::Error>,
    C: Classify<S::Response, S::Error> + Clone,
    O: Observer,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, A, C, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let prepared = self.stand_in.prepare(&request);
        let inner = self.inner.call(request);
        let observer = self.observer.lease();
        ResponseFuture::new(inner, prepared, self.rules.clone(), observer)
    }
}
