//! A response as it is kept: its bytes, and back.
//!
//! ```text
//! version: 1   flags: 1   status: 2
//! headers      number: 4, and for each: length of the name: 4, name, length of the value: 4, value
//! body         length: 4, bytes
//! trailers     as headers
//! ```
//!
//! Numbers have their greatest byte first. Nothing comes after the trailers.

use std::{error, fmt};

use bytes::{BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
/// The body was not kept.
const TOMBSTONE: u8 = 1;

/// A response as a store keeps it.
///
/// Names and values are bytes, in order and with repeats: a value need not be text. What is not kept is said so: the
/// [body](Self::body) of such a tombstone is `None`.
///
/// ```
/// use bytes::Bytes;
/// use resilience_core::idempotency::KeptResponse;
///
/// let mut kept = KeptResponse::new(201);
/// kept.headers.push((Bytes::from("location"), Bytes::from("/orders/7")));
/// kept.body = Some(Bytes::from("{}"));
///
/// let bytes = kept.encode();
/// assert_eq!(KeptResponse::decode(&bytes)?, kept);
/// # Ok::<(), resilience_core::idempotency::NotAResponse>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptResponse {
    /// The status code of HTTP, whatever number it is.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The whole body, if it was kept.
    pub body: Option<Bytes>,
    /// Names and values that come after the body.
    pub trailers: Vec<(Bytes, Bytes)>,
}

impl KeptResponse {
    /// A status, and an empty body.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Some(Bytes::new()), trailers: Vec::new() }
    }

    /// The bytes to store.
    ///
    /// # Panics
    ///
    /// If a part has 4 GiB or more.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let body = self.body.as_deref().unwrap_or_default();
        let mut bytes =
            BytesMut::with_capacity(16 + length_of(&self.headers) + body.len() + length_of(&self.trailers));
        bytes.put_u8(VERSION);
        bytes.put_u8(if self.body.is_none() { TOMBSTONE } else { 0 });
        bytes.put_u16(self.status);
        put_fields(&mut bytes, &self.headers);
        put_part(&mut bytes, body);
        put_fields(&mut bytes, &self.trailers);
        bytes.freeze()
    }

    /// Reads what [`encode`](Self::encode) has written. The parts share the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// If the bytes are anything else, or of another version. It never panics, and takes no more memory than the bytes justify.
    pub fn decode(bytes: &Bytes) -> Result<Self, NotAResponse> {
        let mut rest = bytes.clone();
        if take_array::<1>(&mut rest)? != [VERSION] {
            return Err(NotAResponse(()));
        }
        let [flags] = take_array(&mut rest)?;
        let status = u16::from_be_bytes(take_array(&mut rest)?);
        let headers = take_fields(&mut rest)?;
        let body = take_part(&mut rest)?;
        let trailers = take_fields(&mut rest)?;
        let body = match flags {
            0 => Some(body),
            TOMBSTONE if body.is_empty() => None,
            _ => return Err(NotAResponse(())),
        };
        if !rest.is_empty() {
            return Err(NotAResponse(()));
        }
        Ok(Self { status, headers, body, trailers })
    }
}

/// The status and how much there is of the rest, and nothing of it.
impl fmt::Debug for KeptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body", &self.body.as_ref().map(Bytes::len))
            .field("trailers", &self.trailers.len())
            .finish()
    }
}

fn length_of(fields: &[(Bytes, Bytes)]) -> usize {
    fields.iter().map(|(name, value)| 8 + name.len() + value.len()).sum()
}

fn put_fields(bytes: &mut BytesMut, fields: &[(Bytes, Bytes)]) {
    put_length(bytes, fields.len());
    for (name, value) in fields {
        put_part(bytes, name);
        put_part(bytes, value);
    }
}

fn put_part(bytes: &mut BytesMut, part: &[u8]) {
    put_length(bytes, part.len());
    bytes.put_slice(part);
}

fn put_length(bytes: &mut BytesMut, length: usize) {
    match u32::try_from(length) {
        Ok(length) => bytes.put_u32(length),
        Err(_) => panic!("a part of a response to keep must be shorter than 4 GiB, not {length} bytes"),
    }
}

fn take_array<const N: usize>(rest: &mut Bytes) -> Result<[u8; N], NotAResponse> {
    let (array, _) = rest.split_first_chunk::<N>().ok_or(NotAResponse(()))?;
    let array = *array;
    let _ = rest.split_to(N);
    Ok(array)
}

