//! Messages that have HTTP headers.

use http::{HeaderMap, Request, Response};
use resilience_core::Call;

/// A request or a response with HTTP headers: `http`'s, `reqwest`'s (feature `reqwest`), and a [`Call`] of a request.
///
/// ```
/// use http::{HeaderMap, Request};
/// use resilience_tower::http::Headers;
///
/// struct Tenants<B> {
///     tenant: u64,
///     request: Request<B>,
/// }
///
/// impl<B> Headers for Tenants<B> {
///     fn headers(&self) -> &HeaderMap {
///         self.request.headers()
///     }
///
///     fn headers_mut(&mut self) -> &mut HeaderMap {
///         self.request.headers_mut()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to have HTTP headers",
    note = "for a type of your own: `impl Headers for {Self}`, with `headers` and `headers_mut`"
)]
pub trait Headers {
    /// The headers.
    fn headers(&self) -> &HeaderMap;

    /// The headers, to change them.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

impl<B> Headers for Request<B> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<B> Headers for Response<B> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<R: Headers> Headers for Call<R> {
    fn headers(&self) -> &HeaderMap {
        self.request().headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request_mut().headers_mut()
    }
}

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl Headers for reqwest::Request {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl Headers for reqwest::Response {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}
