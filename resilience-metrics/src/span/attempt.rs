use std::{
    fmt,
    task::{Context, Poll},
};

use resilience_core::{CarryContext, Classify, Refusal, context, retry::Trail, striped::StripedArc};
use tower_layer::Layer;
use tower_service::Service;
use tracing::level_filters::LevelFilter;

use super::{
    ErrorText, OnAttempt, ResponseFuture, SpanLevel,
    attempts::Attempts,
    level::is_filtered_out,
    open::{Of, Open, Shared},
};

/// Puts a span around each attempt, inside of that of its operation: see [`Spans`](super::Spans).
///
/// # Clone
///
/// A clone makes the same spans.
pub struct AttemptSpanLayer<C, T = (), H = ()> {
    level: SpanLevel,
    filter: LevelFilter,
    shared: StripedArc<Shared<C, T, H>>,
}

impl<C, T, H> AttemptSpanLayer<C, T, H> {
    pub(super) fn new(level: SpanLevel, shared: Shared<C, T, H>) -> Self {
        Self { level, filter: level.filter(), shared: StripedArc::new(shared) }
    }
}

impl<S, C, T, H> Layer<S> for AttemptSpanLayer<C, T, H> {
    type Service = AttemptSpan<S, C, T, H>;

    fn layer(&self, inner: S) -> Self::Service {
        AttemptSpan { inner, layer: self.clone() }
    }
}

/// The service of [`AttemptSpanLayer`].
pub struct AttemptSpan<S, C, T = (), H = ()> {
    inner: S,
    layer: AttemptSpanLayer<C, T, H>,
}

impl<S, C, T, H, Req> Service<Req> for AttemptSpan<S, C, T, H>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    T: ErrorText<S::Error>,
    H: OnAttempt<Req>,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, T, H>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let context = request.context();
        // There is one where the operation is traced.
        let trail = context.and_then(context::Context::trail);
        if trail.is_none() && is_filtered_out(self.layer.filter) {
            self.layer.shared.hook.on_attempt(&mut request);
            return ResponseFuture::plain(self.inner.call(request));
        }
        match self.layer.open(context) {
            Some(open) => ResponseFuture::call(open, |hook| {
                hook.on_attempt(&mut request);
                self.inner.call(request)
            }),
            None => {
                self.layer.shared.hook.on_attempt(&mut request);
                ResponseFuture::plain(self.inner.call(request))
            }
        }
    }
}

impl<C, T, H> AttemptSpanLayer<C, T, H> {
    /// The span of an attempt, which also counts where nobody takes it.
    #[inline(never)]
    fn open(&self, context: Option<&context::Context>) -> Option<Open<C, T, H>> {
        let trail = context.and_then(context::Context::trail);
        let attempts = trail.and_then(Trail::note::<Attempts>);
        let previous = attempts.and_then(Attempts::begin);
        let span = self.level.attempt(context.map_or(1, context::Context::attempt))?;
        if let Some(previous) = previous {
            span.follows_from(&previous);
        }
        Some(Open::new(span, Of::Attempt, trail.cloned(), self.shared.lease()))
    }
}

impl<C, T, H> Clone for AttemptSpanLayer<C, T, H> {
    fn clone(&self) -> Self {
        Self { level: self.level, filter: self.filter, shared: self.shared.clone() }
    }
}

impl<S: Clone, C, T, H> Clone for AttemptSpan<S, C, T, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<C, T, H> fmt::Debug for AttemptSpanLayer<C, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptSpanLayer").field("level", &self.level).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C, T, H> fmt::Debug for AttemptSpan<S, C, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptSpan").field("inner", &self.inner).finish_non_exhaustive()
    }
}
