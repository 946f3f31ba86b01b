use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use pin_project_lite::pin_project;
use resilience_core::{Error, Rejected};
use tower_layer::Layer;
use tower_service::Service;

/// Turns refusals into responses. Outermost on a server: what it wraps fails with [`Error<E>`], it with `E`.
///
/// Over an `axum` router, whose services cannot fail, no `HandleErrorLayer` is needed:
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use resilience_tower::{ErrorLayer, TimeoutLayer, http::RespondLayer};
/// use std::{convert::Infallible, future::pending, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = ServiceBuilder::new()
///     .layer(RespondLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_millis(10)))
///     .layer(ErrorLayer::new())
///     .service(service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>()));
///
/// let response = server.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
/// # }
/// ```
///
/// See [`response`] for which response it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RespondLayer(());

impl RespondLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond { inner, rejected: None }
    }
}

/// The service of [`RespondLayer`].
///
/// # Clone
///
/// A clone starts unready.
#[derive(Debug)]
pub struct Respond<S> {
    inner: S,
    /// A refusal that came from `poll_ready`, for the call that follows.
    rejected: Option<Rejected>,
}

impl<S: Clone> Clone for Respond<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), rejected: None }
    }
}

impl<S, Req, B, E> Service<Req> for Respond<S>
where
    S: Service<Req, Response = Response<B>, Error = Error<E>>,
    B: Default,
{
    type Response = Response<B>;
    type Error = E;
    type Future = RespondFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        match ready!(self.inner.poll_ready(cx)) {
            Ok(()) => self.rejected = None,
            Err(Error::Rejected { rejected, .. }) => self.rejected = Some(rejected),
            Err(Error::Inner { error, .. }) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.rejected.take() {
            Some(rejected) => RespondFuture { phase: Phase::Rejected { rejected } },
            None => RespondFuture { phase: Phase::Running { inner: self.inner.call(request) } },
        }
    }
}

pin_project! {
    /// The response of [`Respond`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct RespondFuture<F> {
        #[pin]
        phase: Phase<F>,
    }
}

pin_project! {
    #[project = PhaseProj]
    #[derive(Debug)]
    enum Phase<F> {
        Running { #[pin] inner: F },
        Rejected { rejected: Rejected },
    }
}

impl<F, B, E> Future for RespondFuture<F>
where
    F: Future<Output = Result<Response<B>, Error<E>>>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().phase.project() {
            PhaseProj::Rejected { rejected } => Ok(response(rejected)),
            PhaseProj::Running { inner } => match ready!(inner.poll(cx)) {
                Err(Error::Rejected { rejected, .. }) => Ok(response(&rejected)),
                Err(Error::Inner { error, .. }) => Err(error),
                Ok(answer) => Ok(answer),
            },
        })
    }
}

/// The response to a refused call, with an empty body.
///
/// A timeout or a deadline is 504; a rate limit is 429; an open breaker, a full bulkhead, a throttle, overload and load shedding
/// are 503. With a `Retry-After` in whole seconds, rounded up, where it is known.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Rejected;
/// use resilience_tower::http::response;
///
/// let rejected = Rejected::CircuitOpen { retry_after: Some(Duration::from_millis(1200)) };
/// let response: http::Response<String> = response(&rejected);
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "2");
/// ```
#[must_use]
pub fn response<B: Default>(rejected: &Rejected) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = match rejected {
        Rejected::AttemptTimeout { .. } | Rejected::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
        Rejected::RateLimited { .. } | Rejected::CostAboveBurst { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    if let Some(wait) = rejected.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parts(rejected: Rejected) -> (u16, Option<String>) {
        let response: Response<()> = response(&rejected);
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), retry_after)
    }

    #[test]
    fn a_rate_limit_is_too_many_requests_and_never_says_at_once_while_there_is_a_wait() {
        for (nanos, seconds) in [(1, "1"), (999_999_999, "1"), (1_000_000_000, "1"), (1_000_000_001, "2")] {
            let limited = Rejected::RateLimited { retry_after: Duration::from_nanos(nanos) };
            assert_eq!(parts(limited), (429, Some(seconds.to_owned())), "{nanos} ns");
        }
        assert_eq!(parts(Rejected::CostAboveBurst { cost: 7, burst: 5 }), (429, None));
    }
}
