//! What proxies say of whom they forward for, read from the right: the nearest proxy has written last.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The header that the proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Header {
    /// The addresses from the nearest on, each `None` if it cannot be read.
    pub(super) fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let name = match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        };
        // What is not text is one element that cannot be read.
        let lines = headers.get_all(name).iter().rev().map(|line| line.to_str().unwrap_or("?"));
        lines.flat_map(|line| RSplit { rest: Some(line), at: b',' }).map(move |element| match self {
            Self::XForwardedFor => address(element.trim()),
            Self::Forwarded => forwarded_for(element),
        })
    }
}

/// Splits at a separator outside of quotes, from the right.
///
/// From there, because the left may come from anybody: a quote that is never closed must not swallow what a proxy has added.
struct RSplit<'a> {
    rest: Option<&'a str>,
    at: u8,
}

impl<'a> Iterator for RSplit<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let mut is_quoted = false;
        let found = rest.bytes().rposition(|byte| {
            is_quoted ^= byte == b'"';
            byte == self.at && !is_quoted
        });
        let Some(at) = found else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[..at]);
        Some(&rest[at + 1..])
    }
}

/// The `for` of an element of `Forwarded`. One that is there twice cannot be read.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = RSplit { rest: Some(element), at: b';' }.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let node = nodes.next()?;
    if nodes.next().is_some() {
        return None;
    }
    let unquoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
    address(unquoted.unwrap_or(node))
}

/// An address, with a port or without, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn hops(header: Header, name: &'static str, lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        header.hops(&headers).map(|hop| hop.map_or_else(|| "-".to_owned(), |hop| hop.to_string())).collect()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_and_from_the_last_line() {
        let hops = |lines: &[&str]| hops(Header::XForwardedFor, "x-forwarded-for", lines);
        assert_eq!(hops(&["1.1.1.1, 2.2.2.2", "3.3.3.3"]), ["3.3.3.3", "2.2.2.2", "1.1.1.1"]);
        assert_eq!(
            hops(&["2001:db8::1,[2001:db8::2]:80 , 1.1.1.1:443"]),
            ["1.1.1.1", "2001:db8::2", "2001:db8::1"]
        );
        assert_eq!(hops(&["[2001:db8::3], ::ffff:1.2.3.4"]), ["1.2.3.4", "2001:db8::3"]);
        assert_eq!(hops(&["unknown,,1.2.3"]), ["-", "-", "-"]);
        assert!(hops(&[]).is_empty());
    }

    #[test]
    fn forwarded_is_read_from_the_right_with_its_quotes() {
        let hops = |lines: &[&str]| hops(Header::Forwarded, "forwarded", lines);
        assert_eq!(
            hops(&[r#"for=192.0.2.43, For="[2001:db8:cafe::17]:4711";proto=http;by=203.0.113.43"#]),
            ["2001:db8:cafe::17", "192.0.2.43"]
        );
        assert_eq!(hops(&[r#"host="a,b;for=6.6.6.6";for=1.1.1.1"#]), ["1.1.1.1"]);
        assert_eq!(hops(&["for=unknown", "for=_hidden", "proto=http"]), ["-", "-", "-"]);
        assert_eq!(hops(&["for=1.1.1.1;for=2.2.2.2"]), ["-"]);
    }

    #[test]
    fn a_quote_that_a_client_leaves_open_hides_no_proxy() {
        let hops = |lines: &[&str]| hops(Header::Forwarded, "forwarded", lines);
        assert_eq!(hops(&[r#"for="6.6.6.6, for=1.1.1.1"#])[0], "1.1.1.1");
        assert_eq!(hops(&[r#"for="6.6.6.6, for="1.1.1.1""#])[0], "1.1.1.1");
    }
}
