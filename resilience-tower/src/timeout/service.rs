use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use resilience_core::{CarryContext, Deadline, Observer, Refusal, striped::Lease};
use tower_service::Service;

use super::{
    future::{Limit, ResponseFuture},
    layer::Scope,
};
use crate::{observed::Observed, time};

/// The service of [`TimeoutLayer`](super::TimeoutLayer).
#[derive(Debug)]
pub struct Timeout<S, O = ()> {
    inner: S,
    scope: Scope,
    limit: Duration,
    observer: Observed<O>,
}

impl<S, O> Timeout<S, O> {
    pub(super) const fn new(inner: S, scope: Scope, limit: Duration, observer: Observed<O>) -> Self {
        Self { inner, scope, limit, observer }
    }
}

impl<S: Clone, O> Clone for Timeout<S, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.scope, self.limit, self.observer.clone())
    }
}

impl<S, O: Observer> Timeout<S, O> {
    /// The observer for one call, if it listens.
    #[inline]
    fn observer(&self) -> Option<Lease<O>> {
        self.observer.lease()
    }
}

impl<S, O, Req> Service<Req> for Timeout<S, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let limit = match self.scope {
            Scope::Attempt => limit_attempt(self.limit, &mut request),
            Scope::Total => {
                let now = time::now_of(&request);
                let deadline = limit_total(self.limit, &mut request, now);
                if deadline.is_over(now) {
                    return ResponseFuture::refused(deadline, now, self.observer());
                }
                Limit::Until { end: deadline, scope: Scope::Total, is_own: true }
            }
        };
        ResponseFuture::new(self.inner.call(request), limit, self.observer())
    }
}

/// The limit of this attempt. What is inside may know of it; no clock is read yet.
#[inline]
fn limit_attempt<Req: CarryContext>(limit: Duration, request: &mut Req) -> Limit {
    let Some(context) = request.context_mut() else {
        return Limit::Attempt { limit, deadline: None };
    };
    let limit = context.attempt_timeout().unwrap_or(limit);
    context.limit_attempt(limit);
    Limit::Attempt { limit, deadline: context.deadline() }
}

/// The deadline of this operation, which is brought nearer for all that is inside.
#[inline]
fn limit_total<Req: CarryContext>(limit: Duration, request: &mut Req, now: Instant) -> Deadline {
    let Some(context) = request.context_mut() else {
        return Deadline::after(now, limit);
    };
    let own = Deadline::after(now, context.total_timeout().unwrap_or(limit));
    context.tighten(own);
    context.deadline().unwrap_or(own)
}
