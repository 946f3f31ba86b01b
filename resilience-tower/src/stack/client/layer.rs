use std::{hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use resilience_core::{ErrorsAreFailures, Observer, RetryPolicy};
#[cfg(feature = "http")]
use tower_layer::Stack;
use tower_layer::{Identity, Layer};

use super::{
    Client, ClientHandle, ClientSettings, OneDestination, Parts, Plain, carried::Carried, service::Attempt,
};
#[cfg(feature = "http")]
use crate::http::{correlation, deadline::WriteDeadlineLayer};
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
    W = Identity,
> {
    handle: ClientHandle<K>,
    key: Q,
    classify: C,
    observer: O,
    operation: Op,
    attempt: At,
    /// What writes to the wire, inside of all else that is around an attempt.
    wire: W,
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
            wire: Identity::new(),
        }
    }
}

fn table<K: Hash + Eq>(settings: &ClientSettings) -> Arc<Table<K>> {
    const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
    Arc::new(Table::new(settings.per_key(), CAPACITY, Duration::from_secs(600)))
}

impl<K, Q, C, O, Op, At, W> ClientLayer<K, Q, C, O, Op, At, W> {
    /// Gives each destination policies of its own: `key` is a function of the [`Call`](resilience_core::Call), or another
    /// [`Key`](crate::per_key::Key) such as [`Destination`](super::Destination).
    ///
    /// Call it before the stack is used: the new table is empty.
    #[must_use]
    pub fn per<J: Hash + Eq, P>(self, key: P) -> ClientLayer<J, P, C, O, Op, At, W> {
        let handle = self.handle.with_table(table(&self.handle.settings()));
        let Self { classify, observer, operation, attempt, wire, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt, wire }
    }

    /// Judges answers by `classify`: one definition for all policies.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ClientLayer<K, Q, D, O, Op, At, W> {
        let Self { handle, key, observer, operation, attempt, wire, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt, wire }
    }

    /// Tells `observer` of what all policies decide.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> ClientLayer<K, Q, C, P, Op, At, W> {
        let Self { handle, key, classify, operation, attempt, wire, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt, wire }
    }

    /// Puts `layer` around the whole operation: metrics, a span. It sees each operation once, with the request as it was sent.
    #[must_use]
    pub fn operation<L>(self, layer: L) -> ClientLayer<K, Q, C, O, L, At, W> {
        let Self { handle, key, classify, observer, attempt, wire, .. } = self;
        ClientLayer { handle, key, classify, observer, operation: layer, attempt, wire }
    }

    /// Puts `layer` around each attempt, inside of all that may refuse it. It sees a [`Call`](resilience_core::Call) of the request.
    #[must_use]
    pub fn attempt<L>(self, layer: L) -> ClientLayer<K, Q, C, O, Op, L, W> {
        let Self { handle, key, classify, observer, operation, wire, .. } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt: layer, wire }
    }

    /// Fills both slots at once, [`operation`](Self::operation) and [`attempt`](Self::attempt): with spans and metrics, for one.
    ///
    /// ```
    /// use resilience_core::{Call, ErrorsAreFailures};
    /// use resilience_metrics::Telemetry;
    /// use resilience_tower::stack;
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tracing::Span;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let spans = Telemetry::new("greeter")
    ///     .spans(ErrorsAreFailures)
    ///     // In the span of the attempt, so that each has a trace context of its own.
    ///     .on_attempt(|span: &Span, call: &mut Call<String>| {
    ///         let id = span.id().map_or(0, |id| id.into_u64());
    ///         call.request_mut().push_str(&format!(", attempt {id:x}"));
    ///     });
    /// let greeter = stack::client("greeter")
    ///     .slots(spans.layers_with_metrics())
    ///     .layer(service_fn(|name: String| async move { Ok::<_, &str>(format!("hello {name}")) }));
    /// assert_eq!(greeter.oneshot("world".to_owned()).await, Ok("hello world, attempt 0".to_owned()));
    /// # }
    /// ```
    #[must_use]
    pub fn slots<L, M>(self, (operation, attempt): (L, M)) -> ClientLayer<K, Q, C, O, L, M, W> {
        self.operation(operation).attempt(attempt)
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

    /// Writes into a header of each attempt, `x-request-timeout-ms`, how much time is left for it: see
    /// [`WriteDeadlineLayer`]. Not by default: other people's servers have no use for it, and learn how patient this client is.
    ///
    /// A server under a [stack](crate::stack#a-server-outermost-first) reads it, and works no longer than its caller waits. For another
    /// header put a `WriteDeadlineLayer` into the slot for the [attempt](Self::attempt).
    ///
    /// ```
    /// use http::{Request, Response};
    /// use resilience_tower::stack;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let own = stack::client("stock").forward_deadline().forward_correlation_id();
    /// let service = own.layer(service_fn(async |sent: Request<()>| Ok::<_, &str>(Response::new(sent.headers().clone()))));
    /// let sent = service.oneshot(Request::new(())).await.unwrap().into_body();
    /// assert_eq!(sent["x-request-timeout-ms"], "2000", "the attempt timeout");
    /// assert!(!sent.contains_key("x-correlation-id"), "no request is being worked on here");
    /// # }
    /// ```
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn forward_deadline(self) -> ClientLayer<K, Q, C, O, Op, At, Stack<WriteDeadlineLayer, W>> {
        self.inside_attempt(WriteDeadlineLayer::new())
    }

    /// Writes the correlation id of the request that a handler works on into the calls that it makes, in `x-correlation-id`: see
    /// [`correlation`]. Not by default: an id that a client has sent is no secret, and yet nobody else's business.
    ///
    /// A request that has an id keeps it, and without a handler there is none. For another header put an
    /// [`InheritLayer`](correlation::InheritLayer) into the slot for the [attempt](Self::attempt).
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn forward_correlation_id(
        self,
    ) -> ClientLayer<K, Q, C, O, Op, At, Stack<correlation::InheritLayer, W>> {
        self.inside_attempt(correlation::InheritLayer::new())
    }

    /// Puts `layer` inside of what is around each attempt.
    #[cfg(feature = "http")]
    pub(crate) fn inside_attempt<L>(self, layer: L) -> ClientLayer<K, Q, C, O, Op, At, Stack<L, W>> {
        let Self { handle, key, classify, observer, operation, attempt, wire } = self;
        ClientLayer { handle, key, classify, observer, operation, attempt, wire: Stack::new(layer, wire) }
    }

    /// The handle of the stack: to look at its policies, and to change its settings while it runs.
    #[must_use]
    pub fn handle(&self) -> &ClientHandle<K> {
        &self.handle
    }
}

