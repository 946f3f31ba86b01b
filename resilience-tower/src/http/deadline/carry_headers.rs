use http::{HeaderMap, Request};
use resilience_core::Call;

/// A request with headers: an `http::Request`, a `reqwest::Request`, or either of them in a [`Call`].
///
/// ```
/// use http::Request;
/// use resilience_core::Call;
/// use resilience_tower::http::deadline::CarryHeaders;
///
/// let call = Call::new(Request::new("ping"));
/// assert!(CarryHeaders::headers(&call).is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to have headers",
    label = "requests of this type do not implement `CarryHeaders`"
)]
pub trait CarryHeaders {
    /// The headers.
    fn headers(&self) -> &HeaderMap;

    /// The headers, to change them.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

impl<B> CarryHeaders for Request<B> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<R: CarryHeaders> CarryHeaders for Call<R> {
    fn headers(&self) -> &HeaderMap {
        self.request().headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request_mut().headers_mut()
    }
}
