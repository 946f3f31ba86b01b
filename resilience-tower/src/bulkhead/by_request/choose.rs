use std::{fmt, hash::Hash};

use resilience_core::{Bulkhead as Handle, bulkhead::Config, keyed::Keyed};

use crate::{hold::sealed::Sealed, time};

/// Which bulkhead a request goes through, and how many permits it takes. There can be no others than [`Weighted`] and
/// [`ByKey`].
pub trait Choose<Req>: Sealed {
    #[doc(hidden)]
    fn choose(&self, request: &Req) -> (Handle, u32);
}

/// One bulkhead, and a weight for each request.
pub struct Weighted<W> {
    pub(super) bulkhead: Handle,
    pub(super) weight: W,
}

/// A bulkhead for each key.
pub struct ByKey<K, Q> {
    pub(super) table: Keyed<K, Handle>,
    pub(super) config: Config,
    pub(super) key: Q,
}

impl<W> Sealed for Weighted<W> {}
impl<K, Q> Sealed for ByKey<K, Q> {}

impl<Req, W: Fn(&Req) -> u32> Choose<Req> for Weighted<W> {
    fn choose(&self, request: &Req) -> (Handle, u32) {
        (self.bulkhead.clone(), (self.weight)(request))
    }
}

impl<Req, K: Hash + Eq, Q: Fn(&Req) -> K> Choose<Req> for ByKey<K, Q> {
    fn choose(&self, request: &Req) -> (Handle, u32) {
        (self.bulkhead((self.key)(request)), 1)
    }
}

impl<K: Hash + Eq, Q> ByKey<K, Q> {
    pub(super) fn bulkhead(&self, key: K) -> Handle {
        self.table.get_or_insert_with(key, time::now(), || Handle::new(self.config.clone()))
    }
}

impl<W> fmt::Debug for Weighted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weighted").field("bulkhead", &self.bulkhead).finish_non_exhaustive()
    }
}

impl<K, Q> fmt::Debug for ByKey<K, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").field("bulkheads", &self.table).finish_non_exhaustive()
    }
}
