use std::time::Duration;

use resilience_core::Observer;
use tower_layer::Layer;

use super::{ServerLayer, handle::Limits, service::Guarded};
use crate::{
    AdaptiveLayer, BulkheadLayer, TimeoutLayer, TransportLayer,
    call::HandOnLayer,
    drain::{DrainLayer, UntilBodyEnd},
    http::deadline::ReadDeadlineLayer,
    rate_limit::RateLimitByLayer,
    stack::optional::OptionalLayer,
};

/// The layers of a stack, made once: `axum` asks for services per route and connection.
pub(super) struct Policies<F, L, C, O> {
    drain: DrainLayer<O, UntilBodyEnd>,
    adaptive: OptionalLayer<AdaptiveLayer<C, O, F>>,
    rate_limit: OptionalLayer<RateLimitByLayer<L, O>>,
    read: ReadDeadlineLayer<O>,
    bulkhead: OptionalLayer<BulkheadLayer<O>>,
    total: TimeoutLayer<O>,
}

impl<F: Clone, L: Clone, C: Clone, O: Observer + Clone> Policies<F, L, C, O> {
    pub(super) fn new<Op, R>(stack: &ServerLayer<F, L, C, O, Op, R>) -> Self {
        /// What the stack says itself for each request is in its context.
        const ELSEWHERE: Duration = Duration::MAX;
        let observer = || stack.observer.clone();
        let Limits { drain, adaptive, bulkhead, .. } = &*stack.handle.limits;
        let adaptive = adaptive.clone().map(|limit| {
            AdaptiveLayer::with_limit(limit)
                .classify(stack.classify.clone())
                .with_observer(observer())
                .with_share(stack.share.clone())
        });
        let rate_limit = stack.limits.clone().map(RateLimitByLayer::with_limits);
        let bulkhead = bulkhead.clone().map(BulkheadLayer::with_bulkhead);
        Self {
            drain: drain.clone().with_observer(observer()).until_body_end(),
            adaptive: OptionalLayer(adaptive),
            rate_limit: OptionalLayer(rate_limit.map(|layer| layer.with_observer(observer()))),
            read: ReadDeadlineLayer::new()
                .header(stack.header.clone())
                .max(stack.handle.settings().max_deadline)
                .with_observer(observer()),
            bulkhead: OptionalLayer(bulkhead.map(|layer| layer.with_observer(observer()))),
            total: TimeoutLayer::total(ELSEWHERE).with_observer(observer()),
        }
    }
}

impl<S, F, L: Clone, C, O: Clone> Layer<S> for Policies<F, L, C, O> {
    type Service = Guarded<S, F, L, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        let inner = HandOnLayer::new().layer(TransportLayer::new().layer(inner));
        let inner = self.bulkhead.layer(self.total.layer(inner));
        let inner = self.rate_limit.layer(self.read.layer(inner));
        self.drain.layer(self.adaptive.layer(inner))
    }
}
