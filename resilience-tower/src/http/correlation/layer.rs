use http::HeaderName;
use tower_layer::Layer;

use super::{Correlation, CorrelationId};

/// The header that ids are in unless another is given.
pub const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Sees to it that every request has a [`CorrelationId`]: the one it came with, or a new one if that is missing or bad.
///
/// For `http::Request`, `reqwest::Request` (feature `reqwest`) and a [`Call`](crate::CallLayer) of either.
///
/// ```
/// use http::{Request, Response};
/// use resilience_tower::http::correlation::{CorrelationLayer, X_CORRELATION_ID};
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let server = ServiceBuilder::new()
///     .layer(CorrelationLayer::new().answered(true))
///     .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
///
/// let known = Request::get("/").header(X_CORRELATION_ID, "order-7").body(())?;
/// assert_eq!(server.clone().oneshot(known).await?.headers()[X_CORRELATION_ID], "order-7");
///
/// let hostile = Request::get("/").header(X_CORRELATION_ID, "7\"><script>").body(())?;
/// assert_eq!(server.oneshot(hostile).await?.headers()[X_CORRELATION_ID].len(), 32);
/// # Ok(())
/// # }
/// ```
///
/// See the [module](super) for where it stands.
///
/// What it replaces it does not report: a value that is not good is nowhere to be seen, neither further in nor in a log of ours. An id
/// that is kept costs a look at the headers; a new one costs its text.
#[derive(Clone, Debug)]
pub struct CorrelationLayer<F = fn() -> CorrelationId> {
    pub(super) name: HeaderName,
    pub(super) create: F,
    pub(super) answered: bool,
}

impl CorrelationLayer {
    /// Ids in `x-correlation-id`; new ones are [random](CorrelationId::random).
    #[must_use]
    pub fn new() -> Self {
        Self { name: X_CORRELATION_ID, create: CorrelationId::random, answered: false }
    }
}

impl Default for CorrelationLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> CorrelationLayer<F> {
    /// The header that the id is in. `x-correlation-id` by default; `x-request-id` is what proxies (Envoy, nginx, Heroku's router)
    /// write.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { name, ..self }
    }

    /// Makes new ids by `create`, in place of random ones.
    #[must_use]
    pub fn create<G>(self, create: G) -> CorrelationLayer<G>
    where
        G: Fn() -> CorrelationId,
    {
        CorrelationLayer { name: self.name, create, answered: self.answered }
    }

    /// Whether responses get the id too, in the same header and in place of what may be there. For servers; not by default.
    #[must_use]
    pub fn answered(self, answered: bool) -> Self {
        Self { answered, ..self }
    }
}

impl<S, F: Clone> Layer<S> for CorrelationLayer<F> {
    type Service = Correlation<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Correlation { inner, layer: self.clone() }
    }
}
