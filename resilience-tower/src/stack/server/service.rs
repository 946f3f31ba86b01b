use std::{
    sync::Arc,
    task::{Context, Poll},
};

use resilience_core::Call;
use tower_service::Service;

use super::handle::Limits;
use crate::{
    Adaptive, Bulkhead, Timeout, Transport,
    call::HandOn,
    drain::{Drain, UntilBodyEnd},
    http::deadline::ReadDeadline,
    rate_limit::RateLimitBy,
    stack::{IntoCall, Optional},
    time,
};

/// The parts of a server's stack inside the operation slot, by name.
pub type Parts<S, F, L, C, O> = Enter<Guarded<S, F, L, C, O>>;
pub(super) type Guarded<S, F, L, C, O> = Drain<Limited<Rated<Timed<S, O>, L, O>, F, C, O>, O, UntilBodyEnd>;
/// Under an adaptive limit, or without.
type Limited<S, F, C, O> = Optional<Adaptive<S, C, O, F>, S>;
type Rated<S, L, O> = Optional<RateLimitBy<S, L, O>, S>;
type Timed<S, O> = ReadDeadline<Held<Timeout<HandOn<Transport<S>>, O>, O>, O>;
type Held<S, O> = Optional<Bulkhead<S, O>, S>;

/// The outermost part of a [`ServerLayer`](super::ServerLayer) inside the operation slot: it gives the request its context.
#[derive(Clone, Debug)]
pub struct Enter<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S> Enter<S> {
    pub(super) const fn new(inner: S, limits: Arc<Limits>) -> Self {
        Self { inner, limits }
    }
}

impl<S, Req> Service<Req> for Enter<S>
where
    Req: IntoCall,
    S: Service<Call<Req>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let mut call = request.into_call();
        let context = call.context_mut();
        context.limit_by_default(self.limits.total_timeout(), None);
        // All up to the handler are reached at once, or say that they waited.
        context.set_now(Some(time::now()));
        self.inner.call(call)
    }
}
