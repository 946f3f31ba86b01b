//! Permits that are held until the body of a response has been read.

use super::{BulkheadByRequestLayer, BulkheadLayer};
use crate::hold::UntilBodyEnd;

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