fn take_length(rest: &mut Bytes) -> Result<usize, NotAResponse> {
    usize::try_from(u32::from_be_bytes(take_array(rest)?)).map_err(|_| NotAResponse(()))
}

fn take_part(rest: &mut Bytes) -> Result<Bytes, NotAResponse> {
    let length = take_length(rest)?;
    if length > rest.len() { Err(NotAResponse(())) } else { Ok(rest.split_to(length)) }
}

/// The number of them is not believed: each takes eight bytes at least.
fn take_fields(rest: &mut Bytes) -> Result<Vec<(Bytes, Bytes)>, NotAResponse> {
    let number = take_length(rest)?;
    if number > rest.len() / 8 {
        return Err(NotAResponse(()));
    }
    (0..number).map(|_| Ok((take_part(rest)?, take_part(rest)?))).collect()
}

/// The bytes are no [`KeptResponse`], or one of a version that is not known here. They are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAResponse(());

impl fmt::Display for NotAResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was stored is not a response, or one of another version")
    }
}

impl error::Error for NotAResponse {}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields() -> impl Strategy<Value = Vec<(Bytes, Bytes)>> {
        let part = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
        prop::collection::vec((part(), part()), 0..6)
    }

    prop_compose! {
        fn kept()(
            status in any::<u16>(),
            headers in fields(),
            body in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            trailers in fields(),
        ) -> KeptResponse {
            KeptResponse { status, headers, body: body.map(Bytes::from), trailers }
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back_and_has_the_length_that_was_expected(kept in kept()) {
            let bytes = kept.encode();
            let body = kept.body.as_ref().map_or(0, Bytes::len);
            prop_assert_eq!(bytes.len(), 16 + length_of(&kept.headers) + body + length_of(&kept.trailers));
            prop_assert_eq!(KeptResponse::decode(&bytes), Ok(kept));
        }

        #[test]
        fn hostile_bytes_are_an_error_or_a_response_with_these_very_bytes(
            kept in kept(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = kept.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let bytes = Bytes::from(bytes);
            if let Ok(other) = KeptResponse::decode(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = KeptResponse::decode(&Bytes::from(bytes));
        }
    }

    #[test]
    fn every_prefix_and_every_surplus_is_an_error() {
        let mut kept = KeptResponse::new(200);
        kept.headers = vec![(Bytes::from("a"), Bytes::from("b")), (Bytes::from("a"), Bytes::from("\u{ff}"))];
        kept.body = Some(Bytes::from("text"));
        kept.trailers = vec![(Bytes::from("c"), Bytes::new())];
        let bytes = kept.encode();
        for length in 0..bytes.len() {
            assert_eq!(KeptResponse::decode(&bytes.slice(..length)), Err(NotAResponse(())), "{length}");
        }
        let longer = Bytes::from([&bytes[..], b"x"].concat());
        assert!(KeptResponse::decode(&longer).is_err());
    }

    #[test]
    fn another_version_and_a_flag_that_is_not_known_are_errors() {
        let bytes = KeptResponse::new(200).encode();
        for (at, value) in [(0, 0), (0, 2), (1, 2), (1, 3)] {
            let mut other = bytes.to_vec();
            other[at] = value;
            assert!(KeptResponse::decode(&Bytes::from(other)).is_err(), "{at} {value}");
        }
        let tombstone = KeptResponse { body: None, ..KeptResponse::new(200) };
        assert_eq!(KeptResponse::decode(&tombstone.encode()), Ok(tombstone));
    }

    #[test]
    fn a_number_that_the_bytes_do_not_justify_takes_no_memory() {
        let mut bytes = vec![VERSION, 0, 0, 200];
        bytes.extend(u32::MAX.to_be_bytes());
        bytes.extend([0; 64]);
        assert!(KeptResponse::decode(&Bytes::from(bytes)).is_err());
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let mut kept = KeptResponse::new(200);
        kept.headers.push((Bytes::from("authorization"), Bytes::from("secret")));
        kept.body = Some(Bytes::from("secret"));
        let shown = format!("{kept:?}");
        assert!(!shown.contains("secret") && !shown.contains("authorization"), "{shown}");
    }
}
