use std::time::Duration;

use resilience_core::Observer;
use tower_layer::Layer;

use super::LoadShed;
use crate::observed::Observed;

/// Refuses calls to a service that is not ready.
///
/// ```
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::{LoadShedLayer, ErrorLayer};
/// use std::{convert::Infallible, future::pending};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut service = ServiceBuilder::new()
///     .layer(LoadShedLayer::new())
///     .concurrency_limit(1)
///     .layer(ErrorLayer::new())
///     .service(service_fn(|_: &str| pending::<Result<(), Infallible>>()));
///
/// let first = service.ready().await.unwrap().call("takes for ever");
/// let error = service.ready().await.unwrap().call("comes too late").await.unwrap_err();
/// assert!(matches!(error, Error::Rejected { rejected: Rejected::NotReady { .. }, .. }));
/// # drop(first);
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same grace and the same observer.
#[derive(Debug)]
pub struct LoadShedLayer<O = ()> {
    grace: Duration,
    observer: Observed<O>,
}

impl LoadShedLayer {
    /// Refuses at once what the inner service is not ready for.
    #[must_use]
    pub fn new() -> Self {
        Self { grace: Duration::ZERO, observer: Observed::by_nobody() }
    }
}

impl Default for LoadShedLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> LoadShedLayer<O> {
    /// Waits for so long before it refuses. Default: zero, not at all.
    ///
    /// # Choosing a value
    ///
    /// Zero wherever the inner service is ready or full. A few milliseconds where it is often not ready for a moment, as a
    /// connection that is being made, or a limit whose permits come back quickly. What waits occupies memory, and the time that
    /// it waits is missing from its deadline.
    ///
    /// # Panics
    ///
    /// With a grace, `poll_ready` panics when the inner service is pending outside of a Tokio runtime, or in one without
    /// its time driver.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Tells `observer` of every refusal.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> LoadShedLayer<P> {
        LoadShedLayer { grace: self.grace, observer: Observed::new(observer) }
    }
}

impl<O> Clone for LoadShedLayer<O> {
    fn clone(&self) -> Self {
        Self { grace: self.grace, observer: self.observer.clone() }
    }
}

impl<S, O> Layer<S> for LoadShedLayer<O> {
    type Service = LoadShed<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed::new(inner, self.grace, self.observer.clone())
    }
}
