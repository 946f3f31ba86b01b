//! One throttle per key of the request: per host, per tenant.

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
    CarryContext, Classify, ErrorsAreFailures, Observer, Refusal, Throttle as Handle, keyed::Keyed,
    striped::StripedArc, throttle::Config,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    future::{HeldByKey, ResponseFuture},
    shared::Rules,
};
use crate::{cut::Cut, time};

/// Puts an adaptive throttle per key around a service.
///
/// ```
/// use resilience_core::{Call, Error, Rejected, throttle::Config};
/// use resilience_tower::{CallLayer, TransportLayer, throttle::KeyedThrottleLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let throttles = KeyedThrottleLayer::new(Config::new(), |call: &Call<&'static str>| *call.request());
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(throttles)
///     .layer(TransportLayer::new())
///     .service(service_fn(|host: &'static str| async move {
///         if host == "busy" { Err("overloaded") } else { Ok(()) }
///     }));
///
/// let mut refused = 0;
/// for _ in 0..100 {
///     let error = service.ready().await.unwrap().call("busy").await.unwrap_err();
///     refused += u32::from(matches!(error, Error::Rejected { rejected: Rejected::Throttled { .. }, .. }));
///     assert!(service.ready().await.unwrap().call("idle").await.is_ok());
/// }
/// assert!(refused > 50);
/// # }
/// ```
///
/// The table is bounded: by default 10 000 keys, each forgotten when unused for ten minutes. Throttles that refuse calls are never
/// given up for a new key; if the table is full of those, further keys share one throttle.
///
/// # Clone
///
/// A clone has the same throttles.
pub struct KeyedThrottleLayer<K, Q, C = ErrorsAreFailures, O = ()> {
    table: Arc<Table<K, Q>>,
    rules: StripedArc<Rules<C, O>>,
}

struct Table<K, Q> {
    throttles: Keyed<K, Handle>,
    settings: Mutex<Settings>,
    key: Q,
}

/// The settings for keys to come, and how often they have been replaced.
struct Settings {
    config: Config,
    epoch: u64,
}

impl<K: Hash + Eq, Q> KeyedThrottleLayer<K, Q> {
    /// A throttle with these settings for each value of `key(&request)`.
    #[must_use]
    pub fn new<Req>(config: Config, key: Q) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
        Self::with_capacity(config, key, CAPACITY, Duration::from_secs(600))
    }

    /// At most `capacity` throttles, each forgotten when unused for `idle`.
    #[must_use]
    pub fn with_capacity<Req>(config: Config, key: Q, capacity: NonZeroUsize, idle: Duration) -> Self
    where
        Q: Fn(&Req) -> K,
    {
        Self {
            table: Arc::new(Table {
                throttles: Keyed::new(capacity, idle),
                settings: Mutex::new(Settings { config, epoch: 0 }),
                key,
            }),
            rules: StripedArc::new(Rules { classify: ErrorsAreFailures, observer: () }),
        }
    }
}

impl<K, Q, C, O> KeyedThrottleLayer<K, Q, C, O> {
    /// The throttles: to count and list them.
    #[must_use]
    pub fn throttles(&self) -> &Keyed<K, Handle> {
        &self.table.throttles
    }
}

impl<K: Hash + Eq, Q, C, O> KeyedThrottleLayer<K, Q, C, O> {
    /// The throttle of this key, made if there is none yet: to look at it, or to reset it.
    ///
    /// `None` if there is no room for the key, and it shares the [overflow](Keyed::overflow) with others.
    #[must_use]
    pub fn throttle(&self, key: K) -> Option<Handle> {
        let throttle = self.table.throttle(key, time::now());
        let is_shared = self.throttles().overflow().is_some_and(|overflow| overflow.is_same(&throttle));
        (!is_shared).then_some(throttle)
    }
}

impl<K: Hash + Eq, Q> Table<K, Q> {
    fn throttle(&self, key: K, now: Instant) -> Handle {
        let mut made_in = None;
        let throttle = self.throttles.get_or_insert_with(key, now, || {
            let settings = self.settings.lock();
            made_in = Some(settings.epoch);
            Handle::new(settings.config, now)
        });
        if let Some(epoch) = made_in {
            let settings = self.settings.lock();
            if settings.epoch != epoch {
                // `reconfigure` went through the table before this one was in it.
                throttle.reconfigure(settings.config, now);
            }
        }
        throttle
    }
}

impl<K: Hash + Eq + Clone, Q, C, O> KeyedThrottleLayer<K, Q, C, O> {
    /// Puts other settings in force, for the throttles there are and those to come: see
    /// [`Throttle::reconfigure`](Handle::reconfigure).
    pub fn reconfigure(&self, config: Config) {
        {
            let mut settings = self.table.settings.lock();
            settings.config = config;
            settings.epoch += 1;
        }
        let now = time::now();
        let throttles = self.throttles();
        let keyed = throttles.entries().into_iter().map(|(_, throttle)| throttle);
        for throttle in keyed.chain(throttles.overflow()) {
            throttle.reconfigure(config, now);
        }
    }
}

impl<K, Q, C, O: Clone> KeyedThrottleLayer<K, Q, C, O> {
    /// Judges answers by `classify`, on the same throttles.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> KeyedThrottleLayer<K, Q, D, O> {
        let rules = Rules { classify, observer: self.rules.observer.clone() };
        KeyedThrottleLayer { table: self.table, rules: StripedArc::new(rules) }
    }
}

impl<K, Q, C: Clone, O> KeyedThrottleLayer<K, Q, C, O> {
    /// Tells `observer` of the refusals of all throttles. It is not told the key.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> KeyedThrottleLayer<K, Q, C, P> {
        let rules = Rules { classify: self.rules.classify.clone(), observer };
        KeyedThrottleLayer { table: self.table, rules: StripedArc::new(rules) }
    }
}

impl<K, Q, C, O> Clone for KeyedThrottleLayer<K, Q, C, O> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), rules: self.rules.clone() }
    }
}

impl<S, K, Q, C, O> Layer<S> for KeyedThrottleLayer<K, Q, C, O> {
    type Service = KeyedThrottle<S, K, Q, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedThrottle { inner, layer: self.clone() }
    }
}

/// The service of [`KeyedThrottleLayer`].
pub struct KeyedThrottle<S, K, Q, C = ErrorsAreFailures, O = ()> {
    inner: S,
    layer: KeyedThrottleLayer<K, Q, C, O>,
}

impl<S: Clone, K, Q, C, O> Clone for KeyedThrottle<S, K, Q, C, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, K, Q, C, O, Req> Service<Req> for KeyedThrottle<S, K, Q, C, O>
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
        let throttle = table.throttle((table.key)(&request), now);
        match throttle.admit(|| now) {
            Ok(ticket) => {
                let cut = Cut::of(request.context());
                let hold = || HeldByKey::new(throttle.clone(), rules);
                ResponseFuture::call(ticket, cut, hold, || self.inner.call(request))
            }
            Err(rejected) => {
                rules.tell(&rejected);
                ResponseFuture::refused(rejected)
            }
        }
    }
}

impl<K, Q, C, O> fmt::Debug for KeyedThrottleLayer<K, Q, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedThrottleLayer").field("throttles", &self.table.throttles).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K, Q, C, O> fmt::Debug for KeyedThrottle<S, K, Q, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedThrottle").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
