use tower_layer::Layer;

use super::WithReplayBody;

/// Makes requests with bodies that stream fit to be sent again. Directly around the retry layer.
///
/// What it wraps gets the body as a [`ReplayBody`](super::ReplayBody). It may stand inside of a [`CallLayer`](crate::CallLayer) or
/// outside. A request whose body is in memory (`Full`, `Bytes`, `String`) needs no such layer.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use resilience_tower::{http::{ReplayBody, ReplayBodyLayer}, retry::Replay};
/// use std::io;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// type Body = Full<Bytes>; // one that streams, in earnest
///
/// /// In place of a retry layer: sends every request twice.
/// async fn twice(request: Request<ReplayBody<Body>>) -> io::Result<Response<String>> {
///     let second = request.try_clone().ok_or_else(|| io::Error::other("no copy"))?;
///     let first = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
///     let second = second.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
///     Ok(Response::new(format!("{first:?} and {second:?}")))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let service = ServiceBuilder::new().layer(ReplayBodyLayer::new()).service(service_fn(twice));
/// let response = service.oneshot(Request::post("/orders").body(Body::from("2 pears"))?).await?;
/// assert_eq!(response.into_body(), r#"b"2 pears" and b"2 pears""#);
/// # Ok(())
/// # }
/// ```
///
/// # Transports
///
/// The innermost service has to take the body as it is, or to be given it as something it takes:
///
/// * `hyper_util`'s legacy client is generic: build it as `Client<_, ReplayBody<Body>>`.
/// * `tonic`'s channel: `.map_request(|request: http::Request<ReplayBody<Body>>| request.map(tonic::body::Body::new))` around it.
/// * `reqwest` has requests of its own, which are sent again if their body is in memory; no such layer fits them.
///
/// The body has to be `Unpin`, as those of `axum`, `tonic` and `hyper` are; `Box::pin` makes any other so.
///
/// # Choosing a value
///
/// The cap is what one request may hold in memory until its last attempt begins. 64 KiB is what
/// [linkerd's proxy](https://linkerd.io/2.18/reference/retries/) allows: more than most calls of an API send, and a thousand
/// requests at once hold 64 MiB at the most.
#[derive(Clone, Copy, Debug)]
pub struct ReplayBodyLayer {
    cap: usize,
}

impl ReplayBodyLayer {
    /// Keeps up to 64 KiB of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self::up_to(64 * 1024)
    }

    /// Keeps up to `bytes` of a body. With 0, only a body that is empty, or of which nothing was sent yet, is sent again.
    #[must_use]
    pub const fn up_to(bytes: usize) -> Self {
        Self { cap: bytes }
    }
}

impl Default for ReplayBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = WithReplayBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithReplayBody { inner, cap: self.cap }
    }
}
