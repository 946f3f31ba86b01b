use std::task::{Context, Poll};

use resilience_core::{Call, Error};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{MapError, future::ResponseFuture};

/// Fits a foreign service under a stack: takes the request out of its [`Call`], and puts the error `E` under
/// [`Error<E>`]. Innermost, directly around a `reqwest::Client`, a `tonic` channel, or a service of your own.
///
/// ```
/// use resilience_core::Error;
/// use resilience_tower::{CallLayer, TimeoutLayer, TransportLayer};
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(5)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|_: &str| async { Err::<(), _>("no route") }));
///
/// assert_eq!(service.oneshot("ping").await, Err(Error::inner("no route")));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TransportLayer(());

impl TransportLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for TransportLayer {
    type Service = Transport<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Transport { inner: MapError::new(inner) }
    }
}

/// The service of [`TransportLayer`].
#[derive(Clone, Debug)]
pub struct Transport<S> {
    inner: MapError<S>,
}

impl<S, Req> Service<Call<Req>> for Transport<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Req>::poll_ready(&mut self.inner, cx)
    }

    #[inline]
    fn call(&mut self, call: Call<Req>) -> Self::Future {
        self.inner.call(call.into_parts().0)
    }
}
