//! Requests that a key can be put on.

use http::{HeaderMap, HeaderValue, Method, Request};
use resilience_core::{
    Call,
    idempotency::{IdempotencyKey, KeyFormat},
};

/// A request that a key can be put on: those of `http` and `reqwest`, also in a [`Call`].
pub trait KeyedRequest {
    /// Its method.
    fn method(&self) -> &Method;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its headers, to add one.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// The key that its sender has made for it, if it is there otherwise than as a header. `None` by default.
    fn key(&self) -> Option<&IdempotencyKey> {
        None
    }
}

/// A key of the sender's own is an extension.
impl<B> KeyedRequest for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn key(&self) -> Option<&IdempotencyKey> {
        self.extensions().get()
    }
}

/// A key of the sender's own is a header.
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl KeyedRequest for reqwest::Request {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<R: KeyedRequest> KeyedRequest for Call<R> {
    fn method(&self) -> &Method {
        self.request().method()
    }

    fn headers(&self) -> &HeaderMap {
        self.request().headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request_mut().headers_mut()
    }

    fn key(&self) -> Option<&IdempotencyKey> {
        self.request().key()
    }
}

/// The key as the value of a header that nobody shows, nor keeps in a table of headers.
pub(crate) fn header_value(key: &IdempotencyKey, format: KeyFormat) -> HeaderValue {
    let mut value = HeaderValue::from_str(&key.to_header(format)).expect("a key is of printable ASCII");
    value.set_sensitive(true);
    value
}
