//! Errors that do not name the URL.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use reqwest::{Request, Response};
use tower_service::Service;

/// A `reqwest::Client` whose errors do not name the URL, which may hold keys and names of people.
///
/// Whoever has sent the request knows where to. Logs and traces, which print errors, need not. What is inside of a [`Client`] is this.
///
/// ```
/// use resilience_tower::reqwest::WithoutUrl;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let request = reqwest::Request::new(reqwest::Method::GET, "ftp://127.0.0.1/?key=secret".parse()?);
/// let error = WithoutUrl::new(reqwest::Client::new()).oneshot(request).await.unwrap_err();
/// assert_eq!(error.to_string(), "builder error");
/// # Ok(())
/// # }
/// ```
///
/// [`Client`]: super::Client
#[derive(Clone)]
pub struct WithoutUrl {
    inner: reqwest::Client,
}

impl WithoutUrl {
    /// Sends requests by `inner`.
    #[must_use]
    pub const fn new(inner: reqwest::Client) -> Self {
        Self { inner }
    }
}

impl Service<Request> for WithoutUrl {
    type Response = Response;
    type Error = reqwest::Error;
    type Future = WithoutUrlFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> WithoutUrlFuture {
        WithoutUrlFuture { inner: self.inner.call(request) }
    }
}

/// Without the inner client, whose headers and proxies may hold keys.
impl fmt::Debug for WithoutUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithoutUrl").finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of [`WithoutUrl`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WithoutUrlFuture {
        #[pin]
        inner: <reqwest::Client as Service<Request>>::Future,
    }
}

impl Future for WithoutUrlFuture {
    type Output = reqwest::Result<Response>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(reqwest::Error::without_url)
    }
}

/// Without the request.
impl fmt::Debug for WithoutUrlFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithoutUrlFuture").finish_non_exhaustive()
    }
}
