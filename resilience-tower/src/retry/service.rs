use std::task::{Context, Poll};

use resilience_core::{
    CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, RetryPolicy, retry::RetryBudget,
    striped::StripedArc,
};
use tower_service::Service;

use super::{
    Budgets, Replay,
    account::{Account, Backing},
    future::{ResponseFuture, trail},
};

/// The service of [`RetryLayer`](super::RetryLayer).
///
/// The first attempt goes to the instance that was readied. For further ones it clones the inner service, if the request can be sent
/// again at all.
///
/// # Clone
///
/// A clone shares the budget and the observer.
#[derive(Debug)]
pub struct Retry<S, C = ErrorsAreFailures, B = Option<RetryBudget>, O = ()> {
    inner: S,
    policy: RetryPolicy,
    classify: C,
    backing: StripedArc<Backing<B, O>>,
}

impl<S, C, B, O> Retry<S, C, B, O> {
    pub(super) const fn new(
        inner: S,
        policy: RetryPolicy,
        classify: C,
        backing: StripedArc<Backing<B, O>>,
    ) -> Self {
        Self { inner, policy, classify, backing }
    }
}

impl<S: Clone, C: Clone, B, O> Clone for Retry<S, C, B, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.policy, self.classify.clone(), self.backing.clone())
    }
}

impl<S, C, B, O, Req> Service<Req> for Retry<S, C, B, O>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error> + Clone,
    B: Budgets<Req>,
    O: Observer,
    Req: Replay + CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, C, B, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let held = self.backing.budgets.hold(&request);
        let policy = *self.backing.budgets.policy(&held).unwrap_or(&self.policy);
        if let Some(trail) = trail(&request) {
            trail.set_attempt(1);
        }
        let copy = if policy.retries() { request.try_clone() } else { None };
        let (service, trail) = match copy {
            Some(_) => (Some(self.inner.clone()), None),
            None => (None, trail(&request).cloned()),
        };
        let attempt = self.inner.call(request);
        // Only now: a panic in `call` has nothing to undo.
        let account = Account::open(&self.backing, held);
        ResponseFuture::new(attempt, (service, copy), trail, policy, self.classify.clone(), account)
    }
}
