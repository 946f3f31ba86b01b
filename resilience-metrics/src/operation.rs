use std::{
    fmt,
    task::{Context, Poll},
};

use metrics::{Label, SharedString};
use resilience_core::{Classify, Outcome, Refusal, striped::StripedArc};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    names,
    red::{Red, ResponseFuture},
};

/// Counts and times operations by outcome: see [`Telemetry::operation_layer`](crate::Telemetry::operation_layer).
///
/// # Clone
///
/// A clone writes the same metrics.
pub struct OperationLayer<C> {
    red: StripedArc<Red<C>>,
}

impl<C> OperationLayer<C> {
    pub(crate) fn new(pipeline: &SharedString, classify: C) -> Self {
        let labels = Outcome::ALL.into_iter().map(|outcome| {
            vec![
                Label::new("pipeline", pipeline.clone()),
                Label::from_static_parts("outcome", outcome.as_str()),
            ]
        });
        let place = |outcome| outcome as usize;
        let red = Red::new(classify, names::OPERATIONS, names::OPERATION_DURATION, place, labels);
        Self { red: StripedArc::new(red) }
    }
}

impl<S, C> Layer<S> for OperationLayer<C> {
    type Service = Operation<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Operation { inner, red: self.red.clone() }
    }
}

/// The service of [`OperationLayer`].
pub struct Operation<S, C> {
    inner: S,
    red: StripedArc<Red<C>>,
}

impl<S, C, Req> Service<Req> for Operation<S, C>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::call(&self.red, 0, || self.inner.call(request))
    }
}

impl<C> Clone for OperationLayer<C> {
    fn clone(&self) -> Self {
        Self { red: self.red.clone() }
    }
}

impl<S: Clone, C> Clone for Operation<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), red: self.red.clone() }
    }
}

impl<C> fmt::Debug for OperationLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Operation<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("inner", &self.inner).finish_non_exhaustive()
    }
}
