use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{BoxError, Error, Rejected};
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

/// Turns refusals into a [`Status`]. Outermost over a `tonic` channel, directly under the generated client.
///
/// Without it the generated client shows an open breaker as `Unknown`. See [`status`] for which status it is.
///
/// To the layers underneath, a gRPC error is a response like any other: give them
/// [`ClassifyGrpc`](super::ClassifyGrpc), or they count only errors of the transport.
///
/// ```
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::grpc::StatusLayer;
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let open = Rejected::CircuitOpen { retry_after: None };
/// let service = ServiceBuilder::new().layer(StatusLayer::new()).service(service_fn(
///     move |_: ()| async move { Err::<(), Error<Infallible>>(open.into()) },
/// ));
/// let status = service.oneshot(()).await.unwrap_err();
/// assert_eq!(status.code(), tonic::Code::Unavailable);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusLayer(());

impl StatusLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for StatusLayer {
    type Service = IntoStatus<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IntoStatus { inner }
    }
}

/// The service of [`StatusLayer`].
#[derive(Clone, Debug)]
pub struct IntoStatus<S> {
    inner: S,
}

impl<S, Req, E> Service<Req> for IntoStatus<S>
where
    S: Service<Req, Error = Error<E>>,
    E: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Status;
    type Future = StatusFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx).map_err(status)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        StatusFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The response of [`IntoStatus`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct StatusFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for StatusFuture<F>
where
    F: Future<Output = Result<T, Error<E>>>,
    E: Into<BoxError>,
{
    type Output = Result<T, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(status)
    }
}

/// The status of a failed call: `DEADLINE_EXCEEDED` for a timeout, `RESOURCE_EXHAUSTED` for a rate limit, `UNAVAILABLE` for any
/// other refusal, each with the refusal as its source; any other error as `tonic` reads it. That a retry layer has given up is in
/// the text of a refusal; a `Status` of another error has no room for it, but the layer's observer hears of it.
///
/// ```
/// use std::{error::Error as _, io};
/// use resilience_core::{Error, Rejected};
/// use resilience_tower::grpc::status;
///
/// let status = status(Error::<io::Error>::from(Rejected::CircuitOpen { retry_after: None }));
/// assert_eq!(status.code(), tonic::Code::Unavailable);
/// assert!(status.source().is_some_and(|source| source.is::<Rejected>()));
/// ```
pub fn status<E: Into<BoxError>>(error: Error<E>) -> Status {
    match error {
        Error::Inner { error, .. } => Status::from_error(error.into()),
        Error::Rejected { rejected, gave_up, .. } => {
            let code = match rejected {
                Rejected::AttemptTimeout { .. } | Rejected::DeadlineExceeded { .. } => Code::DeadlineExceeded,
                Rejected::RateLimited { .. } | Rejected::CostAboveBurst { .. } => Code::ResourceExhausted,
                _ => Code::Unavailable,
            };
            let note = gave_up.map(|gave_up| format!(" ({gave_up})")).unwrap_or_default();
            let mut status = Status::new(code, format!("{rejected}{note}"));
            status.set_source(Arc::new(rejected));
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::*;

    #[test]
    fn a_rate_limit_is_an_exhausted_resource() {
        let limited = Rejected::RateLimited { retry_after: Duration::from_secs(1) };
        for rejected in [limited, Rejected::CostAboveBurst { cost: 7, burst: 5 }] {
            let status = status(Error::<Infallible>::from(rejected));
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(status.message(), rejected.to_string());
        }
    }
}
