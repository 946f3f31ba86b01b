use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{BoxError, Rejected};
use tonic::{Code, Status, TimeoutExpired};
use tower_layer::Layer;
use tower_service::Service;

use super::sources;
use crate::error::TakeRefusal;

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

impl<S, Req> Service<Req> for IntoStatus<S>
where
    S: Service<Req>,
    S::Error: TakeRefusal<Rest: Into<BoxError>>,
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
    F: Future<Output = Result<T, E>>,
    E: TakeRefusal<Rest: Into<BoxError>>,
{
    type Output = Result<T, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(status)
    }
}

/// The status of a failed call: `DEADLINE_EXCEEDED` for a timeout, `RESOURCE_EXHAUSTED` for a rate limit, `UNAVAILABLE` for any
/// other refusal, each with the refusal as its source. That a retry layer has given up is in the text of a refusal; a `Status` of
/// another error has no room for it, but the layer's observer hears of it.
///
/// Any other error is what `tonic` reads in it, but for its own [`TimeoutExpired`]: a `tonic` channel keeps the time in
/// `grpc-timeout` too, and its timer may fire before one of ours. That is `DEADLINE_EXCEEDED` here, where `tonic` says `CANCELLED`.
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
pub fn status<E>(error: E) -> Status
where
    E: TakeRefusal<Rest: Into<BoxError>>,
{
    let gave_up = error.gave_up();
    match error.take_refusal() {
        Ok(rejected) => {
            let note = gave_up.map(|gave_up| format!(" ({gave_up})")).unwrap_or_default();
            let mut status = Status::new(code(&rejected), format!("{rejected}{note}"));
            status.set_source(Arc::new(rejected));
            status
        }
        Err(error) => read(error.into()),
    }
}

/// The code of a refusal, for callers on both sides.
pub(super) const fn code(rejected: &Rejected) -> Code {
    match rejected {
        Rejected::AttemptTimeout { .. } | Rejected::DeadlineExceeded { .. } => Code::DeadlineExceeded,
        Rejected::RateLimited { .. } | Rejected::CostAboveBurst { .. } => Code::ResourceExhausted,
        _ => Code::Unavailable,
    }
}

/// What an error that is no refusal says.
pub(super) fn read(error: BoxError) -> Status {
    let said = sources(error.as_ref()).find(|error| error.is::<Status>() || error.is::<TimeoutExpired>());
    match said.filter(|error| error.is::<TimeoutExpired>()) {
        None => Status::from_error(error),
        Some(expired) => {
            let mut status = Status::deadline_exceeded(expired.to_string());
            status.set_source(Arc::from(error));
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, error, fmt, time::Duration};

    use resilience_core::Error;

    use super::*;

    #[test]
    fn a_server_that_drains_is_unavailable() {
        let draining = Rejected::Draining { retry_after: Duration::from_secs(1) };
        let status = status(Error::<Infallible>::from(draining));
        assert_eq!((status.code(), status.message()), (Code::Unavailable, &*draining.to_string()));
    }

    #[test]
    fn a_rate_limit_is_an_exhausted_resource() {
        let limited = Rejected::RateLimited { retry_after: Duration::from_secs(1) };
        for rejected in [limited, Rejected::CostAboveBurst { cost: 7, burst: 5 }] {
            let status = status(Error::<Infallible>::from(rejected));
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(status.message(), rejected.to_string());
        }
    }

    #[test]
    fn a_boxed_refusal_is_found_and_no_other_error_taken_for_one() {
        let open = Rejected::CircuitOpen { retry_after: None };
        let refused = status(BoxError::from(open));
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, open.to_string().as_str()));
        assert!(sources(&refused).any(|error| error.is::<Rejected>()));
        assert_eq!(status(BoxError::from("lost")).code(), Code::Unknown);
    }

    #[derive(Debug)]
    struct Around(BoxError);

    impl fmt::Display for Around {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the transport failed")
        }
    }

    impl error::Error for Around {
        fn source(&self) -> Option<&(dyn error::Error + 'static)> {
            Some(self.0.as_ref())
        }
    }

    #[test]
    fn tonics_own_timer_is_a_deadline_and_a_status_is_itself() {
        let expired = || Around(TimeoutExpired(()).into());
        let late = status(Error::inner(expired()));
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert!(sources(&late).any(|error| error.is::<TimeoutExpired>()));

        let mut cancelled = Status::cancelled("by the server");
        cancelled.set_source(Arc::new(expired()));
        let wrapped = status(Error::inner(Around(cancelled.into())));
        assert_eq!((wrapped.code(), wrapped.message()), (Code::Cancelled, "by the server"));
    }
}
