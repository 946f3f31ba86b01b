use std::{
    fmt,
    task::{Context, Poll},
};

use resilience_core::{CarryContext, Classify, Outcome, Refusal, striped::StripedArc};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    catalogue,
    red::{Red, ResponseFuture, Series},
    telemetry::Telemetry,
    time,
};

const KINDS: [&str; 2] = ["first", "retry"];
const OUTCOMES: [&str; 4] = ["success", "failure", "timeout", "cancelled"];

/// The place in [`OUTCOMES`].
const fn place(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success | Outcome::Fallback => 0,
        Outcome::Timeout => 2,
        Outcome::Cancelled => 3,
        _ => 1,
    }
}

/// The value of the `outcome` label.
pub(crate) fn label(outcome: Outcome) -> &'static str {
    OUTCOMES[usize::from(place(outcome))]
}

/// Counts and times attempts by kind and outcome: see [`Telemetry::attempt_layer`](crate::Telemetry::attempt_layer).
///
/// # Clone
///
/// A clone writes the same metrics.
pub struct AttemptLayer<C> {
    red: StripedArc<Red<C>>,
}

impl<C> AttemptLayer<C> {
    pub(crate) fn new(telemetry: &Telemetry, classify: C) -> Self {
        let sink = telemetry.sink();
        let of = |kind: &'static str, outcome: &'static str| {
            let labels = [("kind", kind.into()), ("outcome", outcome.into())];
            Series {
                count: sink.counter(&catalogue::ATTEMPTS, &labels),
                duration: sink.histogram(&catalogue::ATTEMPT_DURATION, &labels),
            }
        };
        let series = KINDS.into_iter().flat_map(|kind| OUTCOMES.map(|outcome| of(kind, outcome)));
        Self { red: Red::new(classify, Outcome::ALL.map(place), series, telemetry) }
    }
}

impl<S, C> Layer<S> for AttemptLayer<C> {
    type Service = Attempt<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Attempt { inner, red: self.red.clone() }
    }
}

/// The service of [`AttemptLayer`].
pub struct Attempt<S, C> {
    inner: S,
    red: StripedArc<Red<C>>,
}

impl<S, C, Req> Service<Req> for Attempt<S, C>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    Req: CarryContext,
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
        let context = request.context();
        let is_retry = context.is_some_and(|context| context.attempt() > 1);
        let first = usize::from(is_retry) * OUTCOMES.len();
        // Whoever is further out has looked at the clock, and nothing has waited since.
        let now = context.and_then(resilience_core::Context::now);
        let now = || now.unwrap_or_else(time::now);
        ResponseFuture::call(&self.red, first, now, || self.inner.call(request))
    }
}

impl<C> Clone for AttemptLayer<C> {
    fn clone(&self) -> Self {
        Self { red: self.red.clone() }
    }
}

impl<S: Clone, C> Clone for Attempt<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), red: self.red.clone() }
    }
}

impl<C> fmt::Debug for AttemptLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Attempt<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("inner", &self.inner).finish_non_exhaustive()
    }
}
