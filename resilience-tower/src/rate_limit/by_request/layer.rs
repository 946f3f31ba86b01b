use std::{hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{Quota, RateLimiter, keyed::Keyed};
use tower_layer::Layer;

use super::{ByCost, ByKey, One, RateLimitBy, limits::QuotaOf};
use crate::{rate_limit::settings::Settings, time};

/// Lets only so many calls through in a time, where the limit or the cost depends on the request.
///
/// See [`KeyedRateLimitLayer`] and [`RateLimitLayer::cost`](crate::RateLimitLayer::cost).
///
/// # Clone
///
/// A clone has the same limiters: every service that the layer and its clones make shares them.
#[derive(Debug)]
pub struct RateLimitByLayer<L, O = ()> {
    limits: L,
    settings: Settings<O>,
}

/// One limiter for all calls, by their cost: see [`RateLimitLayer::cost`](crate::RateLimitLayer::cost).
pub type WeightedRateLimitLayer<C, O = ()> = RateLimitByLayer<ByCost<C>, O>;

/// Lets only so many calls through in a time for each key of the request: per tenant, per address.
///
/// ```
/// use resilience_core::{Call, Error, Quota};
/// use resilience_tower::{CallLayer, TransportLayer, rate_limit::KeyedRateLimitLayer};
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error<Infallible>> {
/// let tenants = |call: &Call<&'static str>| *call.request();
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(KeyedRateLimitLayer::new(tenants, Quota::per_minute(1)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|tenant: &'static str| async move { Ok::<_, Infallible>(tenant) }));
///
/// assert_eq!(service.ready().await?.call("blue").await?, "blue");
/// assert!(service.ready().await?.call("blue").await.is_err());
/// assert_eq!(service.ready().await?.call("green").await?, "green");
/// # Ok(())
/// # }
/// ```
///
/// The table is bounded: by default 100 000 keys, each forgotten when unused for ten minutes, or for the window of the quota if
/// that is longer. A bucket that is empty is never given up for a new key; if the table is full of those, further keys share one
/// limiter.
///
/// [`RateLimitLayer`](crate::RateLimitLayer) has the same settings, with more about each.
pub type KeyedRateLimitLayer<K, Q, C = One, O = ()> = RateLimitByLayer<ByKey<K, Q, C>, O>;

impl<L, O> RateLimitByLayer<L, O> {
    pub(in crate::rate_limit) const fn from_parts(limits: L, settings: Settings<O>) -> Self {
        Self { limits, settings }
    }

    /// Has a call over the limit wait for its turn, up to `limit` and no longer than its deadline leaves. What would have to wait
    /// longer is refused at once.
    ///
    /// It waits in its future; the inner service is cloned for it, and readied when the turn has come.
    ///
    /// # Panics
    ///
    /// A call that waits panics outside of a Tokio runtime, or in one without its time driver.
    #[must_use]
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.settings.max_wait = Some(limit);
        self
    }

    /// Counts what is over the limit, and lets it through.
    #[must_use]
    pub fn shadow(mut self) -> Self {
        self.settings.is_enforced = false;
        self
    }

    #[cfg(feature = "http")]
    pub(crate) const fn limits(&self) -> &L {
        &self.limits
    }

    /// Tells `observer` of calls over the limit, and of waits, on the same limiters. It is not told the key.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> RateLimitByLayer<L, P> {
        RateLimitByLayer { settings: self.settings.with_observer(observer), limits: self.limits }
    }
}

#[cfg(feature = "http")]
impl<L> RateLimitByLayer<L> {
    pub(crate) fn with_limits(limits: L) -> Self {
        Self::from_parts(limits, Settings::new())
    }
}

impl<C, O> RateLimitByLayer<ByCost<C>, O> {
    /// The limiter: to look at it, and to change its quota.
    #[must_use]
    pub const fn limiter(&self) -> &RateLimiter {
        &self.limits.limiter
    }
}

impl<K: Hash + Eq, Q> RateLimitByLayer<ByKey<K, Q>> {
    /// A limiter with this quota for each value of `key(&request)`.
    #[must_use]
    pub fn new<Req>(key: Q, quota: Quota) -> Self
    where
        Q: Fn(&Req) -> K,
        K: 'static,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
        Self::with_capacity(key, quota, CAPACITY, quota.window().max(Duration::from_secs(600)))
    }

    /// At most `capacity` limiters, each forgotten when unused for `idle`.
    ///
    /// What is forgotten is full again when it comes back: `idle` should not be shorter than the window of the quota.
    #[must_use]
    pub fn with_capacity<Req>(key: Q, quota: Quota, capacity: NonZeroUsize, idle: Duration) -> Self
    where
        Q: Fn(&Req) -> K,
        K: 'static,
    {
        Self::from_parts(ByKey::new(key, quota, capacity, idle), Settings::new())
    }
}

impl<K, Q, C, O> RateLimitByLayer<ByKey<K, Q, C>, O> {
    /// Gives each key the quota that `quota(&key)` says.
    ///
    /// It is asked when a key gets its limiter, and again by [`reconfigure`](Self::reconfigure).
    #[must_use]
    pub fn quotas(self, quota: impl Fn(&K) -> Quota + Send + Sync + 'static) -> Self {
        self.limits.set_quotas(Arc::new(quota));
        self
    }

    /// Charges each call what `cost(&request)` says, in place of one token.
    #[must_use]
    pub fn cost<Req, D>(self, cost: D) -> RateLimitByLayer<ByKey<K, Q, D>, O>
    where
        D: Fn(&Req) -> u32,
    {
        RateLimitByLayer { limits: self.limits.with_cost(cost), settings: self.settings }
    }

    /// The limiters: to count and list them.
    #[must_use]
    pub fn limiters(&self) -> &Keyed<K, RateLimiter> {
        self.limits.limiters()
    }
}

impl<K: Hash + Eq + Clone, Q, C, O> RateLimitByLayer<ByKey<K, Q, C>, O> {
    /// The limiter of this key, made if there is none yet: to look at it.
    ///
    /// `None` if there is no room for the key, and it shares the [overflow](Keyed::overflow) with others.
    #[must_use]
    pub fn limiter_of(&self, key: &K) -> Option<RateLimiter> {
        let limiter = self.limits.limiter_of(key, time::now());
        let is_shared = self.limiters().overflow().is_some_and(|overflow| overflow.is_same(&limiter));
        (!is_shared).then_some(limiter)
    }

    /// Puts other quotas in force, for the keys there are and those to come: see
    /// [`RateLimiter::reconfigure`]. The limiter that keys share for which there was no room stays as it is.
    pub fn reconfigure(&self, quota: impl Fn(&K) -> Quota + Send + Sync + 'static) {
        let quota: QuotaOf<K> = Arc::new(quota);
        self.limits.reconfigure(&quota, time::now());
    }
}

impl<L: Clone, O> Clone for RateLimitByLayer<L, O> {
    fn clone(&self) -> Self {
        Self { limits: self.limits.clone(), settings: self.settings.clone() }
    }
}

impl<S, L: Clone, O> Layer<S> for RateLimitByLayer<L, O> {
    type Service = RateLimitBy<S, L, O>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitBy::new(inner, self.limits.clone(), self.settings.clone())
    }
}
