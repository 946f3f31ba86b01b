//! A request of the guarded client, before it is sent.

use std::{fmt, time::Duration};

use reqwest::{
    Body, Request,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use resilience_core::{Call, Context, Deadline, Error, retry::Trail};
use tower_service::Service;

use super::{Guarded, ResponseFuture};

/// A request of a [`Client`](super::Client), before it is sent: a `reqwest::RequestBuilder` and the call's context.
///
/// What people use most is here; [`map`](Self::map) reaches the rest.
///
/// ```
/// use std::time::Duration;
/// use resilience_tower::reqwest::Client;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = Client::new("orders", reqwest::Client::new());
/// let sent = client
///     .post("http://127.0.0.1:1/orders")
///     .header("x-request", "7")
///     .body("2 pears")
///     .assume_idempotent()
///     .attempt_timeout(Duration::from_millis(300))
///     .map(|inner| inner.version(reqwest::Version::HTTP_11))
///     .send();
/// assert!(sent.await.is_err());
/// # }
/// ```
#[must_use = "a request does nothing unless sent"]
pub struct RequestBuilder<S = Guarded> {
    stack: S,
    inner: reqwest::RequestBuilder,
    context: Context,
}

impl<S> RequestBuilder<S> {
    pub(super) const fn new(stack: S, inner: reqwest::RequestBuilder) -> Self {
        Self { stack, inner, context: Context::new() }
    }

    /// Adds a header.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        HeaderName: TryFrom<N, Error: Into<http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<http::Error>>,
    {
        self.map(|inner| inner.header(name, value))
    }

    /// Adds headers, in place of those of the same name.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|inner| inner.headers(headers))
    }

    /// Adds basic authentication.
    pub fn basic_auth(self, user: impl fmt::Display, password: Option<impl fmt::Display>) -> Self {
        self.map(|inner| inner.basic_auth(user, password))
    }

    /// Adds a bearer token.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.map(|inner| inner.bearer_auth(token))
    }

    /// Adds pairs to the query string.
    #[cfg(feature = "reqwest-query")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest-query")))]
    pub fn query(self, query: &(impl serde::Serialize + ?Sized)) -> Self {
        self.map(|inner| inner.query(query))
    }

    /// Sets the body, and the content type of a form.
    #[cfg(feature = "reqwest-form")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest-form")))]
    pub fn form(self, form: &(impl serde::Serialize + ?Sized)) -> Self {
        self.map(|inner| inner.form(form))
    }

    /// Sets the body, and the content type of JSON.
    #[cfg(feature = "reqwest-json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest-json")))]
    pub fn json(self, json: &(impl serde::Serialize + ?Sized)) -> Self {
        self.map(|inner| inner.json(json))
    }

    /// Sets the body. One of bytes can be sent again; one that streams, such as `reqwest::Body::wrap` makes, is sent once.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.map(|inner| inner.body(body))
    }

    /// Gives the whole operation `limit`, retries and pauses included, in place of what the settings say: shorter or longer.
    ///
    /// It ends with the head of the answer; see the [module](super) for the body. It begins when the stack takes the request up: a wait in
    /// the queue of a bulkhead or a rate limit comes before, and has a limit of its own.
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.context = self.context.with_total_timeout(limit);
        self
    }

    /// Gives each attempt `limit`, in place of what the settings say: shorter or longer. The total still binds.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.context = self.context.with_attempt_timeout(limit);
        self
    }

    /// Ends the operation at a deadline, if that is earlier than what else ends it: that of a request which this one is made for.
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.context.tighten(deadline);
        self
    }

    /// Says that this request may be sent twice, whatever its method: a `POST` that does no more harm the second time.
    pub fn assume_idempotent(mut self) -> Self {
        self.context = self.context.assume_idempotent();
        self
    }

    /// Sends this idempotency key, bare: one that was kept with the business data before, so that the operation is the same one after a
    /// restart. Without it an [`IdempotencyKeyLayer`](crate::idempotency::client::IdempotencyKeyLayer) makes one for each operation.
    #[cfg(feature = "idempotency")]
    #[cfg_attr(docsrs, doc(cfg(feature = "idempotency")))]
    pub fn idempotency_key(self, key: &resilience_core::idempotency::IdempotencyKey) -> Self {
        let raw = resilience_core::idempotency::KeyFormat::Raw;
        let value = crate::idempotency::client::header_value(key, raw);
        self.map(|inner| inner.header("idempotency-key", value))
    }

    /// Has the stack note in `trail`, of which the caller keeps a clone, how many attempts there were.
    pub fn trail(mut self, trail: Trail) -> Self {
        self.context = self.context.with_trail(trail);
        self
    }

    /// Changes the `reqwest::RequestBuilder` inside: `multipart`, `version`, or a `timeout` that covers the body.
    ///
    /// It must stay one: what becomes of it is not sent by itself.
    pub fn map(mut self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.inner = change(self.inner);
        self
    }

    /// The request with its context, to send by [`execute_call`](super::Client::execute_call).
    ///
    /// # Errors
    ///
    /// If the URL, a header or a body is none. The error does not name the URL.
    pub fn build(self) -> reqwest::Result<Call<Request>> {
        self.split().1
    }

    /// Sends the request.
    ///
    /// Any answer is `Ok`, a 500 too: `reqwest`'s `error_for_status` makes errors of them.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] if a policy refused the request or cut it short, with the facts. [`Error::Inner`] if `reqwest` failed, in the
    /// last attempt, or if the request could not be built. Neither names the URL. [`Error::gave_up`] says how many attempts there were,
    /// if there might have been more.
    pub fn send(self) -> ResponseFuture<S>
    where
        S: Service<Call<Request>, Error = Error<reqwest::Error>>,
    {
        match self.split() {
            (stack, Ok(call)) => ResponseFuture::new(stack, call),
            (_, Err(error)) => ResponseFuture::unbuilt(error),
        }
    }

    fn split(self) -> (S, reqwest::Result<Call<Request>>) {
        let Self { stack, inner, context } = self;
        let call = inner.build().map(|request| Call::with_context(request, context));
        (stack, call.map_err(reqwest::Error::without_url))
    }
}

/// Without the request.
impl<S> fmt::Debug for RequestBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("context", &self.context).finish_non_exhaustive()
    }
}
