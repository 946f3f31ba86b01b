use std::{fmt, net::IpAddr};

use http::{Extensions, Request};

use super::{TrustedProxies, proxies::masked};

/// Tells clients apart by address: the peer's, or behind proxies that are [trusted](Self::behind) the one that they name.
///
/// The server knows the peer, and leaves it in the request's extensions; under what type is its own affair, so a closure reads it.
/// For `axum` that is `ConnectInfo`:
///
/// ```
/// use http::Request;
/// use resilience_core::Quota;
/// use resilience_tower::{http::rate_limit::ClientAddr, rate_limit::KeyedRateLimitLayer};
/// use std::net::SocketAddr;
///
/// # #[derive(Clone)]
/// # struct ConnectInfo<T>(T);
/// let client = ClientAddr::new(|extensions| {
///     extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
/// });
/// let layer = KeyedRateLimitLayer::new(
///     move |request: &Request<String>| client.of(request),
///     Quota::per_second(20),
/// );
/// # let _ = layer;
/// ```
///
/// Of an IPv6 address only the first 64 bits count: the rest a subscriber gives himself (RFC 4291, section 2.5.4), and with it
/// as many limits as he likes.
#[derive(Clone)]
pub struct ClientAddr<P> {
    peer: P,
    proxies: Option<TrustedProxies>,
    ipv6_prefix: u32,
}

impl<P: Fn(&Extensions) -> Option<IpAddr>> ClientAddr<P> {
    /// Takes the peer for the client.
    #[must_use]
    pub const fn new(peer: P) -> Self {
        Self { peer, proxies: None, ipv6_prefix: 64 }
    }

    /// Believes these proxies, and no others.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    /// Has so many bits of an IPv6 address count, in place of 64. Providers give 48 or 56 to a site.
    ///
    /// # Panics
    ///
    /// If `bits` is not from 1 to 128.
    #[must_use]
    #[track_caller]
    pub fn ipv6_prefix(self, bits: u32) -> Self {
        assert!((1..=128).contains(&bits), "ipv6_prefix is {bits}, it must be from 1 to 128");
        Self { ipv6_prefix: bits, ..self }
    }

    /// The address that this request counts for, `None` if the peer is not known.
    #[must_use]
    pub fn of<B>(&self, request: &Request<B>) -> Option<IpAddr> {
        let peer = (self.peer)(request.extensions())?;
        let client = match &self.proxies {
            Some(proxies) => proxies.client(peer, request.headers()),
            None => peer.to_canonical(),
        };
        let prefix = if client.is_ipv6() { self.ipv6_prefix } else { 32 };
        Some(masked(client, prefix))
    }
}

impl<P> fmt::Debug for ClientAddr<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAddr")
            .field("proxies", &self.proxies)
            .field("ipv6_prefix", &self.ipv6_prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get().copied()
    }

    fn request(peer: &str, forwarded_for: &str) -> Request<()> {
        let mut request = Request::builder().header("x-forwarded-for", forwarded_for).body(()).unwrap();
        request.extensions_mut().insert(peer.parse::<IpAddr>().unwrap());
        request
    }

    #[test]
    fn trap_27_nobody_is_believed_who_was_not_named() {
        let request = request("10.0.0.1", "6.6.6.6");
        let of = |client: ClientAddr<_>| client.of(&request).map(|address| address.to_string());
        let client = || ClientAddr::new(peer);
        assert_eq!(of(client()).as_deref(), Some("10.0.0.1"));
        let behind = |net: &str| client().behind(TrustedProxies::new([net]).unwrap());
        assert_eq!(of(behind("192.0.2.0/24")).as_deref(), Some("10.0.0.1"));
        assert_eq!(of(behind("10.0.0.0/8")).as_deref(), Some("6.6.6.6"));
        assert_eq!(client().of(&Request::new(())), None, "the server has not said");
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_an_ipv4_client_itself() {
        let of = |bits, address: &str| {
            ClientAddr::new(peer).ipv6_prefix(bits).of(&request(address, "")).unwrap().to_string()
        };
        assert_eq!(of(64, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of(56, "2001:db8:1:2ff:3:4:5:6"), "2001:db8:1:200::");
        assert_eq!(of(128, "2001:db8::6"), "2001:db8::6");
        assert_eq!(of(64, "192.0.2.7"), "192.0.2.7");
        assert_eq!(of(64, "::ffff:192.0.2.7"), "192.0.2.7");
        let default = ClientAddr::new(peer).of(&request("2001:db8:1:2:3:4:5:6", ""));
        assert_eq!(default.unwrap().to_string(), "2001:db8:1:2::");
    }

    #[test]
    #[should_panic(expected = "ipv6_prefix is 0, it must be from 1 to 128")]
    fn no_prefix_would_be_one_limit_for_all() {
        let _ = ClientAddr::new(peer).ipv6_prefix(0);
    }
}
