use std::marker::PhantomData;

use resilience_core::{Bulkhead as Handle, bulkhead::Config};
use tower_layer::Layer;

use super::{Bulkhead, UntilAnswer};

/// Lets at most so many calls through at a time.
///
/// ```
/// use resilience_core::{Error, Rejected, bulkhead::Config};
/// use resilience_tower::{BulkheadLayer, ErrorLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut service = ServiceBuilder::new()
///     .layer(BulkheadLayer::new(Config::new(1)))
///     .layer(ErrorLayer::new())
///     .service(service_fn(|n: u32| async move { Ok::<_, &str>(n) }));
///
/// let running = service.ready().await.unwrap().call(1);
/// let refused = service.ready().await.unwrap().call(2).await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::BulkheadFull { limit: 1, .. }, .. }));
/// assert_eq!(running.await, Ok(1));
/// assert_eq!(service.ready().await.unwrap().call(3).await, Ok(3));
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same bulkhead: every service that the layer and its clones make shares it.
#[derive(Clone, Debug)]
pub struct BulkheadLayer<O = (), H = UntilAnswer> {
    bulkhead: Handle,
    observer: O,
    hold: PhantomData<fn() -> H>,
}

impl BulkheadLayer {
    /// A bulkhead of its own with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_bulkhead(Handle::new(config))
    }

    /// A bulkhead that is shared with others.
    #[must_use]
    pub const fn with_bulkhead(bulkhead: Handle) -> Self {
        Self { bulkhead, observer: (), hold: PhantomData }
    }
}

impl<O, H> BulkheadLayer<O, H> {
    /// The bulkhead: to look at it, to resize it.
    #[must_use]
    pub const fn bulkhead(&self) -> &Handle {
        &self.bulkhead
    }

    /// Tells `observer` of refusals and of waits. Each service has a clone of it.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> BulkheadLayer<P, H> {
        BulkheadLayer { bulkhead: self.bulkhead, observer, hold: PhantomData }
    }

    /// Holds permits as long as `K` says.
    #[cfg(feature = "http")]
    pub(crate) fn hold<K>(self) -> BulkheadLayer<O, K> {
        BulkheadLayer { bulkhead: self.bulkhead, observer: self.observer, hold: PhantomData }
    }
}

impl<S, O: Clone, H> Layer<S> for BulkheadLayer<O, H> {
    type Service = Bulkhead<S, O, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, self.bulkhead.clone(), self.observer.clone())
    }
}
