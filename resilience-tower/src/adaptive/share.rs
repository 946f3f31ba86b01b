use std::{fmt, hash::Hash};

use resilience_core::{
    AdaptiveLimit, Rejected,
    adaptive::{Priority, Ticket},
};

use crate::time;

/// How calls share a limit: [`Unshared`], or [`ByKey`]. There can be no others.
pub trait Share<Req>: sealed::Sealed {
    #[doc(hidden)]
    fn admit(&self, limit: &AdaptiveLimit, request: &Req, priority: Priority) -> Result<Ticket, Rejected>;
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl Sealed for super::Unshared {}
    impl<F> Sealed for super::ByKey<F> {}
}

/// Whoever comes first is served first, whoever it is.
///
/// ```
/// use resilience_core::adaptive::Config;
/// use resilience_tower::{AdaptiveLayer, adaptive::Unshared};
///
/// let layer: AdaptiveLayer<(), (), Unshared> = AdaptiveLayer::new(Config::default()).classify(());
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Unshared;

impl<Req> Share<Req> for Unshared {
    #[inline]
    fn admit(&self, limit: &AdaptiveLimit, _: &Req, priority: Priority) -> Result<Ticket, Rejected> {
        limit.admit(priority, time::now)
    }
}

/// Calls of one key share fairly with those of others: see [`AdaptiveLayer::fair_share`](super::AdaptiveLayer::fair_share).
#[derive(Clone, Copy)]
pub struct ByKey<F>(pub(super) F);

impl<F> ByKey<F> {
    #[cfg(feature = "http")]
    pub(crate) const fn new(key: F) -> Self {
        Self(key)
    }
}

impl<F, Req, K> Share<Req> for ByKey<F>
where
    F: Fn(&Req) -> K,
    K: Hash,
{
    fn admit(&self, limit: &AdaptiveLimit, request: &Req, priority: Priority) -> Result<Ticket, Rejected> {
        limit.admit_for(&self.0(request), priority, time::now)
    }
}

impl<F> fmt::Debug for ByKey<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByKey")
    }
}

/// What says how important a request is: a function, or `()` where all are alike.
pub trait Prioritize<Req>: ranked::Sealed {
    #[doc(hidden)]
    fn priority(&self, request: &Req) -> Priority;
}

mod ranked {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl Sealed for () {}
    impl<Req> Sealed for fn(&Req) -> resilience_core::adaptive::Priority {}
}

impl<Req> Prioritize<Req> for () {
    #[inline]
    fn priority(&self, _: &Req) -> Priority {
        Priority::Default
    }
}

impl<Req> Prioritize<Req> for fn(&Req) -> Priority {
    fn priority(&self, request: &Req) -> Priority {
        self(request)
    }
}
