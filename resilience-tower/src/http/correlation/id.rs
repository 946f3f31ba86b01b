use std::{error, fmt, str::FromStr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};

/// An id that is safe to log, to send on and to put into a URL: from 1 to 64 of the characters `A-Z`, `a-z`, `0-9`, `-`, `.`, `_`
/// and `~`.
///
/// Those are the characters that [need no escape](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) in a URL, nor anywhere
/// else: no line can be broken with them, no markup opened, no list extended. UUIDs, ULIDs, hexadecimal and URL-safe Base64 are
/// made of them. Ordinary Base64 is not.
///
/// ```
/// use resilience_tower::http::correlation::CorrelationId;
///
/// let id: CorrelationId = "018f6b2e-7a52-7cc3-98c4-dc0c0c07398f".parse()?;
/// assert_eq!(id.as_str().len(), 36);
/// assert!("two\r\nlines".parse::<CorrelationId>().is_err());
/// assert_ne!(CorrelationId::random(), CorrelationId::random());
/// # Ok::<_, resilience_tower::http::correlation::InvalidId>(())
/// ```
///
/// # Clone
///
/// A clone shares the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(HeaderValue);

impl CorrelationId {
    /// The most bytes there can be.
    pub const MAX_LEN: usize = 64;

    /// 128 random bits of the thread's generator, as 32 hexadecimal digits.
    #[must_use]
    pub fn random() -> Self {
        Self::from_bits(rand::random())
    }

    /// All 32 digits, also where the first ones are zeros.
    fn from_bits(bits: u128) -> Self {
        let bytes = bits.to_be_bytes();
        let digits: [u8; 32] = std::array::from_fn(|place| {
            let byte = bytes[place / 2];
            let digit = if place % 2 == 0 { byte >> 4 } else { byte & 0xf };
            if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }
        });
        // With an owner there is one allocation, however many copies there will be.
        match HeaderValue::from_maybe_shared(Bytes::from_owner(digits)) {
            Ok(value) => Self(value),
            Err(_) => unreachable!("digits are valid in a header"),
        }
    }

    /// The id in these headers, if there is one and only one, and it is good.
    #[must_use]
    pub fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter();
        Self::only(values.next(), values.next())
    }

    /// The id in these headers if it is good; else what `create` makes, which is then there in place of all that was.
    pub(super) fn of_or_insert(
        headers: &mut HeaderMap,
        name: &HeaderName,
        create: impl FnOnce() -> Self,
    ) -> Self {
        match headers.entry(name) {
            Entry::Occupied(mut entry) => {
                let mut values = entry.iter();
                let id = Self::only(values.next(), values.next());
                id.unwrap_or_else(|| {
                    let id = create();
                    entry.insert(id.clone().into());
                    id
                })
            }
            Entry::Vacant(entry) => {
                let id = create();
                entry.insert(id.clone().into());
                id
            }
        }
    }

    fn only(first: Option<&HeaderValue>, second: Option<&HeaderValue>) -> Option<Self> {
        match (first, second) {
            (Some(value), None) if is_good(value.as_bytes()) => Some(Self(value.clone())),
            _ => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_good(text: &[u8]) -> bool {
    (1..=CorrelationId::MAX_LEN).contains(&text.len())
        && text.iter().all(|&byte| UNRESERVED[usize::from(byte)])
}

static UNRESERVED: [bool; 256] = {
    let unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    let (mut table, mut at) = ([false; 256], 0);
    while at < unreserved.len() {
        table[unreserved[at] as usize] = true;
        at += 1;
    }
    table
};

impl FromStr for CorrelationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if !is_good(text.as_bytes()) {
            return Err(InvalidId(()));
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| InvalidId(()))
    }
}

impl From<CorrelationId> for HeaderValue {
    fn from(id: CorrelationId) -> Self {
        id.0
    }
}

/// Not the id: whoever wants it in a log asks for its [text](CorrelationId::as_str).
impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelationId").finish_non_exhaustive()
    }
}

/// The text is no [`CorrelationId`]. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId(());

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a correlation id has from 1 to {} letters, digits, `-`, `.`, `_` or `~`",
            CorrelationId::MAX_LEN
        )
    }
}

impl error::Error for InvalidId {}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: HeaderName = HeaderName::from_static("x-correlation-id");

    #[test]
    fn each_byte_is_allowed_or_not() {
        for byte in 0..=u8::MAX {
            let is_good = matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
            assert_eq!(super::is_good(&[b'a', byte, b'z']), is_good, "{byte:#x}");
            if let Ok(value) = HeaderValue::from_bytes(&[byte]) {
                let headers = HeaderMap::from_iter([(NAME, value)]);
                assert_eq!(CorrelationId::of(&headers, &NAME).is_some(), is_good, "{byte:#x}");
            }
        }
    }

    #[test]
    fn the_length_is_from_1_to_64() {
        for (len, is_good) in [(0, false), (1, true), (64, true), (65, false), (100_000, false)] {
            assert_eq!("x".repeat(len).parse::<CorrelationId>().is_ok(), is_good, "{len}");
        }
    }

    #[test]
    fn of_two_ids_none_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(CorrelationId::of(&headers, &NAME), None);
        headers.append(NAME, HeaderValue::from_static("one"));
        assert_eq!(CorrelationId::of(&headers, &NAME).as_ref().map(CorrelationId::as_str), Some("one"));
        headers.append(NAME, HeaderValue::from_static("two"));
        assert_eq!(CorrelationId::of(&headers, &NAME), None);
    }

    #[test]
    fn a_random_id_is_128_bits_in_32_digits() {
        assert_eq!(CorrelationId::from_bits(0).as_str(), "0".repeat(32));
        assert_eq!(CorrelationId::from_bits(u128::MAX).as_str(), "f".repeat(32));
        let bits = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        assert_eq!(CorrelationId::from_bits(bits).as_str(), format!("{bits:032x}"));

        let ids: Vec<_> = (0..100).map(|_| CorrelationId::random()).collect();
        for place in 0..32 {
            let first = ids[0].as_str().as_bytes()[place];
            assert!(
                ids.iter().any(|id| id.as_str().as_bytes()[place] != first),
                "digit {place} never changes"
            );
        }
    }

    #[test]
    fn neither_the_id_nor_what_was_wrong_is_shown() {
        assert!(!format!("{:?}", "secret".parse::<CorrelationId>()).contains("secret"));
        let error = "se/cret".parse::<CorrelationId>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("cret"));
    }
}
