use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use http::{HeaderMap, HeaderName};

/// Tells clients apart by the value of a header: an API key, a tenant.
///
/// It keeps a hash of the value, under a random key of the process: credentials lie in no table, no dump and no log.
///
/// ```
/// use http::{HeaderMap, HeaderName, HeaderValue};
/// use resilience_tower::http::rate_limit::HeaderKey;
///
/// let api_key = HeaderKey::new(HeaderName::from_static("x-api-key"));
/// let mut headers = HeaderMap::new();
/// assert_eq!(api_key.of(&headers), None);
/// headers.insert("x-api-key", HeaderValue::from_static("s3cr3t"));
/// let key = api_key.of(&headers);
/// assert!(key.is_some() && key == api_key.of(&headers));
/// assert_eq!(format!("{key:?}"), "Some(HashedKey)");
/// ```
///
/// Requests without the header have no key, and share one limit. Of several values the first one counts.
///
/// # Clone
///
/// A clone makes the same keys. Another one, made by [`new`](Self::new), does not.
#[derive(Clone, Debug)]
pub struct HeaderKey {
    name: HeaderName,
    hasher: RandomState,
}

/// What a [`HeaderKey`] makes of a value: 64 bits.
///
/// Of a million clients, two share a limit with a probability of one in thirty million.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashedKey(u64);

impl HeaderKey {
    /// Keys by the value of this header.
    #[must_use]
    pub fn new(name: HeaderName) -> Self {
        Self { name, hasher: RandomState::new() }
    }

    /// The key of a request with these headers.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> Option<HashedKey> {
        headers.get(&self.name).map(|value| HashedKey(self.hasher.hash_one(value.as_bytes())))
    }
}

/// Not even the hash.
impl fmt::Debug for HashedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedKey")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn values_are_told_apart_and_shown_nowhere() {
        let keys = HeaderKey::new(HeaderName::from_static("x-api-key"));
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-api-key", HeaderValue::from_str(value).unwrap());
            keys.clone().of(&headers)
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
        assert_eq!(keys.of(&HeaderMap::new()), None);
        assert!(!format!("{:?} {keys:?}", of("one")).contains("one"));
    }
}
