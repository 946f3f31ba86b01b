use std::{borrow::Borrow, hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{
    ErrorsAreFailures, Observer,
    keyed::{Keyed, Snapshot},
};
use tower_layer::Layer;

use super::{ByKey, PerKey, Policies, Settings, service::tell, table::Table};
use crate::{observed::Observed, time};

/// Puts a throttle, a circuit breaker and an adaptive limit per key around a service: any of them, in this order.
///
/// ```
/// use resilience_core::{Call, Error, circuit_breaker::Config};
/// use resilience_tower::{CallLayer, TransportLayer, per_key::{PerKeyLayer, Settings}};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hosts = PerKeyLayer::new(
///     Settings::new().circuit_breaker(Config::new().consecutive_failures(1)),
///     |call: &Call<&'static str>| *call.request(),
/// );
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(hosts.clone())
///     .layer(TransportLayer::new())
///     .service(service_fn(|host: &'static str| async move {
///         if host == "bad" { Err("down") } else { Ok(()) }
///     }));
///
/// assert!(service.ready().await.unwrap().call("bad").await.is_err());
/// let refused = service.ready().await.unwrap().call("bad").await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { .. }));
/// assert!(service.ready().await.unwrap().call("good").await.is_ok());
///
/// let policies = hosts.policies(&"bad").expect("there is room for it");
/// policies.circuit_breaker().unwrap().reset();
/// # }
/// ```
///
/// See the [module](super) for the table and its bounds.
///
/// # Clone
///
/// A clone has the same policies.
#[derive(Debug)]
pub struct PerKeyLayer<F, C = ErrorsAreFailures, O = ()> {
    find: F,
    classify: C,
    observer: Observed<O>,
}

impl<K: Hash + Eq, Q> PerKeyLayer<ByKey<K, Q>> {
    /// Policies with these settings for each value of `key`, a function of the request or another [`Key`](super::Key).
    #[must_use]
    pub fn new(settings: Settings, key: Q) -> Self {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self::with_capacity(settings, key, CAPACITY, Duration::from_secs(600))
    }

    /// At most `capacity` keys, each forgotten when unused for `idle`.
    #[must_use]
    pub fn with_capacity(settings: Settings, key: Q, capacity: NonZeroUsize, idle: Duration) -> Self {
        Self::with_find(ByKey::new(Arc::new(Table::new(settings, capacity, idle)), key))
    }
}

impl<F> PerKeyLayer<F> {
    pub(crate) fn with_find(find: F) -> Self {
        Self { find, classify: ErrorsAreFailures, observer: Observed::by_nobody() }
    }
}

impl<K, Q, C, O> PerKeyLayer<ByKey<K, Q>, C, O> {
    /// The keys: to count and list them.
    #[must_use]
    pub fn table(&self) -> &Keyed<K, Policies> {
        &self.find.table.entries
    }
}

impl<K: Hash + Eq + Clone, Q, C, O> PerKeyLayer<ByKey<K, Q>, C, O> {
    /// The policies of this key, made if there are none yet: to look at them, or to force a breaker open.
    ///
    /// `None` if there is no room for the key, and it shares the [overflow](Keyed::overflow) with others.
    #[must_use]
    pub fn policies<B>(&self, key: &B) -> Option<Policies>
    where
        K: Borrow<B>,
        B: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let policies = self.find.table.policies(key, time::now());
        let is_shared = self.table().overflow().is_some_and(|overflow| overflow.is_same(&policies));
        (!is_shared).then_some(policies)
    }

    /// What there is to see of all keys together: how many there are, how many were given up, and, if the settings have
    /// breakers, in which state those are.
    ///
    /// It looks at every key, without a lock that a call might wait for longer than for one shard to be copied.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.find.table.snapshot(time::now())
    }

    /// Puts other settings in force, for the keys there are and those to come; the observer is told of what that trips.
    ///
    /// Policies that are in both settings keep their state, others end or begin. A retry budget that is there stays as it is. Calls
    /// under way end under the policies that admitted them.
    pub fn reconfigure(&self, settings: Settings)
    where
        O: Observer,
    {
        self.find
            .table
            .reconfigure(settings, time::now(), |transition| tell(self.observer.get(), Some(transition)));
    }
}

impl<F, C, O> PerKeyLayer<F, C, O> {
    /// Judges answers by `classify`, on the same policies.
    ///
    /// Each call takes a clone of it along, so it should be cheap to clone.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> PerKeyLayer<F, D, O> {
        PerKeyLayer { find: self.find, classify, observer: self.observer }
    }

    /// Tells `observer` of the transitions and refusals of all keys. It is not told the key.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> PerKeyLayer<F, C, P> {
        PerKeyLayer { find: self.find, classify: self.classify, observer: Observed::new(observer) }
    }
}

impl<F: Clone, C: Clone, O> Clone for PerKeyLayer<F, C, O> {
    fn clone(&self) -> Self {
        Self { find: self.find.clone(), classify: self.classify.clone(), observer: self.observer.clone() }
    }
}

impl<S, F: Clone, C: Clone, O> Layer<S> for PerKeyLayer<F, C, O> {
    type Service = PerKey<S, F, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        PerKey::new(inner, self.find.clone(), self.classify.clone(), self.observer.clone())
    }
}
