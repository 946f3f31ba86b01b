//! Permits that are held until the body of a response has been read.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::bulkhead::Permit;

use super::{BulkheadByRequestLayer, BulkheadLayer, Hold, hold::sealed::Sealed};

impl<O, H> BulkheadLayer<O, H> {
    /// Holds each permit until the body of the response has been read to its end, has failed, or is dropped.
    ///
    /// For responses that stream: the work goes on when the head is there.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use bytes::Bytes;
    /// use resilience_core::bulkhead::Config;
    /// use resilience_tower::{BulkheadLayer, ErrorLayer};
    /// use std::convert::Infallible;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), resilience_core::BoxError> {
    /// let bulkhead = BulkheadLayer::new(Config::new(1)).until_body_end();
    /// let handle = bulkhead.bulkhead().clone();
    /// let service = ServiceBuilder::new().layer(bulkhead).layer(ErrorLayer::new()).service(service_fn(
    ///     |_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("long"))) },
    /// ));
    ///
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(handle.snapshot().in_flight, 1);
    /// response.into_body().collect().await?;
    /// assert_eq!(handle.snapshot().in_flight, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn until_body_end(self) -> BulkheadLayer<O, UntilBodyEnd> {
        self.hold()
    }
}

impl<Q, O, H> BulkheadByRequestLayer<Q, O, H> {
    /// Holds the permits of each call until the body of the response has been read to its end, has failed, or is dropped.
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn until_body_end(self) -> BulkheadByRequestLayer<Q, O, UntilBodyEnd> {
        self.hold()
    }
}

/// Until the body of the response has been read to its end, has failed, or is dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilBodyEnd(());

impl Sealed for UntilBodyEnd {}

impl<B: Body> Hold<Response<B>> for UntilBodyEnd {
    type Response = Response<HeldBody<B>>;

    fn hold<E>(
        polled: Poll<Result<Response<B>, E>>,
        permit: &mut Option<Permit>,
    ) -> Poll<Result<Self::Response, E>> {
        let result = ready!(polled);
        let permit = permit.take();
        Poll::Ready(result.map(|response| {
            response.map(|body| {
                let permit = permit.filter(|_| !body.is_end_stream());
                HeldBody { body, permit }
            })
        }))
    }
}

pin_project! {
    /// A body that holds a permit until its end.
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the permit back.
    pub struct HeldBody<B> {
        #[pin]
        body: B,
        permit: Option<Permit>,
    }
}

impl<B: Body> Body for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Default> Default for HeldBody<B> {
    /// A body that holds nothing.
    fn default() -> Self {
        Self { body: B::default(), permit: None }
    }
}

impl<B> fmt::Debug for HeldBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody").field("holds", &self.permit.is_some()).finish_non_exhaustive()
    }
}
