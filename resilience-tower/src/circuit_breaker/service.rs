use std::task::{Context, Poll};

use resilience_core::{
    CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, Rejected, circuit_breaker::Ticket,
    striped::StripedArc,
};
use tower_service::Service;

use super::{
    future::ResponseFuture,
    shared::{Refused, Shared},
};
use crate::{cut::Cut, time};

/// The service of [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// # Clone
///
/// A clone shares the breaker. It starts unready and holds nothing.
#[derive(Debug)]
pub struct CircuitBreaker<S, C = ErrorsAreFailures, O = ()> {
    inner: S,
    shared: StripedArc<Shared<C, O>>,
    ready: Ready,
}

/// What `poll_ready` has found for the next call.
#[derive(Clone, Copy, Debug)]
enum Ready {
    No,
    /// The inner service is reserved.
    Inner,
    /// The breaker refuses; the inner service was left alone.
    Refused(Refused),
}

impl<S, C, O> CircuitBreaker<S, C, O> {
    pub(super) const fn new(inner: S, shared: StripedArc<Shared<C, O>>) -> Self {
        Self { inner, shared, ready: Ready::No }
    }
}

impl<S, C, O: Observer> CircuitBreaker<S, C, O> {
    /// Asks the breaker; the observer hears of the transition that this causes.
    #[inline]
    fn admit(&self) -> Result<Ticket, Rejected> {
        let shared = &*self.shared;
        if let Some(ticket) = shared.breaker.admit_closed(time::now) {
            return Ok(ticket);
        }
        let (admitted, transition) = shared.breaker.admit(time::now);
        shared.tell(transition);
        admitted
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
    type Future = ResponseFuture<S::Future, C, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let shared = &*self.shared;
        // Before waiting for the inner service: a hung probe may be what it waits for.
        shared.tell(shared.breaker.fail_hung_probe(time::now));
        if let Some(rejected) = shared.breaker.refusal(time::now) {
            // What the inner service has reserved for us, if it has, stays reserved.
            if !matches!(self.ready, Ready::Inner) {
                self.ready = Ready::Refused(Refused::new(rejected));
            }
            return Poll::Ready(Ok(()));
        }
        let ready = self.inner.poll_ready(cx);
        self.ready = if matches!(ready, Poll::Ready(Ok(()))) { Ready::Inner } else { Ready::No };
        ready
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let refused = match self.ready {
            Ready::Inner => match self.admit() {
                Ok(ticket) => {
                    self.ready = Ready::No;
                    let cut = Cut::of(request.context());
                    return ResponseFuture::call(ticket, cut, &self.shared, || self.inner.call(request));
                }
                // The inner service stays reserved for the next call through this instance.
                Err(rejected) => Refused::new(rejected),
            },
            // Even if the wait is over by now: the inner service was not readied for this call.
            Ready::Refused(refused) => {
                self.ready = Ready::No;
                refused
            }
            Ready::No => Refused::AT_ONCE,
        };
        self.shared.tell_rejected(refused);
        ResponseFuture::refused(refused)
    }
}
