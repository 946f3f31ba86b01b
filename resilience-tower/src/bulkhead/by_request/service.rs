use std::{
    fmt,
    task::{Context, Poll},
};

use resilience_core::{
    CarryContext, Observer, Refusal,
    bulkhead::{Acquired, Permit},
};
use tower_service::Service;

use super::{BulkheadByRequestLayer, Choose, future::ByRequestFuture};
use crate::{
    bulkhead::{Hold, UntilAnswer, future::Waiting},
    time,
};

/// The service of [`BulkheadByRequestLayer`].
///
/// It is always ready: the inner service is asked when the call has its permit.
pub struct BulkheadByRequest<S, Q, O = (), H = UntilAnswer> {
    inner: S,
    layer: BulkheadByRequestLayer<Q, O, H>,
}

impl<S, Q, O, H> BulkheadByRequest<S, Q, O, H> {
    pub(super) const fn new(inner: S, layer: BulkheadByRequestLayer<Q, O, H>) -> Self {
        Self { inner, layer }
    }
}

impl<S: Clone, Q, O: Clone, H> Clone for BulkheadByRequest<S, Q, O, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, Q, O, H, Req> Service<Req> for BulkheadByRequest<S, Q, O, H>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    Q: Choose<Req>,
    O: Observer + Clone,
    H: Hold<S::Response, Permit>,
    Req: CarryContext,
{
    type Response = H::Response;
    type Error = S::Error;
    type Future = ByRequestFuture<S, Req, O, H>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (bulkhead, weight) = self.layer.choose.choose(&request);
        let (inner, observer) = (self.inner.clone(), self.layer.observer.clone());
        match bulkhead.acquire(weight, time::now) {
            Ok(Acquired::Now(permit)) => ByRequestFuture::readying(inner, request, permit, observer),
            Ok(Acquired::Later(waiter)) => {
                let deadline = request.context().and_then(resilience_core::Context::deadline);
                let waiting = Waiting::new(waiter, bulkhead.max_wait(), deadline);
                ByRequestFuture::waiting(waiting, inner, request, observer)
            }
            Err(rejected) => ByRequestFuture::refused(rejected, observer),
        }
    }
}

impl<S: fmt::Debug, Q: fmt::Debug, O, H> fmt::Debug for BulkheadByRequest<S, Q, O, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadByRequest").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
