use std::{
    fmt,
    hash::Hash,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

use resilience_core::{Observer, RateLimiter};
use tower_layer::{Identity, Layer};

use super::{Enter, Parts, ServerHandle, ServerSettings, handle::SetQuota, policies::Policies};
use crate::{
    adaptive::{self, Unshared},
    http::{ClassifyStatus, RespondLayer, correlation::CorrelationLayer, deadline::DeadlineHeader},
    rate_limit,
    stack::Invalid,
    time,
};

/// A server's stack with the default settings, named after what it serves.
///
/// ```
/// use axum::{Router, routing::get};
/// use resilience_tower::stack;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let api = stack::server("api");
/// let handle = api.handle().clone();
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(api);
///
/// let response = app.oneshot(http::Request::new(axum::body::Body::empty())).await.unwrap();
/// assert!(response.status().is_success());
/// assert_eq!(handle.adaptive().unwrap().snapshot().in_flight, 0);
/// # }
/// ```
#[must_use]
pub fn server(name: &str) -> ServerLayer {
    ServerLayer::from_checked(name, &ServerSettings::new())
}

/// A server's stack: see the [module](crate::stack).
///
/// Around services that answer `http::Request` with an `http::Response` whose body is an `http_body::Body`: a drain watches it to its
/// end. The errors of the service pass; an `axum` router has none.
///
/// # Clone
///
/// A clone shares all state: every service that the layer and its clones make belongs to one stack. `axum` makes one per route.
#[derive(Clone)]
pub struct ServerLayer<
    F = Unshared,
    L = RateLimiter,
    C = ClassifyStatus,
    O = (),
    Op = Identity,
    R = RespondLayer,
> {
    pub(super) handle: ServerHandle,
    pub(super) limits: Option<L>,
    pub(super) share: F,
    pub(super) classify: C,
    pub(super) observer: O,
    operation: Op,
    respond: R,
    pub(super) header: DeadlineHeader,
    /// Made of the above when the first service is.
    policies: Arc<OnceLock<Policies<F, L, C, O>>>,
}

impl ServerLayer {
    /// A stack with these settings, named after what it serves.
    ///
    /// # Errors
    ///
    /// If the settings [do not fit together](ServerSettings::check).
    pub fn new(name: &str, settings: &ServerSettings) -> Result<Self, Invalid> {
        settings.check()?;
        Ok(Self::from_checked(name, settings))
    }

    fn from_checked(name: &str, settings: &ServerSettings) -> Self {
        let limiter = settings.rate_limit.map(|quota| RateLimiter::new(quota, time::now()));
        let set_quota = limiter
            .clone()
            .map(|limiter| Box::new(move |quota| limiter.reconfigure(quota, time::now())) as Box<SetQuota>);
        Self {
            handle: ServerHandle::new(name, settings, set_quota),
            limits: limiter,
            share: Unshared,
            classify: ClassifyStatus,
            observer: (),
            operation: Identity::new(),
            respond: RespondLayer::new(),
            header: DeadlineHeader::default(),
            policies: Arc::default(),
        }
    }
}

impl<F, L, C, O, Op, R> ServerLayer<F, L, C, O, Op, R> {
    /// Keeps callers apart: `key` says of a [`Call`](resilience_core::Call) of the request whose it is, by a
    /// [header](crate::http::rate_limit::HeaderKey) or an [address](crate::http::rate_limit::ClientAddr). Each key gets a fair
    /// share of the adaptive limit, and a rate limit of its own.
    ///
    /// Call it before the stack is used: it makes a new one.
    #[must_use]
    pub fn per<K, Q>(self, key: Q) -> ServerLayer<adaptive::ByKey<Q>, rate_limit::ByKey<K, Q>, C, O, Op, R>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        Q: Clone + Send + Sync + 'static,
    {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
        let settings = self.handle.settings();
        let limits = settings.rate_limit.map(|quota| {
            let idle = quota.window().max(Duration::from_secs(600));
            rate_limit::ByKey::new(key.clone(), quota, CAPACITY, idle)
        });
        let set_quota = limits.clone().map(|limits| {
            Box::new(move |quota| limits.reconfigure(&(Arc::new(move |_: &K| quota) as _), time::now()))
                as Box<SetQuota>
        });
        let Self { classify, observer, operation, respond, header, .. } = self;
        let handle = ServerHandle::new(self.handle.name(), &settings, set_quota);
        let share = adaptive::ByKey::new(key);
        ServerLayer {
            handle,
            limits,
            share,
            classify,
            observer,
            operation,
            respond,
            header,
            policies: Arc::default(),
        }
    }

    /// Judges answers by `classify`, for the adaptive limit. By their status by default.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ServerLayer<F, L, D, O, Op, R> {
        let Self { handle, limits, share, observer, operation, respond, header, .. } = self;
        ServerLayer {
            handle,
            limits,
            share,
            classify,
            observer,
            operation,
            respond,
            header,
            policies: Arc::default(),
        }
    }

    /// Tells `observer` of what all policies decide.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> ServerLayer<F, L, C, P, Op, R> {
        let Self { handle, limits, share, classify, operation, respond, header, .. } = self;
        ServerLayer {
            handle,
            limits,
            share,
            classify,
            observer,
            operation,
            respond,
            header,
            policies: Arc::default(),
        }
    }

    /// Puts `layer` around the whole operation: metrics, a span. It sees refusals as errors.
    #[must_use]
    pub fn operation<M>(self, layer: M) -> ServerLayer<F, L, C, O, M, R> {
        let Self { handle, limits, share, classify, observer, respond, header, policies, .. } = self;
        let operation = layer;
        ServerLayer { handle, limits, share, classify, observer, operation, respond, header, policies }
    }

    /// Turns refusals into responses by `layer`, in place of a [`RespondLayer`].
    #[must_use]
    pub fn respond<M>(self, layer: M) -> ServerLayer<F, L, C, O, Op, M> {
        let Self { handle, limits, share, classify, observer, operation, header, policies, .. } = self;
        let respond = layer;
        ServerLayer { handle, limits, share, classify, observer, operation, respond, header, policies }
    }

    /// Reads the caller's deadline from this header. By default `x-request-timeout-ms`.
    #[must_use]
    pub fn deadline_header(mut self, header: DeadlineHeader) -> Self {
        self.header = header;
        self.policies = Arc::default();
        self
    }

    /// The handle of the stack: to look at its policies, to drain it, and to change its settings while it runs.
    #[must_use]
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }
}

