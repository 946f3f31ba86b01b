use std::{error::Error, fmt, net::IpAddr};

use http::HeaderMap;

use super::forwarded::Header;

/// The proxies whose word about a client's address is taken: by their own addresses.
///
/// Who forwards adds the address that it was asked from at the right end of a header. So the header is read from the right, as
/// long as the speaker is trusted; the first address that is not a proxy's is the client's. Whatever stands further left, the client
/// itself may have written.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use resilience_tower::http::rate_limit::TrustedProxies;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "2001:db8::7"])?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 198.51.100.9, 10.0.0.2"));
/// assert_eq!(proxies.client("10.0.0.1".parse()?, &headers).to_string(), "198.51.100.9");
/// assert_eq!(proxies.client("203.0.113.5".parse()?, &headers).to_string(), "203.0.113.5", "no proxy");
/// # Ok(())
/// # }
/// ```
///
/// It reads one header only, `X-Forwarded-For` unless told [otherwise](Self::forwarded): the other one a proxy passes on
/// as the client has sent it.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    nets: Vec<Net>,
    header: Header,
}

impl TrustedProxies {
    /// Proxies in these networks, such as `10.0.0.0/8`, or with these addresses, which write `X-Forwarded-For`.
    ///
    /// # Errors
    ///
    /// If one is neither, or has bits behind its prefix.
    pub fn new<I>(nets: I) -> Result<Self, InvalidNet>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let nets = nets.into_iter().map(|net| Net::parse(net.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { nets, header: Header::XForwardedFor })
    }

    /// The same proxies, which write `Forwarded` (RFC 7239) instead.
    #[must_use]
    pub fn forwarded(self) -> Self {
        Self { header: Header::Forwarded, ..self }
    }

    /// The address of the client that this peer speaks for.
    ///
    /// If a trusted proxy names nobody, or in a way that cannot be read, it is the proxy's own address: better a limit that
    /// some share than one that anybody escapes.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut speaker = peer.to_canonical();
        for hop in self.header.hops(headers) {
            match hop {
                Some(address) if self.trusts(speaker) => speaker = address,
                _ => break,
            }
        }
        speaker
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(address))
    }
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug)]
struct Net {
    first: IpAddr,
    prefix: u32,
}

impl Net {
    fn parse(text: &str) -> Result<Self, InvalidNet> {
        let invalid = || InvalidNet { text: text.to_owned() };
        let (first, prefix) = match text.split_once('/') {
            Some((first, prefix)) => (first, Some(prefix.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| invalid())?;
        let prefix = prefix.unwrap_or_else(|| bits(first));
        if prefix > bits(first) || masked(first, prefix) != first {
            return Err(invalid());
        }
        Ok(Self { first, prefix })
    }

    fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

const fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with everything behind its first bits cleared.
pub(super) fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()),
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into())
        }
    }
}

/// A text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNet {
    text: String,
}

impl fmt::Display for InvalidNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither an address nor a network such as 10.0.0.0/8", self.text)
    }
}

impl Error for InvalidNet {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(proxies: &TrustedProxies, peer: &str, header: &'static str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header, HeaderValue::from_str(value).unwrap());
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn trap_27_the_left_most_address_is_the_client_s_own_word() {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"]).unwrap();
        let client = |peer, value| client(&proxies, peer, "x-forwarded-for", value);
        assert_eq!(client("10.0.0.1", "6.6.6.6, 198.51.100.9"), "198.51.100.9");
        assert_eq!(client("10.0.0.1", "10.9.9.9, 198.51.100.9, 10.0.0.2, fd00::1"), "198.51.100.9");
        assert_eq!(client("198.51.100.9", "6.6.6.6"), "198.51.100.9", "the peer is no proxy");
        assert_eq!(client("::ffff:10.0.0.1", "198.51.100.9"), "198.51.100.9");
        assert_eq!(client("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3", "all are ours");
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk_at_the_last_one_who_spoke() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let client = |value| client(&proxies, "10.0.0.1", "x-forwarded-for", value);
        assert_eq!(client("6.6.6.6, unknown"), "10.0.0.1");
        assert_eq!(client("6.6.6.6, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(client(""), "10.0.0.1");
    }

    #[test]
    fn only_one_header_is_believed() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        assert_eq!(client(&proxies, "10.0.0.1", "forwarded", "for=6.6.6.6"), "10.0.0.1");
        let proxies = proxies.forwarded();
        assert_eq!(client(&proxies, "10.0.0.1", "x-forwarded-for", "6.6.6.6"), "10.0.0.1");
        assert_eq!(client(&proxies, "10.0.0.1", "forwarded", "for=6.6.6.6, for=1.1.1.1"), "1.1.1.1");
    }

    #[test]
    fn without_proxies_the_peer_is_the_client() {
        let none = TrustedProxies::new([""; 0]).unwrap();
        assert_eq!(client(&none, "10.0.0.1", "x-forwarded-for", "6.6.6.6"), "10.0.0.1");
    }

    #[test]
    fn networks_end_where_their_prefix_says() {
        let trusts =
            |net: &str, address: &str| TrustedProxies::new([net]).unwrap().trusts(address.parse().unwrap());
        assert!(trusts("10.0.0.0/8", "10.255.255.255") && !trusts("10.0.0.0/8", "11.0.0.0"));
        assert!(trusts("192.0.2.7", "192.0.2.7") && !trusts("192.0.2.7", "192.0.2.6"));
        assert!(trusts("2001:db8::/33", "2001:db8:7fff::1") && !trusts("2001:db8::/33", "2001:db8:8000::1"));
        assert!(!trusts("2001:db8::/64", "10.0.0.1"));
        assert!(trusts("0.0.0.0/0", "8.8.8.8") && !trusts("0.0.0.0/0", "::1"));
    }

    #[test]
    fn what_is_no_network_is_an_error_that_names_it() {
        for text in ["10.0.0.0/33", "10.0.0.1/8", "example", "", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            let error = TrustedProxies::new([text]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
