use std::{
    task::{Context, Poll},
    time::Instant,
};

use resilience_core::{CarryContext, Deadline, Observer, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use super::{DeadlineHeader, future::ResponseFuture};
use crate::{http::Headers, observed::Observed, time};

/// Writes into a header of each attempt how much time is left for it.
///
/// On a client, inside of retry and of the attempt timeout, next to the transport; or in the slot for the
/// [attempt](crate::stack::ClientLayer::attempt) of a stack. What is left is the time until the deadline in the call context, or the
/// attempt's limit, if that is shorter: the server need not work on for a caller that has given up. Without either it writes nothing
/// and reads no clock. A header that the caller has written stays if it says less.
///
/// ```
/// use http::{Request, Response};
/// use resilience_tower::{CallLayer, TimeoutLayer, TransportLayer, http::deadline::WriteDeadlineLayer};
/// use std::{convert::Infallible, time::Duration};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::Error<Infallible>> {
/// let client = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(5)))
///     .layer(TimeoutLayer::attempt(Duration::from_secs(2)))
///     .layer(WriteDeadlineLayer::new())
///     .layer(TransportLayer::new())
///     .service(service_fn(async |sent: Request<()>| {
///         Ok::<_, Infallible>(Response::new(sent.headers()["x-request-timeout-ms"].clone()))
///     }));
///
/// assert_eq!(client.oneshot(Request::new(())).await?.into_body(), "2000");
/// # Ok(())
/// # }
/// ```
///
/// Writing allocates the value of the header.
///
/// # Errors
///
/// [`Rejected::DeadlineExceeded`](resilience_core::Rejected::DeadlineExceeded) with `called: false`, if the deadline is over, or
/// so near that the header cannot say it (less than a millisecond in the default one). Nothing is sent then.
///
/// # Clone
///
/// A clone has the same settings and the same observer.
#[derive(Debug)]
pub struct WriteDeadlineLayer<O = ()> {
    header: DeadlineHeader,
    observer: Observed<O>,
}

impl WriteDeadlineLayer {
    /// Writes `x-request-timeout-ms`.
    #[must_use]
    pub fn new() -> Self {
        Self { header: DeadlineHeader::default(), observer: Observed::by_nobody() }
    }
}

impl Default for WriteDeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> WriteDeadlineLayer<O> {
    /// Writes this header. Default: [`DeadlineHeader::default`].
    #[must_use]
    pub fn header(self, header: DeadlineHeader) -> Self {
        Self { header, ..self }
    }

    /// Tells `observer` of each call that is refused.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> WriteDeadlineLayer<P> {
        WriteDeadlineLayer { header: self.header, observer: Observed::new(observer) }
    }
}

impl<O> Clone for WriteDeadlineLayer<O> {
    fn clone(&self) -> Self {
        Self { header: self.header.clone(), observer: self.observer.clone() }
    }
}

impl<S, O> Layer<S> for WriteDeadlineLayer<O> {
    type Service = WriteDeadline<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        WriteDeadline { inner, layer: self.clone() }
    }
}

/// The service of [`WriteDeadlineLayer`].
#[derive(Debug)]
pub struct WriteDeadline<S, O = ()> {
    inner: S,
    layer: WriteDeadlineLayer<O>,
}

impl<S: Clone, O> Clone for WriteDeadline<S, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, O, Req> Service<Req> for WriteDeadline<S, O>
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
        match self.layer.write(&mut request) {
            Ok(()) => ResponseFuture::running(self.inner.call(request)),
            Err((deadline, now)) => ResponseFuture::refused(deadline, now, &self.layer.observer),
        }
    }
}

impl<O> WriteDeadlineLayer<O> {
    /// Says in the request what is left for it. Fails with the deadline if that is over.
    fn write(&self, request: &mut (impl CarryContext + Headers)) -> Result<(), (Deadline, Instant)> {
        let Some(context) = request.context() else { return Ok(()) };
        let deadline = context.deadline().map(|deadline| (deadline, time::now()));
        let remaining = deadline.map(|(deadline, now)| deadline.remaining(now));
        let limits = [remaining, context.attempt_limit(), context.attempt_timeout()];
        let Some(left) = limits.into_iter().flatten().min() else { return Ok(()) };
        match self.header.write(left) {
            Some(value) => {
                if self.header.read(request.headers()).is_none_or(|there| there > left) {
                    request.headers_mut().insert(self.header.name(), value);
                }
                Ok(())
            }
            // The limit of an attempt that is too short to be said is not over.
            None => deadline.filter(|_| remaining == Some(left)).map_or(Ok(()), Err),
        }
    }
}