/// Over gRPC.
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
impl<F, L, C, O, Op, R> ServerLayer<F, L, C, O, Op, R> {
    /// The same over gRPC: refusals are answered by a status, answers are judged by theirs, and the deadline is in `grpc-timeout`.
    #[must_use]
    pub fn grpc(self) -> ServerLayer<F, L, crate::grpc::ClassifyGrpc, O, Op, crate::grpc::RespondLayer> {
        self.deadline_header(DeadlineHeader::grpc())
            .classify(crate::grpc::ClassifyGrpc)
            .respond(crate::grpc::RespondLayer::new())
    }
}

impl<S, F, L, C, O, Op, R> Layer<S> for ServerLayer<F, L, C, O, Op, R>
where
    F: Clone,
    L: Clone,
    C: Clone,
    O: Observer + Clone,
    Op: Layer<Parts<S, F, L, C, O>>,
    R: Layer<Op::Service>,
    CorrelationLayer: Layer<R::Service>,
{
    type Service = <CorrelationLayer as Layer<R::Service>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        let policies = self.policies.get_or_init(|| Policies::new(self));
        let inner = Enter::new(policies.layer(inner), Arc::clone(&self.handle.limits));
        let inner = self.operation.layer(inner);
        CorrelationLayer::new().answered(true).layer(self.respond.layer(inner))
    }
}

impl<F, L, C, O, Op, R> fmt::Debug for ServerLayer<F, L, C, O, Op, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").field("handle", &self.handle).finish_non_exhaustive()
    }
}
