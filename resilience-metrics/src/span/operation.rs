use std::{
    fmt,
    task::{Context, Poll},
};

use resilience_core::{CarryContext, Classify, Refusal, striped::StripedArc};
use tower_layer::Layer;
use tower_service::Service;
use tracing::level_filters::LevelFilter;

use super::{
    ErrorText, ResponseFuture, SpanLevel,
    attempts::Attempts,
    level::is_filtered_out,
    open::{Of, Open, Shared},
};

/// Puts a span around each operation: see [`Spans`](super::Spans).
///
/// # Clone
///
/// A clone makes the same spans.
pub struct OperationSpanLayer<C, T = ()> {
    level: SpanLevel,
    filter: LevelFilter,
    of: Of,
    shared: StripedArc<Shared<C, T, ()>>,
}

impl<C, T> OperationSpanLayer<C, T> {
    pub(super) fn new(level: SpanLevel, counted: bool, shared: Shared<C, T, ()>) -> Self {
        Self { level, filter: level.filter(), of: Of::Operation { counted }, shared: StripedArc::new(shared) }
    }
}

impl<S, C, T> Layer<S> for OperationSpanLayer<C, T> {
    type Service = OperationSpan<S, C, T>;

    fn layer(&self, inner: S) -> Self::Service {
        OperationSpan { inner, layer: self.clone() }
    }
}

/// The service of [`OperationSpanLayer`].
pub struct OperationSpan<S, C, T = ()> {
    inner: S,
    layer: OperationSpanLayer<C, T>,
}

impl<S, C, T, Req> Service<Req> for OperationSpan<S, C, T>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    T: ErrorText<S::Error>,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        if is_filtered_out(self.layer.filter) {
            return ResponseFuture::plain(self.inner.call(request));
        }
        match self.layer.open(&mut request) {
            Some(open) => ResponseFuture::call(open, |()| self.inner.call(request)),
            None => ResponseFuture::plain(self.inner.call(request)),
        }
    }
}

impl<C, T> OperationSpanLayer<C, T> {
    #[inline(never)]
    fn open<Req: CarryContext>(&self, request: &mut Req) -> Option<Open<C, T, ()>> {
        let span = self.level.operation(&self.shared.pipeline)?;
        Some(Open::new(span, self.of, Attempts::follow(request), self.shared.lease()))
    }
}

impl<C, T> Clone for OperationSpanLayer<C, T> {
    fn clone(&self) -> Self {
        Self { level: self.level, filter: self.filter, of: self.of, shared: self.shared.clone() }
    }
}

impl<S: Clone, C, T> Clone for OperationSpan<S, C, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<C, T> fmt::Debug for OperationSpanLayer<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationSpanLayer").field("level", &self.level).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C, T> fmt::Debug for OperationSpan<S, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationSpan").field("inner", &self.inner).finish_non_exhaustive()
    }
}
