use std::{fmt, hash::Hash, marker::PhantomData, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{Bulkhead as Handle, bulkhead::Config, keyed::Keyed};
use tower_layer::Layer;

use super::{BulkheadByRequest, ByKey, Weighted};
use crate::bulkhead::UntilAnswer;

/// Lets calls through by their weight, or by one bulkhead for each key.
///
/// ```
/// use resilience_core::{Error, Rejected, bulkhead::Config};
/// use resilience_tower::{ErrorLayer, bulkhead::BulkheadByRequestLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let rows = BulkheadByRequestLayer::weighted(Config::new(100), |rows: &u32| *rows);
/// let mut service = ServiceBuilder::new()
///     .layer(rows)
///     .layer(ErrorLayer::new())
///     .service(service_fn(|rows: u32| async move { Ok::<_, &str>(rows) }));
///
/// let running = service.ready().await.unwrap().call(80);
/// let refused = service.ready().await.unwrap().call(30).await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::BulkheadFull { in_flight: 80, .. }, .. }));
/// assert_eq!(running.await, Ok(80));
/// # }
/// ```
///
/// The table of keys is bounded: by default 10 000, each forgotten when unused for ten minutes. A bulkhead with calls in it is
/// not given up for a new key; if the table is full of those, further keys share one.
///
/// # Clone
///
/// A clone has the same bulkheads.
pub struct BulkheadByRequestLayer<Q, O = (), H = UntilAnswer> {
    pub(super) choose: Arc<Q>,
    pub(super) observer: O,
    hold: PhantomData<fn() -> H>,
}

impl<W> BulkheadByRequestLayer<Weighted<W>> {
    /// One bulkhead, of which each request takes `weight(&request)` permits.
    #[must_use]
    pub fn weighted<Req>(config: Config, weight: W) -> Self
    where
        W: Fn(&Req) -> u32,
    {
        Self::choosing(Weighted { bulkhead: Handle::new(config), weight })
    }
}

impl<W, O, H> BulkheadByRequestLayer<Weighted<W>, O, H> {
    /// The bulkhead: to look at it, to resize it.
    #[must_use]
    pub fn bulkhead(&self) -> &Handle {
        &self.choose.bulkhead
    }
}

impl<K: Hash + Eq, Q> BulkheadByRequestLayer<ByKey<K, Q>> {
    /// A bulkhead with these settings for each value of `key(&request)`.
    #[must_use]
    pub fn keyed<Req>(config: Config, key: Q) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self::keyed_with_capacity(config, key, CAPACITY, Duration::from_secs(600))
    }

    /// At most `capacity` bulkheads, each forgotten when unused for `idle`.
    #[must_use]
    pub fn keyed_with_capacity<Req>(config: Config, key: Q, capacity: NonZeroUsize, idle: Duration) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        Self::choosing(ByKey { table: Keyed::new(capacity, idle), config, key })
    }
}

impl<K: Hash + Eq, Q, O, H> BulkheadByRequestLayer<ByKey<K, Q>, O, H> {
    /// The bulkhead of this key, made if there is none yet.
    #[must_use]
    pub fn bulkhead_of(&self, key: K) -> Handle {
        self.choose.bulkhead(key)
    }

    /// The bulkheads: to count and list them.
    #[must_use]
    pub fn bulkheads(&self) -> &Keyed<K, Handle> {
        &self.choose.table
    }
}

impl<Q> BulkheadByRequestLayer<Q> {
    fn choosing(choose: Q) -> Self {
        Self { choose: Arc::new(choose), observer: (), hold: PhantomData }
    }
}

impl<Q, O, H> BulkheadByRequestLayer<Q, O, H> {
    /// Tells `observer` of refusals and of waits. It is not told the key. Each call has a clone of it.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> BulkheadByRequestLayer<Q, P, H> {
        BulkheadByRequestLayer { choose: self.choose, observer, hold: PhantomData }
    }

    /// Holds permits as long as `K` says.
    #[cfg(feature = "http")]
    pub(crate) fn hold<K>(self) -> BulkheadByRequestLayer<Q, O, K> {
        BulkheadByRequestLayer { choose: self.choose, observer: self.observer, hold: PhantomData }
    }
}

impl<Q, O: Clone, H> Clone for BulkheadByRequestLayer<Q, O, H> {
    fn clone(&self) -> Self {
        Self { choose: Arc::clone(&self.choose), observer: self.observer.clone(), hold: PhantomData }
    }
}

impl<S, Q, O: Clone, H> Layer<S> for BulkheadByRequestLayer<Q, O, H> {
    type Service = BulkheadByRequest<S, Q, O, H>;

    fn layer(&self, inner: S) -> Self::Service {
        BulkheadByRequest::new(inner, self.clone())
    }
}

impl<Q: fmt::Debug, O, H> fmt::Debug for BulkheadByRequestLayer<Q, O, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadByRequestLayer").field("choose", &self.choose).finish_non_exhaustive()
    }
}