impl<K, Q, C, O, Op, At, W> ClientLayer<K, Q, C, O, Op, At, W> {
    fn parts<S>(&self, inner: S) -> Client<Parts<S, C, O, At, W>, K, Q>
    where
        Q: Clone,
        C: Clone,
        O: Observer + Clone,
        At: Layer<W::Service>,
        W: Layer<Attempt<S, O>>,
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
        let inner = retry.layer(per_key.layer(self.attempt.layer(self.wire.layer(inner))));
        let inner = OptionalLayer(bulkhead).layer(OptionalLayer(rate_limit).layer(inner));
        let inner = TimeoutLayer::total(ELSEWHERE).with_observer(observer()).layer(inner);
        let find = ByKey::new(Arc::clone(&self.handle.table), self.key.clone());
        Client::new(inner, find)
    }
}

/// Takes requests as they are: see [`IntoCall`](super::IntoCall).
impl<S, K, Q, C, O, Op, At, W> Layer<S> for ClientLayer<K, Q, C, O, Op, At, W>
where
    Q: Clone,
    C: Clone,
    O: Observer + Clone,
    At: Layer<W::Service>,
    W: Layer<Attempt<S, O>>,
    Op: Layer<Plain<Client<Parts<S, C, O, At, W>, K, Q>>>,
{
    type Service = Op::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.operation.layer(Plain::new(self.parts(inner)))
    }
}

/// The same stack for requests in a [`Call`](resilience_core::Call), each with a context of its own: see [`ClientLayer::calls`].
#[derive(Clone, Debug)]
pub struct Calls<L>(L);

impl<S, K, Q, C, O, Op, At, W> Layer<S> for Calls<ClientLayer<K, Q, C, O, Op, At, W>>
where
    Q: Clone,
    C: Clone,
    O: Observer + Clone,
    At: Layer<W::Service>,
    W: Layer<Attempt<S, O>>,
    Op: Layer<Client<Parts<S, C, O, At, W>, K, Q>>,
{
    type Service = Op::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.operation.layer(self.0.parts(inner))
    }
}

impl<K, Q: Clone, C: Clone, O: Clone, Op: Clone, At: Clone, W: Clone> Clone
    for ClientLayer<K, Q, C, O, Op, At, W>
{
    fn clone(&self) -> Self {
        let Self { handle, key, classify, observer, operation, attempt, wire } = self;
        Self {
            handle: handle.clone(),
            key: key.clone(),
            classify: classify.clone(),
            observer: observer.clone(),
            operation: operation.clone(),
            attempt: attempt.clone(),
            wire: wire.clone(),
        }
    }
}
