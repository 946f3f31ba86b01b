use std::task::{Context, Poll};

use resilience_core::{
    CarryContext, Classify, ErrorsAreFailures, Event, Observer, Refusal, Rejected,
    circuit_breaker::Transition, striped::StripedArc,
};
use tower_service::Service;

use super::{
    Find,
    future::{ResponseFuture, Tickets},
};
use crate::{cut::Cut, time};

/// The service of [`PerKeyLayer`](super::PerKeyLayer).
///
/// # Clone
///
/// A clone shares the policies.
#[derive(Debug)]
pub struct PerKey<S, F, C = ErrorsAreFailures, O = ()> {
    inner: S,
    find: F,
    rules: StripedArc<Rules<C, O>>,
}

/// How answers are judged, and who is told.
#[derive(Debug)]
pub(super) struct Rules<C, O> {
    pub(super) classify: C,
    pub(super) observer: O,
}

impl<C, O: Observer> Rules<C, O> {
    #[inline]
    pub(super) fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.observer.observe(&Event::CircuitBreakerTransition(transition));
        }
    }

    #[cold]
    fn tell_rejected(&self, rejected: Rejected) {
        use resilience_core::adaptive::Priority;
        let event = match rejected {
            Rejected::Throttled { per_mille } => Event::Throttled { per_mille },
            Rejected::CircuitOpen { retry_after } => Event::CircuitBreakerRejected { retry_after },
            Rejected::Overloaded { limit, in_flight } => {
                Event::AdaptiveRejected { priority: Priority::Default, limit, in_flight }
            }
            _ => return,
        };
        self.observer.observe(&event);
    }
}

impl<S, F, C, O> PerKey<S, F, C, O> {
    pub(super) const fn new(inner: S, find: F, rules: StripedArc<Rules<C, O>>) -> Self {
        Self { inner, find, rules }
    }
}

impl<S: Clone, F: Clone, C, O> Clone for PerKey<S, F, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.find.clone(), self.rules.clone())
    }
}

impl<S, F, C, O, Req> Service<Req> for PerKey<S, F, C, O>
where
    F: Find<Req>,
    F::Request: CarryContext,
    S: Service<F::Request>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
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
        let now = time::now();
        let (bundle, request) = self.find.find(request, now);
        match Tickets::admit(&bundle, &self.rules, now) {
            Ok(tickets) => {
                let cut = Cut::of(request.context());
                ResponseFuture::call(tickets, bundle, &self.rules, cut, || self.inner.call(request))
            }
            Err(rejected) => {
                self.rules.tell_rejected(rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}
