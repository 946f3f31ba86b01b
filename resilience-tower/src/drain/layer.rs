use std::marker::PhantomData;

use resilience_core::Drain as Handle;
use tower_layer::Layer;

use super::{Drain, DrainHandle, UntilAnswer};

/// Counts the calls that run, and refuses further ones while the server drains.
///
/// ```
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::{DrainLayer, ErrorLayer};
/// use std::{convert::Infallible, time::Duration};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = DrainLayer::new();
/// let handle = layer.handle();
/// let mut service = ServiceBuilder::new()
///     .layer(layer)
///     .layer(ErrorLayer::new())
///     .service(service_fn(|n: u32| async move { Ok::<_, Infallible>(n) }));
///
/// let running = service.ready().await.unwrap().call(1);
/// let drained = handle.drain(Duration::from_secs(20));
/// let refused = service.ready().await.unwrap().call(2).await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::Draining { .. }, .. }));
///
/// let (answer, drained) = tokio::join!(running, drained);
/// assert_eq!((answer, drained.left), (Ok(1), 0));
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same drain: every service that the layer and its clones make shares it.
#[derive(Clone, Debug)]
pub struct DrainLayer<O = (), H = UntilAnswer> {
    drain: Handle,
    observer: O,
    hold: PhantomData<fn() -> H>,
}

impl DrainLayer {
    /// A drain of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::with_drain(Handle::new())
    }

    /// A drain that is shared with others, as the routers of several ports of one process, or one that tells callers
    /// [another time](Handle::with_retry_after) to come back.
    #[must_use]
    pub const fn with_drain(drain: Handle) -> Self {
        Self { drain, observer: (), hold: PhantomData }
    }
}

impl Default for DrainLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, H> DrainLayer<O, H> {
    /// What drains it, and waits for the end.
    #[must_use]
    pub fn handle(&self) -> DrainHandle {
        DrainHandle::new(self.drain.clone())
    }

    /// The drain itself: to look at it, to show it in metrics or in a registry.
    #[must_use]
    pub const fn drain(&self) -> &Handle {
        &self.drain
    }

    /// Tells `observer` of refusals. Each service has a clone of it.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> DrainLayer<P, H> {
        DrainLayer { drain: self.drain, observer, hold: PhantomData }
    }

    /// Counts calls as long as `K` says.
    #[cfg(feature = "http")]
    pub(super) fn hold<K>(self) -> DrainLayer<O, K> {
        DrainLayer { drain: self.drain, observer: self.observer, hold: PhantomData }
    }
}

impl<S, O: Clone, H> Layer<S> for DrainLayer<O, H> {
    type Service = Drain<S, O, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Drain::new(inner, self.drain.clone(), self.observer.clone())
    }
}
