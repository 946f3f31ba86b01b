//! HTTP requests that can be sent again.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{Empty, Full};

use crate::retry::{Replay, Safety};

/// A copy has the method, URI, version, headers and extensions of the original, and a copy of its body.
///
/// Its [`Safety`] is `Idempotent` for `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT` and `DELETE`
/// ([RFC 9110, 9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)), `Keyed` for any other method with an
/// `Idempotency-Key` that is not empty, and `Unsafe` otherwise.
///
/// ```
/// use http::Request;
/// use http_body_util::Full;
/// use bytes::Bytes;
/// use resilience_tower::retry::{Replay, Safety};
///
/// let order = Request::post("/orders").header("idempotency-key", "8e03978e").body(Full::<Bytes>::from("2 pears"))?;
/// assert_eq!(order.safety(), Safety::Keyed);
/// let again = order.try_clone().ok_or("a body in memory can be copied")?;
/// assert_eq!(again.headers(), order.headers());
/// # Ok::<_, resilience_core::BoxError>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl<B: Replay> Replay for Request<B> {
    fn try_clone(&self) -> Option<Self> {
        let mut copy = Self::new(self.body().try_clone()?);
        *copy.method_mut() = self.method().clone();
        *copy.uri_mut() = self.uri().clone();
        *copy.version_mut() = self.version();
        *copy.headers_mut() = self.headers().clone();
        *copy.extensions_mut() = self.extensions().clone();
        Some(copy)
    }

    fn is_complete(&self) -> bool {
        self.body().is_complete()
    }

    fn safety(&self) -> Safety {
        safety(self.method(), self.headers())
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl Replay for Bytes {
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl<D: Clone> Replay for Full<D> {
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl<D> Replay for Empty<D> {
    fn try_clone(&self) -> Option<Self> {
        Some(Self::new())
    }
}

/// What sending a request with this method and these headers twice may do.
pub(crate) fn safety(method: &Method, headers: &HeaderMap) -> Safety {
    if method.is_idempotent() {
        Safety::Idempotent
    } else if has_key(headers) {
        Safety::Keyed
    } else {
        Safety::Unsafe
    }
}

/// The key is a string, in quotes or bare; an empty one tells no two requests apart.
fn has_key(headers: &HeaderMap) -> bool {
    let key = headers.get("idempotency-key").map(|key| key.as_bytes().trim_ascii());
    key.is_some_and(|key| !matches!(key, b"" | b"\"\""))
}

#[cfg(test)]
mod tests {
    use http::{Uri, Version};

    use super::*;

    fn keyed(key: &str) -> HeaderMap {
        [("idempotency-key".parse().unwrap(), key.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn trap_17_post_is_unsafe_and_a_stream_is_no_error() {
        let bare = HeaderMap::new();
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            let method = method.parse().unwrap();
            assert_eq!(safety(&method, &bare), Safety::Idempotent, "{method}");
            assert_eq!(safety(&method, &keyed("7")), Safety::Idempotent, "{method}: no key needed");
        }
        for method in ["POST", "PATCH", "CONNECT", "PURGE", "get"] {
            let method = method.parse().unwrap();
            assert_eq!(safety(&method, &bare), Safety::Unsafe, "{method}");
            assert_eq!(safety(&method, &keyed("7")), Safety::Keyed, "{method}");
            assert_eq!(safety(&method, &keyed("\"7\"")), Safety::Keyed, "{method}");
            for empty in ["", " ", "\"\""] {
                assert_eq!(safety(&method, &keyed(empty)), Safety::Unsafe, "{method} {empty:?}");
            }
        }

        let stream = Request::post("/").body(Once { is_complete: true }).unwrap();
        assert!(stream.try_clone().is_none());
        assert!(stream.is_complete(), "and is sent once");
        assert_eq!(stream.safety(), Safety::Unsafe);
    }

    /// A body that cannot be copied.
    #[derive(Debug)]
    struct Once {
        is_complete: bool,
    }

    impl Replay for Once {
        fn try_clone(&self) -> Option<Self> {
            None
        }

        fn is_complete(&self) -> bool {
            self.is_complete
        }
    }

    #[test]
    fn the_body_says_whether_all_is_there() {
        assert!(!Request::new(Once { is_complete: false }).is_complete());
        assert!(Request::new(Once { is_complete: true }).is_complete());
    }

    #[test]
    fn a_copy_is_the_same_in_every_part() {
        #[derive(Clone, Debug, PartialEq)]
        struct Tag(u32);

        let original = Request::put("http://a.example/b?c=d")
            .version(Version::HTTP_2)
            .header("x", "1")
            .header("x", "2")
            .extension(Tag(7))
            .body(Full::new(Bytes::from_static(b"body")))
            .unwrap();
        let copy = original.try_clone().unwrap();
        assert_eq!(copy.method(), Method::PUT);
        assert_eq!(copy.uri(), &Uri::from_static("http://a.example/b?c=d"));
        assert_eq!(copy.version(), Version::HTTP_2);
        assert_eq!(copy.headers().get_all("x").iter().count(), 2);
        assert_eq!(copy.extensions().get(), Some(&Tag(7)));
        assert_eq!(copy.into_body().into_inner().as_deref(), Some(&b"body"[..]));
    }

    #[test]
    fn bodies_in_memory_can_be_copied() {
        assert_eq!(Bytes::from_static(b"body").try_clone().as_deref(), Some(&b"body"[..]));
        assert!(Empty::<Bytes>::new().try_clone().is_some_and(|body| body.is_complete()));
        assert!(Request::new(Empty::<Bytes>::new()).try_clone().is_some());
    }
}
