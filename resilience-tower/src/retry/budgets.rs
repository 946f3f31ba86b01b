//! Which budget pays for a request's retries.

use std::{fmt, hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{RetryPolicy, keyed::Keyed, retry::RetryBudget};

use crate::time;

/// Where a retry layer finds the budget of a request: one for all (`Option<RetryBudget>`, `None` being no budget), or
/// one for each key ([`KeyedBudgets`]). There can be no others.
pub trait Budgets<Req>: sealed::Sealed {
    /// What a call keeps of it.
    #[doc(hidden)]
    type Held;

    /// Whether the budget of a call is here, and not in what the call keeps.
    #[doc(hidden)]
    fn is_here(&self) -> bool;
    #[doc(hidden)]
    fn hold(&self, request: &Req) -> Self::Held;
    #[doc(hidden)]
    fn budget<'a>(here: Option<&'a Self>, held: &'a Self::Held) -> Option<&'a RetryBudget>;
    /// The policy for this request, if it is not the layer's.
    #[doc(hidden)]
    fn policy<'a>(&'a self, held: &'a Self::Held) -> Option<&'a RetryPolicy> {
        let _ = held;
        None
    }
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl Sealed for Option<super::RetryBudget> {}
    impl<K, Q> Sealed for super::KeyedBudgets<K, Q> {}
}

impl<Req> Budgets<Req> for Option<RetryBudget> {
    type Held = ();

    #[inline]
    fn is_here(&self) -> bool {
        self.is_some()
    }

    #[inline]
    fn hold(&self, _: &Req) {}

    #[inline]
    fn budget<'a>(here: Option<&'a Self>, (): &'a ()) -> Option<&'a RetryBudget> {
        here?.as_ref()
    }
}

/// A retry budget for each value of a key of the request: per host, per tenant.
///
/// ```
/// use resilience_core::{Call, RetryPolicy, retry::RetryBudget};
/// use resilience_tower::{RetryLayer, retry::KeyedBudgets};
///
/// let per_host = KeyedBudgets::new(RetryBudget::new, |call: &Call<&'static str>| *call.request());
/// let layer = RetryLayer::new(RetryPolicy::new()).with_keyed_budgets(per_host);
/// # let _ = layer;
/// ```
///
/// The table is bounded: by default 10 000 keys, each forgotten when unused for ten minutes. A budget that cannot pay is
/// not given up for a new key; if the table is full of those, further keys share one budget.
///
/// # Clone
///
/// A clone has the same budgets.
pub struct KeyedBudgets<K, Q> {
    table: Arc<Table<K, Q>>,
}

struct Table<K, Q> {
    budgets: Keyed<K, RetryBudget>,
    make: Box<dyn Fn() -> RetryBudget + Send + Sync>,
    key: Q,
}

impl<K: Hash + Eq, Q> KeyedBudgets<K, Q> {
    /// A budget made by `make` for each value of `key(&request)`.
    #[must_use]
    pub fn new<Req>(make: impl Fn() -> RetryBudget + Send + Sync + 'static, key: Q) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self::with_capacity(make, key, CAPACITY, Duration::from_secs(600))
    }

    /// At most `capacity` budgets, each forgotten when unused for `idle`.
    #[must_use]
    pub fn with_capacity<Req>(
        make: impl Fn() -> RetryBudget + Send + Sync + 'static,
        key: Q,
        capacity: NonZeroUsize,
        idle: Duration,
    ) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        let budgets = Keyed::new(capacity, idle);
        Self { table: Arc::new(Table { budgets, make: Box::new(make), key }) }
    }

    /// The budget of this key, made if there is none yet.
    #[must_use]
    pub fn budget_of(&self, key: K) -> RetryBudget {
        self.table.budgets.get_or_insert_with(key, time::now(), &self.table.make)
    }

    /// The budgets: to count and list them.
    #[must_use]
    pub fn budgets(&self) -> &Keyed<K, RetryBudget> {
        &self.table.budgets
    }
}

impl<K, Q> Clone for KeyedBudgets<K, Q> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table) }
    }
}

impl<K, Q, Req> Budgets<Req> for KeyedBudgets<K, Q>
where
    K: Hash + Eq,
    Q: Fn(&Req) -> K,
{
    type Held = RetryBudget;

    fn is_here(&self) -> bool {
        false
    }

    fn hold(&self, request: &Req) -> RetryBudget {
        self.budget_of((self.table.key)(request))
    }

    fn budget<'a>(_: Option<&'a Self>, held: &'a RetryBudget) -> Option<&'a RetryBudget> {
        Some(held)
    }
}

impl<K, Q> fmt::Debug for KeyedBudgets<K, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBudgets").field("budgets", &self.table.budgets).finish_non_exhaustive()
    }
}
