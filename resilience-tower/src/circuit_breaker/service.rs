use std::task::{Context, Poll};

use resilience_core::{
    CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, Rejected, striped::StripedArc,
};
use tower_service::Service;

use super::{
    future::{Admitted, ResponseFuture},
    shared::{Held, Single},
};
use crate::time;

/// The service of [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// # Clone
///
/// A clone shares the breaker. It starts unready and holds nothing.
#[derive(Debug)]
pub struct CircuitBreaker<S, C = ErrorsAreFailures, O = ()> {
    inner: S,
    shared: StripedArc<Single<C, O>>,
    /// Whether the inner service has been readied for the next call.
    is_inner_ready: bool,
}

impl<S, C, O> CircuitBreaker<S, C, O> {
    pub(super) const fn new(inner: S, shared: StripedArc<Single<C, O>>) -> Self {
        Self { inner, shared, is_inner_ready: false }
    }
}

impl<S: Clone, C, O> Clone for CircuitBreaker<S, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone())
    }
}

impl<S, C, O, Req> Service<Req> for CircuitBreaker<S, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Held<C, O>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.shared.breaker.refusal(time::now).is_some() {
            // `call` will refuse. What the inner service has reserved for us, if it has, stays reserved.
            return Poll::Ready(Ok(()));
        }
        let ready = self.inner.poll_ready(cx);
        self.is_inner_ready = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let Single { breaker, rules } = &*self.shared;
        if !self.is_inner_ready {
            let at_once = Rejected::CircuitOpen { retry_after: Some(std::time::Duration::ZERO) };
            let rejected = breaker.refusal(time::now).unwrap_or(at_once);
            rules.tell_rejected(rejected);
            return ResponseFuture::refused(rejected);
        }
        let (admitted, transition) = breaker.admit(time::now);
        rules.tell(transition);
        match admitted {
            Ok(ticket) => {
                self.is_inner_ready = false;
                Admitted::new(Held::new(&self.shared), ticket, request.context())
                    .call(|| self.inner.call(request))
            }
            Err(rejected) => {
                rules.tell_rejected(rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}
