use std::{hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{ErrorsAreFailures, Observer, RetryPolicy};
#[cfg(feature = "grpc")]
use tower_layer::Stack;
use tower_layer::{Identity, Layer};

use super::{
    Client, ClientHandle, ClientSettings, OneDestination, Parts, Plain, carried::Carried, service::Attempt,
};
use crate::{
    BulkheadLayer, PerKeyLayer, RateLimitLayer, RetryLayer, TimeoutLayer, TransportLayer,
    per_key::{ByKey, Table},
    stack::{Invalid, optional::OptionalLayer},
};

/// A client's stack with the default settings, named after what it calls.
///
/// ```
/// use resilience_tower::stack;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greeter = stack::client("greeter")
///     .layer(service_fn(|name: String| async move { Ok::<_, &str>(format!("hello {name}")) }));
/// assert_eq!(greeter.oneshot("world".to_owned()).await, Ok("hello world".to_owned()));
/// # }
/// ```
#[must_use]
pub fn client(name: &str) -> ClientLayer {
    ClientLayer::from_checked(name, &ClientSettings::new())
}

/// A client's stack: see the [module](crate::stack).
///
/// # Clone
///
/// A clone shares all state: every service that the layer and its clones make belongs to one stack.
#[derive(Debug)]
pub struct ClientLayer<
    K = (),
    Q = OneDestination,
    C = ErrorsAreFailures,
    O = (),
    Op = Identity,
    At = Identity,
> {
    handle: ClientHandle<K>,
    key: Q,
    classify: C,
    observer: O,
    operation: Op,
    attempt: At,
}

impl ClientLayer {
    /// A stack with these settings, named after what it calls.
    ///
    /// # Errors
    ///
    /// If the settings [do not fit together](ClientSettings::check).
    pub fn new(name: &str, settings: &ClientSettings) -> Result<Self, Invalid> {
        settings.check()?;
        Ok(Self::from_checked(name, settings))
    }

    fn from_checked(name: &str, settings: &ClientSettings) -> Self {
        Self {
            handle: ClientHandle::new(name, settings, table(settings)),
            key: OneDestination,
            classify: ErrorsAreFailures,
            observer: (),
            operation: Identity::new(),
            attempt: Identity::new(),
        }
    }
}

fn table<K: Hash + Eq>(settings: &ClientSettings) -> Arc<Table<K>> {
    const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
    Arc::new(Table::new(settings.per_key(), CAPACITY, Duration::from_secs(600)))
}

impl<K, Q, C, O, Op, At> ClientLayer<K, Q, C, O, Op, At> {
    /// Gives each destination policies of its own: `key` is a function of the [`Call`](resilience_core::Call), or another
    /// [`Key`](crate::per_key::Key) such as [`Destination`](super::Destination).
    ///
    /// Call it before the stack is used: the new table is empty.
    #[must_use]
    pub fn per<J: Hash + Eq, P>(self, key: P) -> ClientLayer<J, P, C, O, Op, At> {
        let handle = self.handle.with_table(table(&self.handle.settings()));
        let Self { classify, observer, operation, attempt, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt }
    }

    /// Judges answers by `classify`: one definition for all policies.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ClientLayer<K, Q, D, O, Op, At> {
        let Self { handle, key, observer, operation, attempt, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt }
    }

    /// Tells `observer` of what all policies decide.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> ClientLayer<K, Q, C, P, Op, At> {
        let Self { handle, key, classify, operation, attempt, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt }
    }

    /// Puts `layer` around the whole operation: metrics, a span. It sees each operation once, with the request as it was sent.
    #[must_use]
    pub fn operation<L>(self, layer: L) -> ClientLayer<K, Q, C, O, L, At> {
        let Self { handle, key, classify, observer, attempt, .. } = self;
        ClientLayer { handle, key, classify, observer, operation: layer, attempt }
    }

    /// Puts `layer` around each attempt, inside of all that may refuse it. It sees a [`Call`](resilience_core::Call) of the request.
    #[must_use]
    pub fn attempt<L>(self, layer: L) -> ClientLayer<K, Q, C, O, Op, L> {
        let Self { handle, key, classify, observer, operation, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt: layer }
    }

    /// Takes requests in a [`Call`](resilience_core::Call), so that each can have a context of its own: a deadline, timeouts, leave to be
    /// repeated.
    ///
    /// ```
    /// use resilience_core::{Call, Context};
    /// use resilience_tower::stack;
    /// use std::time::Duration;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let reports = stack::client("reports").calls().layer(service_fn(|_: u32| async { Ok::<_, &str>("a report") }));
    /// let patient = Context::new().with_total_timeout(Duration::from_secs(60));
    /// assert_eq!(reports.oneshot(Call::with_context(7, patient)).await, Ok("a report"));
    /// # }
    /// ```
    #[must_use]
    pub const fn calls(self) -> Calls<Self> {
        Calls(self)
    }

    /// Puts `layer` inside of what is around each attempt.
    #[cfg(feature = "grpc")]
    pub(crate) fn inside_attempt<L>(self, layer: L) -> ClientLayer<K, Q, C, O, Op, Stack<L, At>> {
        let Self { handle, key, classify, observer, operation, attempt } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt: Stack::new(layer, attempt) }
    }

    /// The handle of the stack: to look at its policies, and to change its settings while it runs.
    #[must_use]
    pub fn handle(&self) -> &ClientHandle<K> {
        &self.handle
    }
}

