//! One breaker per key of the request: per host, per tenant.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use resilience_core::{
    CarryContext, CircuitBreaker as Breaker, Classify, ErrorsAreFailures, Observer, Refusal,
    circuit_breaker::Config, keyed::Keyed, striped::StripedArc,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    future::{HeldByKey, ResponseFuture},
    shared::{Refused, Rules},
};
use crate::{cut::Cut, time};

/// Puts a circuit breaker per key around a service.
///
/// ```
/// use resilience_core::{Error, circuit_breaker::Config};
/// use resilience_tower::{CallLayer, TransportLayer, circuit_breaker::KeyedCircuitBreakerLayer};
/// use resilience_core::Call;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let breakers = KeyedCircuitBreakerLayer::new(
///     Config::new().consecutive_failures(1),
///     |call: &Call<&'static str>| *call.request(),
/// );
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(breakers)
///     .layer(TransportLayer::new())
///     .service(service_fn(|host: &'static str| async move {
///         if host == "bad" { Err("down") } else { Ok(()) }
///     }));
///
/// assert!(service.ready().await.unwrap().call("bad").await.is_err());
/// let refused = service.ready().await.unwrap().call("bad").await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { .. }));
/// assert!(service.ready().await.unwrap().call("good").await.is_ok());
/// # }
/// ```
///
/// The table is bounded: by default 10 000 keys, each forgotten when unused for ten minutes. Breakers that are not
/// closed are never given up for a new key; if the table is full of those, further keys share one breaker. Breakers that
/// refuse or are overridden by hand are not forgotten either.
///
/// Because the key is in the request, `poll_ready` readies the inner service whatever the breakers say.
///
/// # Clone
///
/// A clone has the same breakers.
pub struct KeyedCircuitBreakerLayer<K, Q, C = ErrorsAreFailures, O = ()> {
    table: Arc<Table<K, Q>>,
    rules: StripedArc<Rules<C, O>>,
}

struct Table<K, Q> {
    breakers: Keyed<K, Breaker>,
    settings: Mutex<Settings>,
    key: Q,
}

/// The settings for keys to come, and how often they have been replaced.
struct Settings {
    config: Config,
    epoch: u64,
}

impl<K: Hash + Eq, Q> KeyedCircuitBreakerLayer<K, Q> {
    /// A breaker with these settings for each value of `key(&request)`.
    #[must_use]
    pub fn new<Req>(config: Config, key: Q) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self::with_capacity(config, key, CAPACITY, Duration::from_secs(600))
    }

    /// At most `capacity` breakers, each forgotten when unused for `idle`.
    #[must_use]
    pub fn with_capacity<Req>(config: Config, key: Q, capacity: NonZeroUsize, idle: Duration) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        Self {
            table: Arc::new(Table {
                breakers: Keyed::new(capacity, idle),
                settings: Mutex::new(Settings { config, epoch: 0 }),
                key,
            }),
            rules: StripedArc::new(Rules { classify: ErrorsAreFailures, observer: () }),
        }
    }
}

impl<K, Q, C, O> KeyedCircuitBreakerLayer<K, Q, C, O> {
    /// The breakers: to count and list them.
    #[must_use]
    pub fn breakers(&self) -> &Keyed<K, Breaker> {
        &self.table.breakers
    }
}

impl<K: Hash + Eq, Q, C, O> KeyedCircuitBreakerLayer<K, Q, C, O> {
    /// The breaker of this key, made if there is none yet: to look at it, or to force it open.
    ///
    /// `None` if there is no room for the key, and it shares the [overflow](Keyed::overflow) with others.
    #[must_use]
    pub fn breaker(&self, key: K) -> Option<Breaker> {
        let breaker = self.table.breaker(key, time::now());
        let is_shared = self.breakers().overflow().is_some_and(|overflow| overflow.is_same(&breaker));
        (!is_shared).then_some(breaker)
    }
}

