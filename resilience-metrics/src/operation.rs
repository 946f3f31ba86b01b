use std::{
    fmt,
    task::{Context, Poll},
};

use metrics::SharedString;
use resilience_core::{Classify, Outcome, Refusal, striped::StripedArc};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    catalogue,
    red::{Red, ResponseFuture, Series},
    telemetry::Telemetry,
    time,
};

mod name;

use self::name::Names;
pub use self::name::{NameOperation, Unnamed};

/// Counts and times operations by outcome: see [`Telemetry::operation_layer`](crate::Telemetry::operation_layer).
///
/// # Clone
///
/// A clone writes the same metrics.
pub struct OperationLayer<C, N = Unnamed> {
    red: StripedArc<Red<C>>,
    names: Names,
    name: N,
}

impl<C> OperationLayer<C> {
    pub(crate) fn new(telemetry: &Telemetry, classify: C) -> Self {
        let sink = telemetry.sink();
        let names = Names::new(sink);
        let of = |name: Option<&SharedString>, outcome: Outcome| {
            let name = name.map(|name| ("operation", name.clone()));
            let outcome = ("outcome", outcome.as_str().into());
            let labels: Vec<_> = name.into_iter().chain([outcome]).collect();
            Series {
                count: sink.counter(&catalogue::OPERATIONS, &labels),
                duration: sink.histogram(&catalogue::OPERATION_DURATION, &labels),
            }
        };
        let series =
            names.labels().into_iter().flat_map(|name| Outcome::ALL.map(|outcome| of(name, outcome)));
        let red = Red::new(classify, Outcome::ALL.map(|outcome| outcome as u8), series, telemetry);
        Self { red, names, name: Unnamed }
    }

    pub(crate) const fn red(&self) -> &StripedArc<Red<C>> {
        &self.red
    }
}

impl<C, N> OperationLayer<C, N> {
    /// Takes the value of the label `operation` from the request: a name that was declared by
    /// [`Telemetry::operations`](crate::Telemetry::operations), or else `_other`.
    ///
    /// ```
    /// use resilience_core::ErrorsAreFailures;
    /// use resilience_metrics::Telemetry;
    ///
    /// let telemetry = Telemetry::new("payments").operations(["charge", "refund"]);
    /// let layer = telemetry.operation_layer(ErrorsAreFailures).named(|method: &&'static str| *method);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn named<M>(self, name: M) -> OperationLayer<C, M> {
        OperationLayer { red: self.red, names: self.names, name }
    }
}

impl<S, C, N: Clone> Layer<S> for OperationLayer<C, N> {
    type Service = Operation<S, C, N>;

    fn layer(&self, inner: S) -> Self::Service {
        Operation { inner, red: self.red.clone(), names: self.names.clone(), name: self.name.clone() }
    }
}

/// The service of [`OperationLayer`].
pub struct Operation<S, C, N = Unnamed> {
    inner: S,
    red: StripedArc<Red<C>>,
    names: Names,
    name: N,
}

impl<S, C, N, Req> Service<Req> for Operation<S, C, N>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    N: NameOperation<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let first = self.names.place(self.name.name(&request)) * Outcome::ALL.len();
        ResponseFuture::call(&self.red, first, time::now, || self.inner.call(request))
    }
}

impl<C, N: Clone> Clone for OperationLayer<C, N> {
    fn clone(&self) -> Self {
        Self { red: self.red.clone(), names: self.names.clone(), name: self.name.clone() }
    }
}

impl<S: Clone, C, N: Clone> Clone for Operation<S, C, N> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            red: self.red.clone(),
            names: self.names.clone(),
            name: self.name.clone(),
        }
    }
}

impl<C, N> fmt::Debug for OperationLayer<C, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C, N> fmt::Debug for Operation<S, C, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("inner", &self.inner).finish_non_exhaustive()
    }
}