impl<K, Q, C, O, Op, At> ClientLayer<K, Q, C, O, Op, At> {
    fn parts<S>(&self, inner: S) -> Client<Parts<S, C, O, At>, K, Q>
    where
        Q: Clone,
        C: Clone,
        O: Observer + Clone,
        At: Layer<Attempt<S, O>>,
    {
        /// What the stack says itself for each call is in its context.
        const ELSEWHERE: Duration = Duration::MAX;
        let observer = || self.observer.clone();
        let limits = &self.handle.limits;
        let bulkhead =
            limits.bulkhead.clone().map(|b| BulkheadLayer::with_bulkhead(b).with_observer(observer()));
        let rate_limit = limits.rate_limit.clone().map(|limiter| {
            let layer = RateLimitLayer::with_limiter(limiter).with_observer(observer());
            if limits.rate_limit_wait.is_zero() { layer } else { layer.max_wait(limits.rate_limit_wait) }
        });
        let retry = RetryLayer::new(RetryPolicy::new().max_attempts(1))
            .classify(self.classify.clone())
            .with_budgets(Carried)
            .with_observer(observer());
        let retry = match limits.next_seed() {
            Some(seed) => retry.with_seed(seed),
            None => retry,
        };
        let per_key =
            PerKeyLayer::with_find(Carried).classify(self.classify.clone()).with_observer(observer());

        let inner = TimeoutLayer::attempt(ELSEWHERE)
            .with_observer(observer())
            .layer(TransportLayer::new().layer(inner));
        let inner = retry.layer(per_key.layer(self.attempt.layer(inner)));
        let inner = OptionalLayer(bulkhead).layer(OptionalLayer(rate_limit).layer(inner));
        let inner = TimeoutLayer::total(ELSEWHERE).with_observer(observer()).layer(inner);
        let find = ByKey::new(Arc::clone(&self.handle.table), self.key.clone());
        Client::new(inner, find)
    }
}

/// Takes requests as they are: see [`IntoCall`](super::IntoCall).
impl<S, K, Q, C, O, Op, At> Layer<S> for ClientLayer<K, Q, C, O, Op, At>
where
    Q: Clone,
    C: Clone,
    O: Observer + Clone,
    At: Layer<Attempt<S, O>>,
    Op: Layer<Plain<Client<Parts<S, C, O, At>, K, Q>>>,
{
    type Service = Op::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.operation.layer(Plain::new(self.parts(inner)))
    }
}

/// The same stack for requests in a [`Call`](resilience_core::Call), each with a context of its own: see [`ClientLayer::calls`].
#[derive(Clone, Debug)]
pub struct Calls<L>(L);

impl<S, K, Q, C, O, Op, At> Layer<S> for Calls<ClientLayer<K, Q, C, O, Op, At>>
where
    Q: Clone,
    C: Clone,
    O: Observer + Clone,
    At: Layer<Attempt<S, O>>,
    Op: Layer<Client<Parts<S, C, O, At>, K, Q>>,
{
    type Service = Op::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.operation.layer(self.0.parts(inner))
    }
}

impl<K, Q: Clone, C: Clone, O: Clone, Op: Clone, At: Clone> Clone for ClientLayer<K, Q, C, O, Op, At> {
    fn clone(&self) -> Self {
        let Self { handle, key, classify, observer, operation, attempt } = self;
        Self {
            handle: handle.clone(),
            key: key.clone(),
            classify: classify.clone(),
            observer: observer.clone(),
            operation: operation.clone(),
            attempt: attempt.clone(),
        }
    }
}
