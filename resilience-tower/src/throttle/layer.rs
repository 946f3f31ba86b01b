use resilience_core::{ErrorsAreFailures, Throttle as Handle, striped::StripedArc, throttle::Config};
use tower_layer::Layer;

use super::{Throttle, shared::Shared};
use crate::time;

/// Puts an adaptive throttle around a service.
///
/// ```
/// use resilience_core::{Error, Rejected, throttle::Config};
/// use resilience_tower::{CallLayer, ThrottleLayer, TransportLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let throttle = ThrottleLayer::new(Config::new());
/// let handle = throttle.throttle().clone();
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(throttle)
///     .layer(TransportLayer::new())
///     .service(service_fn(|_: &str| async { Err::<(), _>("overloaded") }));
///
/// let mut refused = 0;
/// for _ in 0..100 {
///     let error = service.ready().await.unwrap().call("ping").await.unwrap_err();
///     refused += u32::from(matches!(error, Error::Rejected { rejected: Rejected::Throttled { .. }, .. }));
/// }
/// assert!(refused > 50);
/// assert!(handle.snapshot(std::time::Instant::now()).probability > 0.9);
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same throttle: every service that the layer and its clones make shares it.
#[derive(Clone, Debug)]
pub struct ThrottleLayer<C = ErrorsAreFailures, O = ()> {
    shared: StripedArc<Shared<C, O>>,
}

impl ThrottleLayer {
    /// A throttle of its own with these settings. Every error counts as a call that was not accepted until
    /// [`classify`](Self::classify) says otherwise.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_throttle(Handle::new(config, time::now()))
    }

    /// A throttle that is shared with others, or [draws from a seed](Handle::with_seed).
    #[must_use]
    pub fn with_throttle(throttle: Handle) -> Self {
        Self::from_parts(throttle, ErrorsAreFailures, ())
    }
}

impl<C, O> ThrottleLayer<C, O> {
    fn from_parts(throttle: Handle, classify: C, observer: O) -> Self {
        Self { shared: StripedArc::new(Shared { throttle, classify, observer }) }
    }

    /// The throttle: to look at it, to reset it, to reconfigure it.
    #[must_use]
    pub fn throttle(&self) -> &Handle {
        &self.shared.throttle
    }
}

impl<C, O: Clone> ThrottleLayer<C, O> {
    /// Judges answers by `classify`, on the same throttle.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ThrottleLayer<D, O> {
        let observer = self.shared.observer.clone();
        ThrottleLayer::from_parts(self.throttle().clone(), classify, observer)
    }
}

impl<C: Clone, O> ThrottleLayer<C, O> {
    /// Tells `observer` of refusals, on the same throttle.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> ThrottleLayer<C, P> {
        let classify = self.shared.classify.clone();
        ThrottleLayer::from_parts(self.throttle().clone(), classify, observer)
    }
}

impl<S, C, O> Layer<S> for ThrottleLayer<C, O> {
    type Service = Throttle<S, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttle::new(inner, self.shared.clone())
    }
}
