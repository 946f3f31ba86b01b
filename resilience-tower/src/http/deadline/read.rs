use std::{
    task::{Context, Poll},
    time::Duration,
};

use resilience_core::{CarryContext, Deadline, Observer, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use super::{DeadlineHeader, future::ResponseFuture};
use crate::{http::Headers, observed::Observed, time};

/// Reads from a header how much time the caller has left, and puts the deadline into the call context.
///
/// On a server, outside of every layer where a call can wait. It keeps no time itself: a
/// [`TimeoutLayer::total`](crate::TimeoutLayer::total) further in cuts the call at the earlier one of its own limit and the caller's
/// deadline, and refuses it if that is over by then.
///
/// ```
/// use http::{Request, Response};
/// use resilience_core::Error;
/// use resilience_tower::{ErrorLayer, TimeoutLayer, http::{RespondLayer, deadline::ReadDeadlineLayer}};
/// use std::{convert::Infallible, future::pending, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Infallible> {
/// let server = ServiceBuilder::new()
///     .layer(RespondLayer::new())
///     .layer(ReadDeadlineLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(30)))
///     .layer(ErrorLayer::new())
///     .service(service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>()));
///
/// let mut hasty = Request::new(());
/// hasty.headers_mut().insert("x-request-timeout-ms", 20.into());
/// assert_eq!(server.oneshot(hasty).await?.status(), 504);
/// # Ok(())
/// # }
/// ```
///
/// Anybody can write a header. A deadline only ever comes nearer, so a value can shorten the call it comes with and do nothing
/// else; one that makes no sense, or is there twice, is ignored.
///
/// Outermost on a client it takes over what the caller has written, as `tonic::Request::set_timeout` does.
///
/// # Errors
///
/// [`Rejected::DeadlineExceeded`](resilience_core::Rejected::DeadlineExceeded) with `called: false`, if the header says that no time
/// is left. The inner service is not called.
///
/// # Clone
///
/// A clone has the same settings and the same observer.
#[derive(Debug)]
pub struct ReadDeadlineLayer<O = ()> {
    header: DeadlineHeader,
    max: Duration,
    observer: Observed<O>,
}

impl ReadDeadlineLayer {
    /// Reads `x-request-timeout-ms`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            header: DeadlineHeader::default(),
            max: Duration::from_secs(60 * 60),
            observer: Observed::by_nobody(),
        }
    }
}

impl Default for ReadDeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> ReadDeadlineLayer<O> {
    /// Reads this header. Default: [`DeadlineHeader::default`].
    #[must_use]
    pub fn header(self, header: DeadlineHeader) -> Self {
        Self { header, ..self }
    }

    /// Takes more time than this as this much. Default: one hour.
    ///
    /// # Choosing a value
    ///
    /// What limits a call is its timeout, and nobody is hurt by a deadline that is far away: without the header there is none. The
    /// default keeps numbers that cannot be meant away from handlers, and from servers further on.
    ///
    /// # Panics
    ///
    /// If `max` is zero.
    #[must_use]
    #[track_caller]
    pub fn max(self, max: Duration) -> Self {
        assert!(!max.is_zero(), "max is zero, it must be longer");
        Self { max, ..self }
    }

    /// Tells `observer` of each call that is refused.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> ReadDeadlineLayer<P> {
        ReadDeadlineLayer { header: self.header, max: self.max, observer: Observed::new(observer) }
    }
}

impl<O> Clone for ReadDeadlineLayer<O> {
    fn clone(&self) -> Self {
        Self { header: self.header.clone(), max: self.max, observer: self.observer.clone() }
    }
}

impl<S, O> Layer<S> for ReadDeadlineLayer<O> {
    type Service = ReadDeadline<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        ReadDeadline { inner, layer: self.clone() }
    }
}

/// The service of [`ReadDeadlineLayer`].
#[derive(Debug)]
pub struct ReadDeadline<S, O = ()> {
    inner: S,
    layer: ReadDeadlineLayer<O>,
}

impl<S: Clone, O> Clone for ReadDeadline<S, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, O, Req> Service<Req> for ReadDeadline<S, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    Req: CarryContext + Headers,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        if let Some(left) = self.layer.header.read(request.headers()) {
            let now = time::now();
            let deadline = Deadline::after(now, left.min(self.layer.max));
            if deadline.is_over(now) {
                return ResponseFuture::refused(deadline, now, &self.layer.observer);
            }
            if let Some(context) = request.context_mut() {
                context.tighten(deadline);
            }
        }
        ResponseFuture::running(self.inner.call(request))
    }
}
