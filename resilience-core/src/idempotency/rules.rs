//! Which values of a header are keys.

use std::{borrow::Cow, error, fmt};

use super::{IdempotencyKey, uuid};
use crate::range::Range;

const MIN_LEN: Range<u32> = Range::new("min_len", 1, 255);

/// Which values of an `Idempotency-Key` header are keys, and which key they are.
///
/// By default both ways of writing are taken, because both are sent: `"abc"`, a string of RFC 9651 as the IETF draft has it, and
/// `abc`, which is the same key. After a string there may be parameters, which are ignored.
///
/// ```
/// use resilience_core::idempotency::{InvalidKey, KeyRules};
///
/// let lenient = KeyRules::new();
/// assert_eq!(lenient.parse(b"abc")?, lenient.parse(b"\"abc\"; v=1")?);
/// assert_eq!(lenient.parse(b"abc, def"), Err(InvalidKey::Character));
///
/// let strict = KeyRules::new().strict().uuid_only();
/// assert_eq!(strict.parse(b"abc"), Err(InvalidKey::Unquoted));
/// assert_eq!(strict.parse(b"\"abc\""), Err(InvalidKey::NotUuid));
/// # Ok::<(), InvalidKey>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRules {
    strict: bool,
    uuid_only: bool,
    min_len: usize,
}

impl KeyRules {
    /// Quoted or not, from 1 to 255 characters.
    #[must_use]
    pub const fn new() -> Self {
        Self { strict: false, uuid_only: false, min_len: 1 }
    }

    /// Only quoted, as the IETF draft wants it. Not by default: most clients that exist send the bare value.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Only UUIDs with hyphens, of any version, in upper or lower case, but not the one of zeros. Not by default.
    #[must_use]
    pub const fn uuid_only(mut self) -> Self {
        self.uuid_only = true;
        self
    }

    /// Only keys of so many characters or more. 1 by default. With 16, callers that count from one are found out early.
    ///
    /// # Panics
    ///
    /// If it is 0 or above 255.
    #[must_use]
    #[track_caller]
    pub fn min_len(mut self, characters: u32) -> Self {
        self.min_len = MIN_LEN.expect(characters) as usize;
        self
    }

    /// The key in the value of a header.
    ///
    /// # Errors
    ///
    /// Which rule it breaks; never the value.
    pub fn parse(&self, header: &[u8]) -> Result<IdempotencyKey, InvalidKey> {
        let header = trim(header);
        let text = match header {
            [b'"', rest @ ..] => Cow::Owned(unquote(rest)?),
            [] => return Err(InvalidKey::Empty),
            _ if self.strict => return Err(InvalidKey::Unquoted),
            _ if header.iter().all(|&byte| is_raw(byte)) => String::from_utf8_lossy(header),
            _ => return Err(InvalidKey::Character),
        };
        let key = IdempotencyKey::new(&text)?;
        if text.len() < self.min_len {
            return Err(InvalidKey::TooShort);
        }
        if self.uuid_only && !uuid::is_uuid(text.as_bytes()) {
            return Err(InvalidKey::NotUuid);
        }
        Ok(key)
    }
}

impl Default for KeyRules {
    fn default() -> Self {
        Self::new()
    }
}

/// Which rule a key breaks. It holds nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidKey {
    /// There is nothing in it.
    Empty,
    /// It has more than 255 characters.
    TooLong,
    /// It has fewer characters than [`KeyRules::min_len`] asks for.
    TooShort,
    /// One of its characters is not allowed there: not printable ASCII, or, in a bare value, a space, comma, semicolon or quote.
    Character,
    /// Its quote does not end, or something but parameters follows it: a second key, for one.
    Quoting,
    /// A backslash is followed by something else than a quote or a backslash.
    Escape,
    /// It has no quotes, and the rules are strict.
    Unquoted,
    /// It is not a UUID, and nothing else is allowed.
    NotUuid,
}

impl InvalidKey {
    /// The sentence that an answer to the caller may hold.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "the idempotency key is empty",
            Self::TooLong => "the idempotency key has more than 255 characters",
            Self::TooShort => "the idempotency key is too short",
            Self::Character => "the idempotency key has a character that is not allowed",
            Self::Quoting => "the idempotency key is not one quoted string",
            Self::Escape => "the idempotency key has an escape that is not allowed",
            Self::Unquoted => "the idempotency key must be quoted",
            Self::NotUuid => "the idempotency key must be a UUID",
        }
    }

    /// What holds for every key, however it came.
    pub(super) fn check_text(text: &[u8]) -> Result<(), Self> {
        match text.len() {
            0 => Err(Self::Empty),
            1..=IdempotencyKey::MAX_LEN if text.iter().all(|&byte| is_printable(byte)) => Ok(()),
            1..=IdempotencyKey::MAX_LEN => Err(Self::Character),
            _ => Err(Self::TooLong),
        }
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl error::Error for InvalidKey {}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// What may stand in a bare value: nothing that could begin a list, parameters or a string.
pub(super) fn is_raw(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"')
}

/// Without the white space that a header's value may have around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What a string of RFC 9651 says, `value` being what follows its opening quote.
fn unquote(value: &[u8]) -> Result<String, InvalidKey> {
    let mut text = String::new();
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'"' => return only_parameters(bytes.as_slice()).map(|()| text),
            b'\\' => match bytes.next() {
                Some(&escaped @ (b'"' | b'\\')) => escaped,
                _ => return Err(InvalidKey::Escape),
            },
            _ if is_printable(byte) => byte,
            _ => return Err(InvalidKey::Character),
        };
        text.push(char::from(byte));
    }
    Err(InvalidKey::Quoting)
}

/// Checks what follows a string: parameters, whatever they say, but no further member of a list, which would be a second key.
fn only_parameters(rest: &[u8]) -> Result<(), InvalidKey> {
    let (mut quoted, mut escaped) = (false, false);
    if !matches!(rest, [] | [b';', ..]) {
        return Err(InvalidKey::Quoting);
    }
    for &byte in rest {
        match byte {
            _ if !is_printable(byte) => return Err(InvalidKey::Character),
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return Err(InvalidKey::Quoting),
            _ => {}
        }
    }
    if quoted { Err(InvalidKey::Quoting) } else { Ok(()) }
}
