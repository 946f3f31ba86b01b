use std::{
    task::{Context, Poll},
    time::Duration,
};

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
    ready: Ready,
}

/// What `poll_ready` has found for the next call.
#[derive(Clone, Copy, Debug)]
enum Ready {
    No,
    /// The inner service is reserved.
    Inner,
    /// The breaker refuses; the inner service was left alone.
    Refused(Rejected),
}

impl<S, C, O> CircuitBreaker<S, C, O> {
    pub(super) const fn new(inner: S, shared: StripedArc<Single<C, O>>) -> Self {
        Self { inner, shared, ready: Ready::No }
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
        if let Some(rejected) = self.shared.breaker.refusal(time::now) {
            // What the inner service has reserved for us, if it has, stays reserved.
            if !matches!(self.ready, Ready::Inner) {
                self.ready = Ready::Refused(rejected);
            }
            return Poll::Ready(Ok(()));
        }
        let ready = self.inner.poll_ready(cx);
        self.ready = if matches!(ready, Poll::Ready(Ok(()))) { Ready::Inner } else { Ready::No };
        ready
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let Single { breaker, rules } = &*self.shared;
        let refused = match self.ready {
            Ready::Inner => None,
            Ready::Refused(rejected) => Some(rejected),
            Ready::No => Some(Rejected::CircuitOpen { retry_after: Some(Duration::ZERO) }),
        };
        if let Some(rejected) = refused {
            // Even if the wait is over by now: the inner service was not readied for this call.
            self.ready = Ready::No;
            rules.tell_rejected(rejected);
            return ResponseFuture::refused(rejected);
        }
        let (admitted, transition) = breaker.admit(time::now);
        rules.tell(transition);
        match admitted {
            Ok(ticket) => {
                self.ready = Ready::No;
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