impl<K: Hash + Eq, Q> Table<K, Q> {
    fn breaker(&self, key: K, now: Instant) -> Breaker {
        let mut made_in = None;
        let breaker = self.breakers.get_or_insert_with(key, now, || {
            let settings = self.settings.lock();
            made_in = Some(settings.epoch);
            Breaker::new(settings.config.clone(), now)
        });
        if let Some(epoch) = made_in {
            let settings = self.settings.lock();
            if settings.epoch != epoch {
                // `reconfigure` went through the table before this one was in it.
                breaker.reconfigure(settings.config.clone(), now);
            }
        }
        breaker
    }
}

impl<K: Hash + Eq + Clone, Q, C, O> KeyedCircuitBreakerLayer<K, Q, C, O> {
    /// Puts other settings in force, for the breakers there are and those to come: see
    /// [`CircuitBreaker::reconfigure`](Breaker::reconfigure). The observer is told of what that trips.
    pub fn reconfigure(&self, config: &Config)
    where
        O: Observer,
    {
        {
            let mut settings = self.table.settings.lock();
            settings.config.clone_from(config);
            settings.epoch += 1;
        }
        let now = time::now();
        let breakers = self.breakers();
        let keyed = breakers.entries().into_iter().map(|(_, breaker)| breaker);
        for breaker in keyed.chain(breakers.overflow()) {
            self.rules.tell(breaker.reconfigure(config.clone(), now));
        }
    }
}

impl<K, Q, C, O: Clone> KeyedCircuitBreakerLayer<K, Q, C, O> {
    /// Judges answers by `classify`, on the same breakers.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> KeyedCircuitBreakerLayer<K, Q, D, O> {
        let rules = Rules { classify, observer: self.rules.observer.clone() };
        KeyedCircuitBreakerLayer { table: self.table, rules: StripedArc::new(rules) }
    }
}

impl<K, Q, C: Clone, O> KeyedCircuitBreakerLayer<K, Q, C, O> {
    /// Tells `observer` of the transitions and refusals of all breakers. It is not told the key.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> KeyedCircuitBreakerLayer<K, Q, C, P> {
        let rules = Rules { classify: self.rules.classify.clone(), observer };
        KeyedCircuitBreakerLayer { table: self.table, rules: StripedArc::new(rules) }
    }
}

impl<K, Q, C, O> Clone for KeyedCircuitBreakerLayer<K, Q, C, O> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), rules: self.rules.clone() }
    }
}

impl<S, K, Q, C, O> Layer<S> for KeyedCircuitBreakerLayer<K, Q, C, O> {
    type Service = KeyedCircuitBreaker<S, K, Q, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedCircuitBreaker { inner, layer: self.clone() }
    }
}

/// The service of [`KeyedCircuitBreakerLayer`].
pub struct KeyedCircuitBreaker<S, K, Q, C = ErrorsAreFailures, O = ()> {
    inner: S,
    layer: KeyedCircuitBreakerLayer<K, Q, C, O>,
}

impl<S: Clone, K, Q, C, O> Clone for KeyedCircuitBreaker<S, K, Q, C, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, K, Q, C, O, Req> Service<Req> for KeyedCircuitBreaker<S, K, Q, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    K: Hash + Eq,
    Q: Fn(&Req) -> K,
    C: Classify<S::Response, S::Error>,
    O: Observer,
    Req: CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, HeldByKey<C, O>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (table, rules) = (&*self.layer.table, &self.layer.rules);
        let now = time::now();
        let breaker = table.breaker((table.key)(&request), now);
        let (admitted, transition) = breaker.admit(|| now);
        rules.tell(transition);
        match admitted {
            Ok(ticket) => {
                let cut = Cut::of(request.context());
                let hold = || HeldByKey::new(breaker.clone(), rules);
                ResponseFuture::call(ticket, cut, hold, || self.inner.call(request))
            }
            Err(rejected) => {
                let refused = Refused::new(rejected);
                rules.tell_rejected(refused);
                ResponseFuture::refused(refused)
            }
        }
    }
}

impl<K, Q, C, O> fmt::Debug for KeyedCircuitBreakerLayer<K, Q, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreakerLayer")
            .field("breakers", &self.table.breakers)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K, Q, C, O> fmt::Debug for KeyedCircuitBreaker<S, K, Q, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreaker").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
