use resilience_core::{
    AdaptiveLimit, ErrorsAreFailures,
    adaptive::{Config, Priority},
    striped::StripedArc,
};
use tower_layer::Layer;

use super::{Adaptive, ByKey, Unshared, shared::Shared};
use crate::time;

/// Lets as many calls through at a time as the other side can bear.
///
/// ```
/// use resilience_core::{Error, Rejected, adaptive::Config};
/// use resilience_tower::{AdaptiveLayer, CallLayer, TransportLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(AdaptiveLayer::new(Config::default().initial(2)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|n: u32| async move { Ok::<_, &str>(n) }));
///
/// let one = service.ready().await.unwrap().call(1);
/// let two = service.ready().await.unwrap().call(2);
/// let refused = service.ready().await.unwrap().call(3).await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::Overloaded { limit: 2, in_flight: 2 }, .. }));
/// assert_eq!((one.await, two.await), (Ok(1), Ok(2)));
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same limit: every service that the layer and its clones make shares it.
#[derive(Clone, Debug)]
pub struct AdaptiveLayer<C = ErrorsAreFailures, O = (), F = Unshared, P = ()> {
    shared: StripedArc<Shared<C, O, F, P>>,
}

impl AdaptiveLayer {
    /// A limit of its own with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_limit(AdaptiveLimit::new(config, time::now()))
    }

    /// A limit that is shared with others.
    #[must_use]
    pub fn with_limit(limit: AdaptiveLimit) -> Self {
        let shared =
            Shared { limit, classify: ErrorsAreFailures, observer: (), share: Unshared, priority: () };
        Self { shared: StripedArc::new(shared) }
    }
}

impl<C, O, F, P> AdaptiveLayer<C, O, F, P> {
    /// The limit: to look at it, to reconfigure it.
    #[must_use]
    pub fn limit(&self) -> &AdaptiveLimit {
        &self.shared.limit
    }
}

impl<C: Clone, O: Clone, F: Clone, P: Clone> AdaptiveLayer<C, O, F, P> {
    /// Judges answers by `classify`, on the same limit. It should know which of them mean overload.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> AdaptiveLayer<D, O, F, P> {
        let Shared { limit, observer, share, priority, .. } = (*self.shared).clone();
        AdaptiveLayer { shared: StripedArc::new(Shared { limit, classify, observer, share, priority }) }
    }

    /// Tells `observer` of refusals, on the same limit.
    #[must_use]
    pub fn with_observer<Q>(self, observer: Q) -> AdaptiveLayer<C, Q, F, P> {
        let Shared { limit, classify, share, priority, .. } = (*self.shared).clone();
        AdaptiveLayer { shared: StripedArc::new(Shared { limit, classify, observer, share, priority }) }
    }

    /// Asks `priority` of each request; without it all have [`Priority::Default`].
    ///
    /// ```
    /// use resilience_core::adaptive::{Config, Priority};
    /// use resilience_tower::AdaptiveLayer;
    ///
    /// let layer = AdaptiveLayer::new(Config::default()).priority(|path: &&str| match *path {
    ///     "/health" => Priority::Critical,
    ///     "/prefetch" => Priority::Sheddable,
    ///     _ => Priority::Default,
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn priority<Req>(
        self,
        priority: fn(&Req) -> Priority,
    ) -> AdaptiveLayer<C, O, F, fn(&Req) -> Priority> {
        let Shared { limit, classify, observer, share, .. } = (*self.shared).clone();
        AdaptiveLayer { shared: StripedArc::new(Shared { limit, classify, observer, share, priority }) }
    }

    /// Shares the limit [fairly](resilience_core::adaptive#fair-shares) between the keys that `key` takes from requests: tenants,
    /// users, addresses. Any number of keys costs the same memory, and none is stored.
    ///
    /// ```
    /// use resilience_core::adaptive::Config;
    /// use resilience_tower::AdaptiveLayer;
    ///
    /// struct Request { tenant: u64 }
    /// let layer = AdaptiveLayer::new(Config::default()).fair_share(|request: &Request| request.tenant);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn fair_share<Req, K, G>(self, key: G) -> AdaptiveLayer<C, O, ByKey<G>, P>
    where
        G: Fn(&Req) -> K,
    {
        self.with_share(ByKey(key))
    }

    pub(crate) fn with_share<G>(self, share: G) -> AdaptiveLayer<C, O, G, P> {
        let Shared { limit, classify, observer, priority, .. } = (*self.shared).clone();
        AdaptiveLayer { shared: StripedArc::new(Shared { limit, classify, observer, share, priority }) }
    }
}

impl<S, C, O, F, P> Layer<S> for AdaptiveLayer<C, O, F, P> {
    type Service = Adaptive<S, C, O, F, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Adaptive::new(inner, self.shared.clone())
    }
}
