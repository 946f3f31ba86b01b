use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use resilience_core::{CarryContext, Observer, RateLimiter, Refusal, Rejected};
use tower_service::Service;

use super::{future::ResponseFuture, gate::Gate, settings::Settings};
use crate::time;

/// The service of [`RateLimitLayer`](super::RateLimitLayer).
///
/// # Clone
///
/// A clone shares the limiter. It starts unready and has no place in the queue.
///
/// # Cancellation
///
/// If it is dropped with a place that no call has used, it gives that back, if nobody has come since.
#[derive(Debug)]
pub struct RateLimit<S, O = ()> {
    inner: S,
    gate: Gate<O>,
    ready: Ready,
}

/// What `poll_ready` has found for the next call, where it waits.
#[derive(Clone, Copy, Debug)]
enum Ready {
    /// Nothing yet. A turn that has come is kept.
    No,
    /// The inner service is reserved.
    Inner,
    /// The call will be refused; the inner service was left alone.
    Refused,
}

impl<S, O> RateLimit<S, O> {
    pub(super) const fn new(inner: S, limiter: RateLimiter, settings: Settings<O>) -> Self {
        Self { inner, gate: Gate::new(limiter, settings), ready: Ready::No }
    }
}

impl<S: Clone, O> Clone for RateLimit<S, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: self.gate.another(), ready: Ready::No }
    }
}

impl<S, O: Observer> RateLimit<S, O> {
    /// The answer to a call that need not wait.
    #[inline]
    fn check(&self, request: &impl CarryContext) -> Result<(), Rejected> {
        let Gate { limiter, settings, .. } = &self.gate;
        match limiter.check(1, time::now_of(request)) {
            Ok(_) => Ok(()),
            Err(rejected) => {
                settings.tell_limited(rejected);
                if settings.is_enforced { Err(rejected) } else { Ok(()) }
            }
        }
    }

    /// Waits for the turn of the next call and then for the inner service.
    #[inline(never)]
    fn poll_turn<Req>(&mut self, max_wait: Duration, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        self.ready = Ready::No;
        if ready!(self.gate.poll_turn(max_wait, cx)) {
            ready!(self.inner.poll_ready(cx))?;
            self.ready = Ready::Inner;
        } else {
            self.ready = Ready::Refused;
        }
        Poll::Ready(Ok(()))
    }

    /// The answer to a call that has waited. Out of line: the wait costs more.
    #[inline(never)]
    fn enter(&mut self) -> Result<(), Rejected> {
        let entered = match self.ready {
            Ready::No => Err(Rejected::RateLimited { retry_after: Duration::ZERO }),
            Ready::Inner | Ready::Refused => self.gate.enter(),
        };
        entered.inspect_err(|&rejected| self.gate.settings.tell_limited(rejected))
    }
}

impl<S, O, Req> Service<Req> for RateLimit<S, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Some(max_wait) = self.gate.settings.max_wait {
            return self.poll_turn(max_wait, cx);
        }
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let admitted =
            if self.gate.settings.max_wait.is_none() { self.check(&request) } else { self.enter() };
        match admitted {
            Ok(()) => ResponseFuture::call(self.inner.call(request)),
            Err(rejected) => ResponseFuture::refused(rejected),
        }
    }
}
