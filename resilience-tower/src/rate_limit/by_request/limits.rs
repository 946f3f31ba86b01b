//! Which limiter a request meets, and what it costs there.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use resilience_core::{Quota, RateLimiter, Rejected, keyed::Keyed, rate_limit::Admitted};

/// Says which limiter a request meets, and what it costs there: [`ByCost`], [`ByKey`], or a [`RateLimiter`] for all alike. There can be
/// no others.
pub trait Limits<Req>: sealed::Sealed {
    /// Lets the request through now, or not.
    #[doc(hidden)]
    fn check(&self, request: &Req, now: Instant) -> Result<Admitted, Rejected>;
    /// For who has to wait there.
    #[doc(hidden)]
    fn limiter(&self, request: &Req, now: Instant) -> RateLimiter;
    #[doc(hidden)]
    fn cost(&self, request: &Req) -> u32;
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl Sealed for super::RateLimiter {}
    impl<C> Sealed for super::ByCost<C> {}
    impl<K, Q, C> Sealed for super::ByKey<K, Q, C> {}
}

impl<Req> Limits<Req> for RateLimiter {
    #[inline]
    fn check(&self, _: &Req, now: Instant) -> Result<Admitted, Rejected> {
        self.check(1, now)
    }

    #[inline]
    fn limiter(&self, _: &Req, _: Instant) -> Self {
        self.clone()
    }

    #[inline]
    fn cost(&self, _: &Req) -> u32 {
        1
    }
}

/// What a request costs: [`One`], or a function of the request.
pub trait Costs<Req> {
    /// The tokens that this request takes.
    fn cost(&self, request: &Req) -> u32;
}

/// Every request costs one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct One;

impl<Req> Costs<Req> for One {
    #[inline]
    fn cost(&self, _: &Req) -> u32 {
        1
    }
}

impl<Req, F: Fn(&Req) -> u32> Costs<Req> for F {
    #[inline]
    fn cost(&self, request: &Req) -> u32 {
        self(request)
    }
}

/// One limiter for all requests, by their cost: see [`RateLimitLayer::cost`](crate::RateLimitLayer::cost).
///
/// # Clone
///
/// A clone has the same limiter.
#[derive(Clone)]
pub struct ByCost<C> {
    pub(super) limiter: RateLimiter,
    cost: C,
}

impl<C> ByCost<C> {
    pub(in crate::rate_limit) const fn new(limiter: RateLimiter, cost: C) -> Self {
        Self { limiter, cost }
    }
}

impl<C: Costs<Req>, Req> Limits<Req> for ByCost<C> {
    #[inline]
    fn check(&self, request: &Req, now: Instant) -> Result<Admitted, Rejected> {
        self.limiter.check(self.cost(request), now)
    }

    #[inline]
    fn limiter(&self, _: &Req, _: Instant) -> RateLimiter {
        self.limiter.clone()
    }

    #[inline]
    fn cost(&self, request: &Req) -> u32 {
        self.cost.cost(request)
    }
}

/// A limiter for each key of the requests: see [`KeyedRateLimitLayer`](super::KeyedRateLimitLayer).
///
/// # Clone
///
/// A clone has the same limiters.
pub struct ByKey<K, Q, C = One> {
    table: Arc<Table<K>>,
    key: Q,
    cost: C,
}

struct Table<K> {
    limiters: Keyed<K, RateLimiter>,
    quotas: Mutex<Quotas<K>>,
}

/// The quotas of keys to come, and how often they have been replaced.
struct Quotas<K> {
    of: QuotaOf<K>,
    epoch: u64,
}

pub(crate) type QuotaOf<K> = Arc<dyn Fn(&K) -> Quota + Send + Sync>;

impl<K: Hash + Eq, Q> ByKey<K, Q> {
    pub(crate) fn new(key: Q, quota: Quota, capacity: NonZeroUsize, idle: Duration) -> Self {
        let limiters = Keyed::new(capacity, idle);
        let quotas = Mutex::new(Quotas { of: Arc::new(move |_: &K| quota), epoch: 0 });
        Self { table: Arc::new(Table { limiters, quotas }), key, cost: One }
    }
}

impl<K, Q, C> ByKey<K, Q, C> {
    pub(super) fn with_cost<D>(self, cost: D) -> ByKey<K, Q, D> {
        ByKey { table: self.table, key: self.key, cost }
    }

    pub(super) fn limiters(&self) -> &Keyed<K, RateLimiter> {
        &self.table.limiters
    }

    /// For keys to come.
    pub(super) fn set_quotas(&self, of: QuotaOf<K>) {
        let mut quotas = self.table.quotas.lock();
        quotas.of = of;
        quotas.epoch += 1;
    }
}

impl<K: Hash + Eq + Clone, Q, C> ByKey<K, Q, C> {
    #[inline]
    pub(super) fn limiter_of(&self, key: &K, now: Instant) -> RateLimiter {
        self.table.limiters.get(key, now).unwrap_or_else(|| self.table.make(key, now))
    }

    /// For all keys, those there are and those to come.
    pub(crate) fn reconfigure(&self, of: &QuotaOf<K>, now: Instant) {
        self.set_quotas(Arc::clone(of));
        for (key, limiter) in self.limiters().entries() {
            limiter.reconfigure(of(&key), now);
        }
    }
}

impl<K: Hash + Eq + Clone> Table<K> {
    /// The limiter of a key that has none.
    #[inline(never)]
    fn make(&self, key: &K, now: Instant) -> RateLimiter {
        let (of, epoch) = self.quotas();
        // Foreign code, outside of every lock.
        let quota = of(key);
        let limiter = self.limiters.get_or_insert_with(key.clone(), now, || RateLimiter::new(quota, now));
        let (of, epoch_now) = self.quotas();
        if epoch_now != epoch {
            // `reconfigure` went through the table before this one was in it.
            limiter.reconfigure(of(key), now);
        }
        limiter
    }

    fn quotas(&self) -> (QuotaOf<K>, u64) {
        let quotas = self.quotas.lock();
        (Arc::clone(&quotas.of), quotas.epoch)
    }
}

impl<K, Q, C, Req> Limits<Req> for ByKey<K, Q, C>
where
    K: Hash + Eq + Clone,
    Q: Fn(&Req) -> K,
    C: Costs<Req>,
{
    #[inline]
    fn check(&self, request: &Req, now: Instant) -> Result<Admitted, Rejected> {
        let (key, cost) = ((self.key)(request), self.cost(request));
        let known = self.table.limiters.with(&key, now, |limiter| limiter.check(cost, now));
        known.unwrap_or_else(|| self.table.make(&key, now).check(cost, now))
    }

    #[inline]
    fn limiter(&self, request: &Req, now: Instant) -> RateLimiter {
        self.limiter_of(&(self.key)(request), now)
    }

    #[inline]
    fn cost(&self, request: &Req) -> u32 {
        self.cost.cost(request)
    }
}

impl<K, Q: Clone, C: Clone> Clone for ByKey<K, Q, C> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), key: self.key.clone(), cost: self.cost.clone() }
    }
}

impl<C> fmt::Debug for ByCost<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByCost").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

/// Without the keys, which come from requests.
impl<K, Q, C> fmt::Debug for ByKey<K, Q, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").field("limiters", &self.table.limiters).finish_non_exhaustive()
    }
}
