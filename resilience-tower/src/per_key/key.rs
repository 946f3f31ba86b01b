//! Where a call finds the policies of its key.

use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use resilience_core::striped::Lease;

use super::{Policies, policies::Bundle, table::Table};

/// Says which key a request has: a function of it, or a type that lends a part of it, so that nothing is copied as long as the
/// key is known.
///
/// ```
/// use resilience_core::Call;
/// use resilience_tower::per_key::Key;
///
/// struct Query { tenant: String }
///
/// #[derive(Clone, Copy)]
/// struct ByTenant;
///
/// impl Key<Call<Query>> for ByTenant {
///     type Key = str;
///     fn look<R>(&self, call: &Call<Query>, look: impl FnOnce(&str) -> R) -> R {
///         look(&call.request().tenant)
///     }
/// }
/// ```
pub trait Key<Req> {
    /// The key as it is lent.
    type Key: Hash + Eq + ToOwned<Owned: Hash + Eq + Clone> + ?Sized;

    /// Shows the key of `request` to `look`.
    fn look<R>(&self, request: &Req, look: impl FnOnce(&Self::Key) -> R) -> R;
}

impl<Req, K: Hash + Eq + Clone, F: Fn(&Req) -> K> Key<Req> for F {
    type Key = K;

    #[inline]
    fn look<R>(&self, request: &Req, look: impl FnOnce(&K) -> R) -> R {
        look(&self(request))
    }
}

/// Where a call finds its policies: in a table by its key ([`ByKey`]), or brought along by its request. There can be no others.
pub trait Find<Req>: sealed::Sealed {
    /// The request as it goes on.
    type Request;

    #[doc(hidden)]
    fn find(&mut self, request: Req, now: Instant) -> (Lease<Bundle>, Self::Request);
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl<K, Q> Sealed for super::ByKey<K, Q> {}
}

/// Policies for each key, in a bounded table.
///
/// # Clone
///
/// A clone has the same table.
pub struct ByKey<K, Q> {
    pub(super) table: Arc<Table<K>>,
    pub(super) key: Q,
    last: Option<Last<K>>,
    /// An instance that makes one call, as many do that are clones of another, need not remember whose.
    has_been_asked: bool,
}

/// The policies of the last call.
struct Last<K> {
    key: K,
    policies: Policies,
    /// When the table was last told that the key is in use.
    told: Instant,
}

impl<K, Q> ByKey<K, Q> {
    pub(crate) const fn new(table: Arc<Table<K>>, key: Q) -> Self {
        Self { table, key, last: None, has_been_asked: false }
    }
}

impl<K, Q, Req> Find<Req> for ByKey<K, Q>
where
    Q: Key<Req>,
    Q::Key: ToOwned<Owned = K>,
    K: Hash + Eq + Clone + Borrow<Q::Key>,
{
    type Request = Req;

    #[inline]
    fn find(&mut self, request: Req, now: Instant) -> (Lease<Bundle>, Req) {
        let Self { table, key, last, has_been_asked } = self;
        let bundle = key.look(&request, |key| match last {
            Some(last) if last.is_of(key, now, table.idle) => last.policies.lease(),
            _ => {
                let policies = table.policies(key, now);
                let bundle = policies.lease();
                if std::mem::replace(has_been_asked, true) {
                    *last = Some(Last { key: key.to_owned(), policies, told: now });
                }
                bundle
            }
        });
        (bundle, request)
    }
}

impl<K> Last<K> {
    /// Whether it is of this key, still in the table, and the table knows well enough that it is in use.
    #[inline]
    fn is_of<B: Eq + ?Sized>(&self, key: &B, now: Instant, idle: Duration) -> bool
    where
        K: Borrow<B>,
    {
        self.key.borrow() == key
            && !self.policies.is_given_up()
            && now.saturating_duration_since(self.told) < idle / 8
    }
}

/// A clone finds its policies anew.
impl<K, Q: Clone> Clone for ByKey<K, Q> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.table), self.key.clone())
    }
}

/// Without the keys, which come from requests.
impl<K, Q> fmt::Debug for ByKey<K, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").field("table", &self.table.entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{per_key::Settings, time};

    #[test]
    fn an_instance_remembers_from_its_second_call_on() {
        let table = Table::new(Settings::new(), NonZeroUsize::MIN, Duration::from_secs(1));
        let mut find = ByKey::new(Arc::new(table), |request: &u8| *request);
        let mut remembered = || {
            find.find(7, time::now());
            find.last.as_ref().map(|last| last.key)
        };
        assert_eq!((remembered(), remembered()), (None, Some(7)));
        assert!(find.clone().last.is_none());
    }
}
