use std::task::{Context, Poll};

use resilience_core::Call;
use tower_layer::{Identity, Layer};
use tower_service::Service;

use super::carried::{Carried, Routed};
use crate::{
    Bulkhead, PerKey, RateLimit, Retry, Timeout, Transport,
    call::inherited,
    per_key::{ByKey, Find, OperationSettings},
    stack::Optional,
    time,
};

/// The parts of a client's stack, by name.
pub type Parts<S, C, O, At, W = Identity> = Timeout<Limited<Retried<S, C, O, At, W>, O>, O>;
/// With a bulkhead and a rate limit, or without.
type Limited<S, O> = Optional<Bulkhead<Rated<S, O>, O>, Rated<S, O>>;
type Rated<S, O> = Optional<RateLimit<S, O>, S>;
/// With what stands around each attempt.
type Retried<S, C, O, At, W> = Retry<Guarded<S, C, O, At, W>, C, Carried, O>;
type Guarded<S, C, O, At, W> = PerKey<<At as Layer<Written<S, O, W>>>::Service, Carried, C, O>;
type Written<S, O, W> = <W as Layer<Attempt<S, O>>>::Service;
/// What the attempt slot stands around, but for what writes to the wire.
pub(super) type Attempt<S, O> = Timeout<Transport<S>, O>;

/// The outermost part of a [`ClientLayer`](super::ClientLayer): it finds the destination's policies and gives the call its context.
///
/// # Clone
///
/// A clone shares all state. It starts unready and holds nothing.
#[derive(Debug)]
pub struct Client<S, K, Q> {
    inner: S,
    find: ByKey<K, Q>,
}

impl<S, K, Q> Client<S, K, Q> {
    pub(super) const fn new(inner: S, find: ByKey<K, Q>) -> Self {
        Self { inner, find }
    }
}

impl<S: Clone, K, Q: Clone> Clone for Client<S, K, Q> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.find.clone())
    }
}

impl<S, K, Q, R> Service<Call<R>> for Client<S, K, Q>
where
    ByKey<K, Q>: Find<Call<R>, Request = Call<R>>,
    S: Service<Routed<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, call: Call<R>) -> Self::Future {
        let now = time::now();
        let (to, mut call) = self.find.find(call, now);
        let OperationSettings { total_timeout, attempt_timeout, .. } = to.operation;
        call.context_mut().limit_by_default(total_timeout, attempt_timeout);
        if let Some(deadline) = inherited() {
            call.context_mut().tighten(deadline);
        }
        // All up to the attempt are reached at once, or say that they waited.
        call.context_mut().set_now(Some(now));
        self.inner.call(Routed { call, to })
    }
}
