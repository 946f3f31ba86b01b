//! Where a request goes.

use std::borrow::Cow;

use resilience_core::Call;

use crate::per_key::Key;

/// The destination of a request is the host and port of its URI: what a breaker or a budget should be for.
///
/// Different spellings are one destination: upper and lower case of a host, and a port that says no more than the scheme
/// (`http://shop`, `http://Shop:80`). The scheme itself does not count, and neither do name and password. Requests without a host share
/// a destination.
///
/// ```
/// use http::Request;
/// use resilience_core::Call;
/// use resilience_tower::{per_key::Key, stack::Destination};
///
/// let of = |uri: &str| Destination.look(&Call::new(Request::get(uri).body(()).unwrap()), str::to_owned);
/// assert_eq!(of("https://me:secret@Shop.example:443/cart"), "shop.example");
/// assert_eq!(of("https://shop.example:8443"), "shop.example:8443");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination;

impl<B> Key<Call<http::Request<B>>> for Destination {
    type Key = str;

    #[inline]
    fn look<R>(&self, call: &Call<http::Request<B>>, look: impl FnOnce(&str) -> R) -> R {
        let uri = call.request().uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        look(&normal(authority, uri.scheme_str()))
    }
}

#[cfg(feature = "reqwest")]
impl Key<Call<reqwest::Request>> for Destination {
    type Key = str;

    #[inline]
    fn look<R>(&self, call: &Call<reqwest::Request>, look: impl FnOnce(&str) -> R) -> R {
        // A `Url` has brought host and port into this form itself.
        look(without_user(call.request().url().authority()))
    }
}

/// One spelling of all that mean the same. It allocates if there are letters to change.
fn normal<'a>(authority: &'a str, scheme: Option<&str>) -> Cow<'a, str> {
    let authority = without_user(authority);
    let destination = match authority.rsplit_once(':') {
        Some((host, port)) if says_nothing(port, scheme) => host,
        _ => authority,
    };
    if destination.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(destination.to_ascii_lowercase())
    } else {
        Cow::Borrowed(destination)
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, destination)| destination)
}

/// Whether the port is the one that the scheme has anyway.
fn says_nothing(port: &str, scheme: Option<&str>) -> bool {
    let usual = match scheme {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    port.is_empty() || port.parse() == Ok(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_destination_are_one() {
        for (scheme, authority, expected) in [
            (Some("http"), "a", "a"),
            (Some("http"), "a:80", "a"),
            (Some("http"), "a:080", "a"),
            (Some("http"), "a:", "a"),
            (Some("http"), "a:443", "a:443"),
            (Some("https"), "a:443", "a"),
            (Some("https"), "a:80", "a:80"),
            (Some("https"), "a:8443", "a:8443"),
            (Some("https"), "A.Example:8443", "a.example:8443"),
            (Some("https"), "Me:Secret@A:443", "a"),
            (Some("https"), "me@a", "a"),
            (Some("http"), "[::1]", "[::1]"),
            (Some("http"), "[::1]:80", "[::1]"),
            (Some("http"), "[FE80::1]:81", "[fe80::1]:81"),
            (Some("http"), "[fe80::80]", "[fe80::80]"),
            (Some("other"), "a:80", "a:80"),
            (None, "a:80", "a:80"),
            (None, "", ""),
        ] {
            assert_eq!(normal(authority, scheme), expected, "{scheme:?} {authority}");
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_not_copied() {
        for authority in ["shop.example", "shop.example:8443", "shop.example:443", "me@shop.example"] {
            assert!(matches!(normal(authority, Some("https")), Cow::Borrowed(_)), "{authority}");
        }
    }

    #[test]
    fn requests_without_a_host_share_one() {
        let request = |uri: &str| Call::new(http::Request::get(uri).body(()).unwrap());
        assert_eq!(Destination.look(&request("/cart"), str::to_owned), "");
        assert_eq!(Destination.look(&request("http://A:80/cart"), str::to_owned), "a");
    }

    #[cfg(feature = "reqwest")]
    #[test]
    fn a_url_comes_in_the_same_form() {
        for uri in ["http://A:80/", "https://me:secret@A.example:443", "https://a:80", "http://[FE80::1]:80"]
        {
            let url = uri.parse().unwrap();
            let ours = Call::new(http::Request::get(uri).body(()).unwrap());
            let theirs = Call::new(reqwest::Request::new(http::Method::GET, url));
            assert_eq!(
                Destination.look(&ours, str::to_owned),
                Destination.look(&theirs, str::to_owned),
                "{uri}"
            );
        }
    }
}
