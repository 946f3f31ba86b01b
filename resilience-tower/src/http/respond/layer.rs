use std::fmt;

use bytes::Bytes;
use http::Response;
use resilience_core::Rejected;
use tower_layer::Layer;

use super::{Respond, response};

/// Turns refusals into responses. Outermost on a server: what it wraps fails with [`Error<E>`](resilience_core::Error), it with `E`.
///
/// Over an `axum` router, whose services cannot fail, no `HandleErrorLayer` is needed:
///
/// ```
/// use axum::{Router, routing::get};
/// use http::{Request, StatusCode};
/// use resilience_tower::{ErrorLayer, TimeoutLayer, http::RespondLayer};
/// use std::{future::pending, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = Router::new().route("/", get(pending::<()>)).layer(
///     ServiceBuilder::new()
///         .layer(RespondLayer::new())
///         .layer(TimeoutLayer::total(Duration::from_millis(10)))
///         .layer(ErrorLayer::new()),
/// );
///
/// let response = server.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
/// assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # }
/// ```
///
/// See [`response`] for which response it is, and [`RespondLayer::response`] to send another. The body of all responses is
/// [`RespondBody`](super::RespondBody), which is a body where the wrapped service's is.
///
/// # Errors
///
/// An error that is no refusal passes through as it is: nothing is known of it, a body least of all. With
/// `Error<Infallible>` inside there is none. With `Error<E>` or [`BoxError`](resilience_core::BoxError) inside, the service fails
/// with `E` or `BoxError`: `hyper` then closes the connection or resets the stream, and `axum` does not compile until a
/// `HandleErrorLayer` outside, or `map_err` inside, has said what it is to its clients.
#[derive(Clone, Copy)]
pub struct RespondLayer<F = fn(&Rejected) -> Response<Bytes>> {
    respond: F,
}

impl RespondLayer {
    /// Answers refusals with [`response`].
    #[must_use]
    pub fn new() -> Self {
        Self { respond: response }
    }
}

impl Default for RespondLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> RespondLayer<F> {
    /// Answers refusals with what `respond` makes of them. Default: [`response`](fn@response).
    ///
    /// It is cloned for each call, and must not block. Mind that the texts of a [`Rejected`] have numbers in them which are
    /// nobody's business outside.
    ///
    /// ```
    /// use http::{Response, header::CONTENT_TYPE};
    /// use resilience_core::Rejected;
    /// use resilience_tower::http::{RespondLayer, response};
    ///
    /// // The same status and `Retry-After`, and a text for people.
    /// let layer = RespondLayer::new().response(|rejected: &Rejected| {
    ///     let mut response = response(rejected).map(|_| "Please come back later.");
    ///     response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().expect("a header value"));
    ///     response
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn response<G, T>(self, respond: G) -> RespondLayer<G>
    where
        G: Fn(&Rejected) -> Response<T>,
        T: Into<Bytes>,
    {
        RespondLayer { respond }
    }
}

impl<S, F: Clone> Layer<S> for RespondLayer<F> {
    type Service = Respond<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond::new(inner, self.respond.clone())
    }
}

impl<F> fmt::Debug for RespondLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondLayer").finish_non_exhaustive()
    }
}
