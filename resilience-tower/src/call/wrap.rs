use std::task::{Context, Poll};

use resilience_core::Call;
use tower_layer::Layer;
use tower_service::Service;

/// Wraps each request in a [`Call`], so that the layers inside see each other's deadlines. Outermost in a stack.
///
/// Without it the callers send a `Call` themselves, and can give each request limits of its own:
///
/// ```
/// use resilience_core::{Call, Context, Error, Rejected};
/// use resilience_tower::{TimeoutLayer, TransportLayer};
/// use std::{convert::Infallible, future::pending, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(TimeoutLayer::total(Duration::from_secs(60)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|_: &str| pending::<Result<(), Infallible>>()));
///
/// let quick = Context::new().with_total_timeout(Duration::from_millis(1));
/// let error = service.oneshot(Call::with_context("ping", quick)).await.unwrap_err();
/// assert!(matches!(error, Error::Rejected { rejected: Rejected::DeadlineExceeded { .. }, .. }));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CallLayer(());

impl CallLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = WrapCall<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WrapCall { inner }
    }
}

/// The service of [`CallLayer`].
#[derive(Clone, Debug)]
pub struct WrapCall<S> {
    inner: S,
}

impl<S, Req> Service<Req> for WrapCall<S>
where
    S: Service<Call<Req>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.inner.call(Call::new(request))
    }
}
