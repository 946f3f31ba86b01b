use std::task::{Context, Poll};

use resilience_core::{
    CarryContext, Classify, ErrorsAreFailures, Event, Observer, Refusal, Rejected, adaptive::Priority,
    circuit_breaker::Transition,
};
use tower_service::Service;

use super::{
    Find,
    future::{Admitted, ResponseFuture},
    tickets::Tickets,
};
use crate::{cut::Cut, observed::Observed, time};

/// The service of [`PerKeyLayer`](super::PerKeyLayer).
///
/// # Clone
///
/// A clone shares the policies.
#[derive(Debug)]
pub struct PerKey<S, F, C = ErrorsAreFailures, O = ()> {
    inner: S,
    find: F,
    classify: C,
    observer: Observed<O>,
}

pub(super) fn tell(observer: Option<&impl Observer>, transition: Option<Transition>) {
    if let (Some(observer), Some(transition)) = (observer, transition) {
        observer.observe(&Event::CircuitBreakerTransition(transition));
    }
}

#[cold]
fn tell_rejected(observer: &Observed<impl Observer>, rejected: Rejected) {
    let event = match rejected {
        Rejected::Throttled { per_mille } => Event::Throttled { per_mille },
        Rejected::CircuitOpen { retry_after } => Event::CircuitBreakerRejected { retry_after },
        Rejected::Overloaded { limit, in_flight } => {
            Event::AdaptiveRejected { priority: Priority::Default, limit, in_flight }
        }
        _ => return,
    };
    observer.tell(&event);
}

impl<S, F, C, O> PerKey<S, F, C, O> {
    pub(super) const fn new(inner: S, find: F, classify: C, observer: Observed<O>) -> Self {
        Self { inner, find, classify, observer }
    }
}

impl<S: Clone, F: Clone, C: Clone, O> Clone for PerKey<S, F, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.find.clone(), self.classify.clone(), self.observer.clone())
    }
}

impl<S, F, C, O, Req> Service<Req> for PerKey<S, F, C, O>
where
    F: Find<Req>,
    Req: CarryContext,
    F::Request: CarryContext,
    S: Service<F::Request>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error> + Clone,
    O: Observer,
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
        let now = time::now_of(&request);
        let (bundle, request) = self.find.find(request, now);
        match Tickets::admit(&bundle, self.observer.get(), now) {
            Ok(tickets) => {
                let cut = Cut::of(request.context());
                let observer = self.observer.lease();
                let admitted = Admitted::new(bundle, tickets, cut, self.classify.clone(), observer);
                ResponseFuture::call(admitted, || self.inner.call(request))
            }
            Err(rejected) => {
                tell_rejected(&self.observer, rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}
