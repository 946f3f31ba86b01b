//! The guarded client.

use std::{
    fmt,
    task::{Context, Poll},
};

use reqwest::{IntoUrl, Method, Request};
use resilience_core::{Call, Error};
use tower_layer::{Identity, Layer};
use tower_service::Service;

use super::{ClassifyReqwest, RequestBuilder, ResponseFuture, WithoutUrl};
use crate::stack::{self, Calls, ClientHandle, ClientLayer, ClientSettings, Destination, Invalid, Parts};

/// The stack of a [`Client`] that is made of settings alone.
pub type Guarded = stack::Client<Parts<WithoutUrl, ClassifyReqwest, (), Identity>, String, Destination>;

/// A `reqwest::Client` under the [client's stack](crate::stack), used like one: see the [module](super).
///
/// Each host and port has its own breaker, throttle, adaptive limit and retry budget; a host without a port is one, be it `http` or
/// `https`. Settings, with all that is on by default, are those of
/// [`ClientSettings`]; a request may bring limits of its own. Limits that `inner` has itself hold as well, for each attempt.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::{reqwest::Client, stack::ClientSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let settings = ClientSettings::new().total_timeout(Duration::from_secs(3)).retry(None);
/// let client = Client::with_settings("payments", &settings, reqwest::Client::new())?;
///
/// let breaker = client.handle().policies("127.0.0.1:1");
/// breaker.circuit_breaker().unwrap().force_open(tokio::time::Instant::now().into_std());
/// let refused = client.get("http://127.0.0.1:1/balance").send().await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }));
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone shares all state, connections included. Each request clones the stack inside, which costs reference counts and no allocation.
pub struct Client<S = Guarded> {
    stack: S,
    /// Only to build requests by.
    inner: reqwest::Client,
    handle: ClientHandle<String>,
}

impl Client {
    /// A client with the default settings, named after what it calls.
    #[must_use]
    pub fn new(name: &str, inner: reqwest::Client) -> Self {
        Self::with_layer(stack::client(name).per(Destination).classify(ClassifyReqwest), inner)
    }

    /// A client with these settings, named after what it calls.
    ///
    /// # Errors
    ///
    /// If the settings [do not fit together](ClientSettings::check).
    pub fn with_settings(
        name: &str,
        settings: &ClientSettings,
        inner: reqwest::Client,
    ) -> Result<Self, Invalid> {
        let layer = ClientLayer::new(name, settings)?.per(Destination).classify(ClassifyReqwest);
        Ok(Self::with_layer(layer, inner))
    }
}

impl<S> Client<S> {
    /// A client under a stack of one's own: another key that is a string, another classifier, an observer, layers in the slots.
    ///
    /// ```
    /// use resilience_core::{Event, Observer};
    /// use resilience_tower::{reqwest::{Client, ClassifyReqwest}, stack::{self, Destination}};
    ///
    /// #[derive(Clone)]
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn observe(&self, event: &Event) {
    ///         println!("{event:?}");
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = stack::client("payments")
    ///     .per(Destination)
    ///     .classify(ClassifyReqwest)
    ///     .with_observer(Log);
    /// let client = Client::with_layer(layer, reqwest::Client::new());
    /// assert!(client.get("http://127.0.0.1:1/").send().await.is_err());
    /// # }
    /// ```
    #[must_use]
    pub fn with_layer<Q, C, O, Op, At, W>(
        layer: ClientLayer<String, Q, C, O, Op, At, W>,
        inner: reqwest::Client,
    ) -> Self
    where
        Calls<ClientLayer<String, Q, C, O, Op, At, W>>: Layer<WithoutUrl, Service = S>,
    {
        let handle = layer.handle().clone();
        let stack = layer.calls().layer(WithoutUrl::new(inner.clone()));
        Self { stack, inner, handle }
    }

    /// The handle of the stack: to look at the policies of a host, and to change settings while it runs.
    #[must_use]
    pub const fn handle(&self) -> &ClientHandle<String> {
        &self.handle
    }
}

impl<S: Clone> Client<S> {
    /// A `GET` request to `url`.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::GET, url)
    }

    /// A `POST` request to `url`.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::POST, url)
    }

    /// A `PUT` request to `url`.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::PUT, url)
    }

    /// A `PATCH` request to `url`.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE` request to `url`.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::DELETE, url)
    }

    /// A `HEAD` request to `url`.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder<S> {
        self.request(Method::HEAD, url)
    }

    /// A request to `url`. If that is none, sending the request says so.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder<S> {
        RequestBuilder::new(self.stack.clone(), self.inner.request(method, url))
    }

    /// Sends a request that is already built.
    ///
    /// # Errors
    ///
    /// Those of [`RequestBuilder::send`].
    pub fn execute(&self, request: Request) -> ResponseFuture<S>
    where
        S: Service<Call<Request>, Error = Error<reqwest::Error>>,
    {
        self.execute_call(Call::new(request))
    }

    /// Sends a request that is already built, in a [`Call`] with a context of its own, as [`RequestBuilder::build`] makes it.
    ///
    /// # Errors
    ///
    /// Those of [`RequestBuilder::send`].
    pub fn execute_call(&self, call: Call<Request>) -> ResponseFuture<S>
    where
        S: Service<Call<Request>, Error = Error<reqwest::Error>>,
    {
        ResponseFuture::new(self.stack.clone(), call)
    }
}

/// The stack itself: what waits, waits in `poll_ready`.
impl<S: Service<Call<Request>>> Service<Request> for Client<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.stack.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        self.stack.call(Call::new(request))
    }
}

/// A clone of the stack for each call, as [`execute`](Client::execute) makes it: always ready, and what waits, waits in the future.
impl<S> Service<Request> for &Client<S>
where
    S: Service<Call<Request>, Error = Error<reqwest::Error>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        self.execute(request)
    }
}

impl<S: Clone> Clone for Client<S> {
    fn clone(&self) -> Self {
        Self { stack: self.stack.clone(), inner: self.inner.clone(), handle: self.handle.clone() }
    }
}

/// Without the inner client, whose headers and proxies may hold keys.
impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("handle", &self.handle).finish_non_exhaustive()
    }
}
