use std::{
    fmt,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use resilience_core::{CarryContext, Observer, Refusal};
use tower_service::Service;

use super::{Limits, ResponseFuture, future::Queued};
use crate::{rate_limit::settings::Settings, time};

/// The service of [`RateLimitByLayer`](super::RateLimitByLayer).
///
/// If calls may wait, the inner service is readied for each in its future, on a clone, and `poll_ready` is always ready.
///
/// # Clone
///
/// A clone shares the limiters.
pub struct RateLimitBy<S, L, O = ()> {
    inner: S,
    limits: L,
    settings: Settings<O>,
}

impl<S, L, O> RateLimitBy<S, L, O> {
    pub(super) const fn new(inner: S, limits: L, settings: Settings<O>) -> Self {
        Self { inner, limits, settings }
    }
}

impl<S: Clone, L: Clone, O> Clone for RateLimitBy<S, L, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limits.clone(), self.settings.clone())
    }
}

impl<S, L, O, Req> Service<Req> for RateLimitBy<S, L, O>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    L: Limits<Req>,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, O>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.settings.max_wait.is_some() { Poll::Ready(Ok(())) } else { self.inner.poll_ready(cx) }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let now = time::now_of(&request);
        if let Some(max_wait) = self.settings.max_wait {
            return self.queue(request, max_wait, now);
        }
        if let Err(rejected) = self.limits.check(&request, now) {
            self.settings.tell_limited(rejected);
            if self.settings.is_enforced {
                return ResponseFuture::refused(rejected);
            }
        }
        ResponseFuture::call(self.inner.call(request))
    }
}

impl<S: Clone, L, O: Observer> RateLimitBy<S, L, O> {
    /// Has the call wait for its turn.
    fn queue<Req>(&self, mut request: Req, max_wait: Duration, now: Instant) -> ResponseFuture<S, Req, O>
    where
        S: Service<Req>,
        L: Limits<Req>,
        Req: CarryContext,
    {
        let max_wait = settle(&mut request, now).map_or(max_wait, |left| left.min(max_wait));
        let limiter = self.limits.limiter(&request, now);
        match limiter.reserve(self.limits.cost(&request), max_wait, now) {
            Ok(place) => {
                let is_enforced = self.settings.is_enforced;
                let queued = Queued::new(self.inner.clone(), request, self.settings.clone());
                ResponseFuture::queued(queued.at(limiter, place), is_enforced.then_some(now))
            }
            Err(rejected) => {
                self.settings.tell_limited(rejected);
                if self.settings.is_enforced {
                    return ResponseFuture::refused(rejected);
                }
                let queued = Queued::new(self.inner.clone(), request, self.settings.clone());
                ResponseFuture::queued(queued, None)
            }
        }
    }
}

/// Has an attempt limit from further out count from now, and says how much time the call has.
fn settle<Req: CarryContext>(request: &mut Req, now: Instant) -> Option<Duration> {
    if request.context().is_some_and(|context| context.attempt_limit().is_some()) {
        if let Some(context) = request.context_mut() {
            context.settle(now);
        }
    }
    request.context()?.deadline().map(|deadline| deadline.remaining(now))
}

impl<S: fmt::Debug, L: fmt::Debug, O> fmt::Debug for RateLimitBy<S, L, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitBy")
            .field("inner", &self.inner)
            .field("limits", &self.limits)
            .field("settings", &self.settings)
            .finish()
    }
}
