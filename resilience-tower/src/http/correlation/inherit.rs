use std::{
    cell::Cell,
    task::{Context, Poll},
};

use http::HeaderName;
use tower_layer::Layer;
use tower_service::Service;

use super::{CorrelationId, X_CORRELATION_ID};
use crate::http::Headers;
#[cfg(feature = "idempotency")]
use {
    crate::call::under::Under,
    std::{
        future::{Future, poll_fn},
        pin::pin,
    },
};

thread_local! {
    /// The id of what is being polled on this thread.
    pub(super) static ID: Cell<Option<CorrelationId>> = const { Cell::new(None) };
}

/// The id of the request that a server is working on, for the code that does: where a [`CorrelationLayer`](super::CorrelationLayer) is
/// around it.
///
/// It goes with the future of the handler, from thread to thread, and not into what `tokio::spawn` starts.
#[must_use]
pub fn inherited() -> Option<CorrelationId> {
    let here = |there: &Cell<Option<CorrelationId>>| {
        let id = there.take();
        there.set(id.clone());
        id
    };
    ID.try_with(here).unwrap_or_default()
}

/// Runs `future` under an id, in a task that is not the handler's.
#[cfg(feature = "idempotency")]
pub(crate) async fn under<F: Future>(mut id: Option<CorrelationId>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _under = Under::new(&ID, &mut id);
        future.as_mut().poll(cx)
    })
    .await
}

/// Takes over the id of the request that a server is working on, for a request that has none of its own.
///
/// On a client, inside of retry or outside: each attempt finds the same id. It finds what a
/// [`CorrelationLayer`](super::CorrelationLayer) around the handler has left; without one it changes nothing, and makes no ids.
///
/// ```
/// use http::{Request, Response};
/// use resilience_tower::http::correlation::{CorrelationLayer, InheritLayer, X_CORRELATION_ID};
/// use std::convert::Infallible;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let client = InheritLayer::new().layer(service_fn(async |outgoing: Request<()>| {
///     Ok::<_, Infallible>(Response::new(outgoing.headers()[X_CORRELATION_ID].clone()))
/// }));
/// let server = CorrelationLayer::new()
///     .layer(service_fn(move |_: Request<()>| client.clone().oneshot(Request::new(()))));
///
/// let request = Request::get("/").header(X_CORRELATION_ID, "order-7").body(())?;
/// assert_eq!(server.oneshot(request).await?.into_body(), "order-7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InheritLayer {
    name: HeaderName,
}

impl InheritLayer {
    /// Writes the id into `x-correlation-id`.
    #[must_use]
    pub fn new() -> Self {
        Self { name: X_CORRELATION_ID }
    }

    /// Writes it into this header, whatever the one is called that it came in.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { name }
    }
}

impl Default for InheritLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for InheritLayer {
    type Service = Inherit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Inherit { inner, name: self.name.clone() }
    }
}

/// The service of [`InheritLayer`].
#[derive(Clone, Debug)]
pub struct Inherit<S> {
    inner: S,
    name: HeaderName,
}

impl<S, Req> Service<Req> for Inherit<S>
where
    S: Service<Req>,
    Req: Headers,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        if !request.headers().contains_key(&self.name) {
            if let Some(id) = inherited() {
                request.headers_mut().insert(&self.name, id.into());
            }
        }
        self.inner.call(request)
    }
}
