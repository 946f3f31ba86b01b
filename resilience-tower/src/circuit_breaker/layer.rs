use resilience_core::{
    CircuitBreaker as Breaker, ErrorsAreFailures, circuit_breaker::Config, striped::StripedArc,
};
use tower_layer::Layer;

use super::{CircuitBreaker, shared::Shared};
use crate::time;

/// Puts a circuit breaker around a service.
///
/// ```
/// use resilience_core::{Error, Rejected, circuit_breaker::{Config, State}};
/// use resilience_tower::{CallLayer, CircuitBreakerLayer, TransportLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let breaker = CircuitBreakerLayer::new(Config::new().consecutive_failures(3));
/// let handle = breaker.breaker().clone();
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(breaker)
///     .layer(TransportLayer::new())
///     .service(service_fn(|_: &str| async { Err::<(), _>("down") }));
///
/// for _ in 0..3 {
///     let error = service.ready().await.unwrap().call("ping").await.unwrap_err();
///     assert_eq!(error, Error::inner("down"));
/// }
/// let error = service.ready().await.unwrap().call("ping").await.unwrap_err();
/// assert!(matches!(error, Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }));
/// assert_eq!(handle.snapshot(std::time::Instant::now()).state, State::Open);
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same breaker: every service that the layer and its clones make shares it.
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<C = ErrorsAreFailures, O = ()> {
    shared: StripedArc<Shared<C, O>>,
}

impl CircuitBreakerLayer {
    /// A breaker of its own with these settings. Every error counts as a failure until
    /// [`classify`](Self::classify) says otherwise.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_breaker(Breaker::new(config, time::now()))
    }

    /// A breaker that is shared with others.
    #[must_use]
    pub fn with_breaker(breaker: Breaker) -> Self {
        Self::from_parts(breaker, ErrorsAreFailures, ())
    }
}

impl<C, O> CircuitBreakerLayer<C, O> {
    fn from_parts(breaker: Breaker, classify: C, observer: O) -> Self {
        Self { shared: StripedArc::new(Shared { breaker, classify, observer }) }
    }

    /// The breaker: to look at it, to force it open or closed, to reconfigure it.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.shared.breaker
    }
}

impl<C, O: Clone> CircuitBreakerLayer<C, O> {
    /// Judges answers by `classify`, on the same breaker.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> CircuitBreakerLayer<D, O> {
        let observer = self.shared.observer.clone();
        CircuitBreakerLayer::from_parts(self.breaker().clone(), classify, observer)
    }
}

impl<C: Clone, O> CircuitBreakerLayer<C, O> {
    /// Tells `observer` of transitions and refusals, on the same breaker.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> CircuitBreakerLayer<C, P> {
        let classify = self.shared.classify.clone();
        CircuitBreakerLayer::from_parts(self.breaker().clone(), classify, observer)
    }
}

impl<S, C, O> Layer<S> for CircuitBreakerLayer<C, O> {
    type Service = CircuitBreaker<S, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.shared.clone())
    }
}
