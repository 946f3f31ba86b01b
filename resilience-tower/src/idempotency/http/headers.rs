//! Which headers of a response are kept.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AGE, ALT_SVC, CONNECTION, CONTENT_LENGTH, DATE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE,
        TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// About this connection, this moment or this request, and not about the result.
const NEVER: [HeaderName; 12] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    DATE,
    AGE,
    CONTENT_LENGTH,
    ALT_SVC,
    SET_COOKIE,
];

/// The same, which `http` has no constants for.
const NEVER_BY_NAME: [&str; 9] = [
    "keep-alive",
    "proxy-connection",
    "server-timing",
    "ratelimit",
    "ratelimit-policy",
    "traceparent",
    "tracestate",
    "baggage",
    "x-request-id",
];

const NEVER_BEGINNING_WITH: [&str; 3] = ["x-ratelimit-", "access-control-", "proxy-"];

/// Which headers are kept.
#[derive(Clone, Debug, Default)]
pub(in crate::idempotency) struct Keep {
    /// These alone, if there is such a list.
    pub(in crate::idempotency) only: Option<Vec<HeaderName>>,
    pub(in crate::idempotency) cookies: bool,
}

impl Keep {
    pub(in crate::idempotency) fn fields(&self, headers: &HeaderMap) -> Vec<(Bytes, Bytes)> {
        let named: Vec<&str> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim))
            .collect();
        let of_the_connection =
            |name: &HeaderName| named.iter().any(|token| token.eq_ignore_ascii_case(name.as_str()));
        let kept = headers.iter().filter(|(name, _)| self.keeps(name) && !of_the_connection(name));
        fields(kept)
    }

    fn keeps(&self, name: &HeaderName) -> bool {
        if *name == SET_COOKIE {
            return self.cookies;
        }
        if self.only.as_ref().is_some_and(|only| !only.contains(name)) {
            return false;
        }
        let text = name.as_str();
        !(NEVER.contains(name)
            || NEVER_BY_NAME.contains(&text)
            || NEVER_BEGINNING_WITH.iter().any(|beginning| text.starts_with(beginning)))
    }
}

/// Names and values, in order and with repeats.
pub(in crate::idempotency) fn fields<'a>(
    headers: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> Vec<(Bytes, Bytes)> {
    let bytes = Bytes::copy_from_slice;
    let fields = headers.into_iter();
    fields.map(|(name, value)| (bytes(name.as_str().as_bytes()), bytes(value.as_bytes()))).collect()
}

/// The reverse; nothing if one of them is none.
pub(in crate::idempotency) fn headers(fields: &[(Bytes, Bytes)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let value = HeaderValue::from_maybe_shared(value.clone()).ok()?;
        headers.append(HeaderName::from_bytes(name).ok()?, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(keep: &Keep, headers: &[(&str, &str)]) -> Vec<String> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .fold(HeaderMap::new(), |mut map, (name, value): (_, HeaderValue)| {
                map.append(name, value);
                map
            });
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        keep.fields(&headers)
            .into_iter()
            .map(|(name, value)| format!("{}: {}", text(name), text(value)))
            .collect()
    }

    #[test]
    fn each_header_of_the_connection_the_moment_or_the_request_is_left_out() {
        let dropped = [
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "proxy-status",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "date",
            "age",
            "set-cookie",
            "content-length",
            "server-timing",
            "alt-svc",
            "ratelimit",
            "ratelimit-policy",
            "x-ratelimit-limit",
            "traceparent",
            "tracestate",
            "baggage",
            "x-request-id",
            "access-control-allow-origin",
        ];
        for name in dropped {
            assert!(kept(&Keep::default(), &[(name, "1")]).is_empty(), "{name}");
        }
        for name in ["location", "etag", "retry-after", "content-type", "x-order", "vary", "cache-control"] {
            assert_eq!(kept(&Keep::default(), &[(name, "1")]), [format!("{name}: 1")]);
        }
    }

    #[test]
    fn what_connection_names_is_left_out_too() {
        let headers = [
            ("connection", "close, X-Hop"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
        ];
        assert_eq!(kept(&Keep::default(), &headers), ["x-kept: 3"]);
    }

    #[test]
    fn repeats_keep_their_order_and_cookies_come_when_asked_for() {
        let headers = [("link", "<a>"), ("set-cookie", "a=1"), ("link", "<b>")];
        assert_eq!(kept(&Keep::default(), &headers), ["link: <a>", "link: <b>"]);
        let keep = Keep { cookies: true, ..Keep::default() };
        assert_eq!(kept(&keep, &headers), ["link: <a>", "link: <b>", "set-cookie: a=1"]);
    }

    #[test]
    fn a_list_of_what_is_kept_lets_nothing_else_through_and_not_what_never_is() {
        let only = Some(vec!["etag".parse().unwrap(), DATE]);
        let keep = Keep { only, ..Keep::default() };
        assert_eq!(kept(&keep, &[("etag", "1"), ("location", "2"), ("date", "3")]), ["etag: 1"]);
    }

    #[test]
    fn values_that_are_no_text_come_back_and_names_that_are_none_do_not() {
        let mut map = HeaderMap::new();
        map.append("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        map.append("x-bytes", HeaderValue::from_static(""));
        assert_eq!(headers(&fields(&map)), Some(map));
        for (name, value) in [("", "v"), ("a b", "v"), ("a", "1\r\n2")] {
            assert_eq!(headers(&[(Bytes::from(name), Bytes::from(value))]), None, "{name:?} {value:?}");
        }
    }
}
