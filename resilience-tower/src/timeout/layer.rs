use std::time::Duration;

use resilience_core::Observer;
use tower_layer::Layer;

use super::Timeout;
use crate::observed::Observed;

/// Limits the time of an attempt or of a whole operation.
///
/// ```
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::{CallLayer, TimeoutLayer, TransportLayer};
/// use std::{convert::Infallible, future::pending, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(5)))
///     // retries would go here
///     .layer(TimeoutLayer::attempt(Duration::from_millis(10)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|_: &str| pending::<Result<(), Infallible>>()));
///
/// let error = service.oneshot("ping").await.unwrap_err();
/// assert!(matches!(error, Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. }));
/// # }
/// ```
///
/// # Choosing a value
///
/// An attempt: somewhat above the 99.9th percentile of the dependency's latency when it is well. The total: what the
/// caller of the operation can wait for; with retries, several attempts and the pauses between them.
///
/// # Clone
///
/// A clone has the same limit and the same observer.
#[derive(Debug)]
pub struct TimeoutLayer<O = ()> {
    scope: Scope,
    limit: Duration,
    observer: Observed<O>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Attempt,
    Total,
}

impl TimeoutLayer {
    /// Gives each attempt `limit`, counted from when it is first found pending.
    ///
    /// A request may bring a limit of its own: [`Context::with_attempt_timeout`](resilience_core::Context::with_attempt_timeout).
    ///
    /// An attempt whose deadline is over already is not refused: it is cut when it is first found pending.
    ///
    /// # Panics
    ///
    /// If `limit` is zero. The response future panics when a call is pending outside of a Tokio runtime, or in one without
    /// its time driver.
    #[must_use]
    #[track_caller]
    pub fn attempt(limit: Duration) -> Self {
        Self::new(Scope::Attempt, limit)
    }

    /// Gives the whole operation `limit`, counted from the call, and tells the layers inside through the context.
    ///
    /// A deadline that the request already carries binds if it is earlier; if it is over, the call is refused and the
    /// inner service is not called. A request may bring a limit of its own:
    /// [`Context::with_total_timeout`](resilience_core::Context::with_total_timeout).
    ///
    /// # Panics
    ///
    /// If `limit` is zero. The response future panics when a call is pending outside of a Tokio runtime, or in one without
    /// its time driver.
    #[must_use]
    #[track_caller]
    pub fn total(limit: Duration) -> Self {
        Self::new(Scope::Total, limit)
    }

    #[track_caller]
    fn new(scope: Scope, limit: Duration) -> Self {
        assert!(!limit.is_zero(), "the limit of a timeout is zero, it must be longer");
        Self { scope, limit, observer: Observed::by_nobody() }
    }
}

impl<O> TimeoutLayer<O> {
    /// Tells `observer` of each timeout that this layer makes.
    ///
    /// A deadline is usually noticed by the innermost timeout, which has a timer for it too: give all timeouts of a stack an
    /// observer.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> TimeoutLayer<P> {
        TimeoutLayer { scope: self.scope, limit: self.limit, observer: Observed::new(observer) }
    }
}

impl<O> Clone for TimeoutLayer<O> {
    fn clone(&self) -> Self {
        Self { scope: self.scope, limit: self.limit, observer: self.observer.clone() }
    }
}

impl<S, O> Layer<S> for TimeoutLayer<O> {
    type Service = Timeout<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.scope, self.limit, self.observer.clone())
    }
}
