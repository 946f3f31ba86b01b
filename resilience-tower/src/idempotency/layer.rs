use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{Guard, Idempotent, service::Layered};

/// Runs each operation once for each key, and answers whoever comes with the same key with the same response.
///
/// Over an axum router:
///
/// ```
/// use axum::{Router, routing::post};
/// use http::Request;
/// use resilience_core::idempotency::memory::Config;
/// use resilience_tower::idempotency::{Guard, IdempotencyLayer, http::Http, memory_store};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let paid = Arc::new(AtomicU32::new(0));
/// let counted = Arc::clone(&paid);
/// let pay = async move || format!("payment {}", counted.fetch_add(1, Ordering::SeqCst) + 1);
///
/// let guard = Guard::new(memory_store(Config::new()));
/// let server = Router::new()
///     .route("/payments", post(pay))
///     .layer(IdempotencyLayer::new(guard.clone(), Http::single_tenant()));
///
/// for replayed in [false, true] {
///     let request = Request::post("/payments").header("idempotency-key", "7b5f1a").body(axum::body::Body::empty());
///     let response = server.clone().oneshot(request.unwrap()).await.unwrap();
///     assert_eq!(response.status(), 200);
///     assert_eq!(response.headers().contains_key("idempotent-replayed"), replayed);
/// }
/// assert_eq!(paid.load(Ordering::SeqCst), 1);
/// # }
/// ```
///
/// # Where it goes
///
/// Inside of authentication, rate limits, compression and CORS; outside of bulkheads and timeouts, which bound the work only from
/// within. Whoever may no longer see a response must be refused before this layer: it replays to everybody in the scope.
///
/// # Errors
///
/// The wrapped service's own. Refusals are answers: see [`Http`](super::http::Http).
///
/// # Clone
///
/// A clone has the same guard and protocol, as have all services that the layer makes.
pub struct IdempotencyLayer<P, St, O = ()> {
    layered: Arc<Layered<P, St, O>>,
}

impl<P, St, O> IdempotencyLayer<P, St, O> {
    /// Guards what `protocol` says with `guard`.
    #[must_use]
    pub fn new(guard: Guard<St, O>, protocol: P) -> Self {
        Self { layered: Arc::new(Layered { guard, protocol }) }
    }

    /// The guard: to drain it, or to look at it.
    #[must_use]
    pub fn guard(&self) -> &Guard<St, O> {
        &self.layered.guard
    }
}

impl<S, P, St, O> Layer<S> for IdempotencyLayer<P, St, O> {
    type Service = Idempotent<S, P, St, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Idempotent::new(inner, Arc::clone(&self.layered))
    }
}

impl<P, St, O> Clone for IdempotencyLayer<P, St, O> {
    fn clone(&self) -> Self {
        Self { layered: Arc::clone(&self.layered) }
    }
}

impl<P: fmt::Debug, St, O> fmt::Debug for IdempotencyLayer<P, St, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layered.describe(&mut f.debug_struct("IdempotencyLayer"))
    }
}
