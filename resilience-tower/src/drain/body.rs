//! Calls that run until the body of their response has been read.

use super::{DrainLayer, UntilBodyEnd};

impl<O, H> DrainLayer<O, H> {
    /// Counts each call until the body of the response has been read to its end, has failed, or is dropped.
    ///
    /// For responses that stream: without it a drain ends when their heads are there, and cuts them.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, Full};
    /// use resilience_tower::{DrainLayer, ErrorLayer};
    /// use std::convert::Infallible;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), resilience_core::BoxError> {
    /// let layer = DrainLayer::new().until_body_end();
    /// let handle = layer.handle();
    /// let service = ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(service_fn(
    ///     |_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("long"))) },
    /// ));
    ///
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(handle.snapshot().running, 1);
    /// response.into_body().collect().await?;
    /// assert_eq!(handle.snapshot().running, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn until_body_end(self) -> DrainLayer<O, UntilBodyEnd> {
        self.hold()
    }
}
