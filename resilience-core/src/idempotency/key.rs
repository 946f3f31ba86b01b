//! The key that a caller gives its operation.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use rand::RngExt as _;

use super::{
    rules::{InvalidKey, KeyRules, is_raw},
    uuid,
};

/// What a caller names its operation by: 1 to 255 printable ASCII characters, at best 128 random bits or more.
///
/// A key is as good as a password for the response that is stored under it, so it is shown nowhere by this library: `Debug` hides it,
/// there is no `Display`, and no error holds it.
///
/// ```
/// use resilience_core::idempotency::IdempotencyKey;
///
/// let key = IdempotencyKey::random();
/// assert_eq!(key.as_str().len(), 36);
/// assert_eq!(format!("{key:?}"), "IdempotencyKey(..)");
/// assert!(IdempotencyKey::new("").is_err());
/// ```
///
/// # Clone
///
/// A clone is the same key; it costs one reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// How a key is written into a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyFormat {
    /// As it is: what most services take today, some of which check that it is a UUID. A key with a character that would
    /// end a raw value, such as a comma or a space, is quoted all the same. The default.
    #[default]
    Raw,
    /// Quoted, as the IETF draft wants it: a string of RFC 9651.
    StructuredString,
}

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const MAX_LEN: usize = 255;

    /// A key of one's own: an order's number, a message's id. For a header that came in, see [`KeyRules::parse`].
    ///
    /// # Errors
    ///
    /// If it is empty or longer than 255 characters, or one of them is not printable ASCII.
    pub fn new(key: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let key = key.as_ref();
        InvalidKey::check_text(key.as_bytes())?;
        Ok(Self(key.into()))
    }

    /// A UUID of version 4: 122 bits that nobody can guess, from the thread's cryptographic generator, which the operating system
    /// seeds.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::v4(rand::rng().random()).into())
    }

    /// A UUID of version 7, made at `since_1970`, with 74 random bits.
    ///
    /// It lets a server refuse one that is too old to have a record still, and sorts by time, which indexes like. It tells everybody who sees it
    /// when it was made.
    ///
    /// ```
    /// use std::time::Duration;
    /// use resilience_core::idempotency::IdempotencyKey;
    ///
    /// let key = IdempotencyKey::uuid_v7(Duration::from_millis(1_700_000_000_123));
    /// assert_eq!(key.created(), Some(Duration::from_millis(1_700_000_000_123)));
    /// assert_eq!(IdempotencyKey::random().created(), None);
    /// ```
    #[must_use]
    pub fn uuid_v7(since_1970: Duration) -> Self {
        Self(uuid::v7(since_1970, rand::rng().random()).into())
    }

    /// A key that looks like a UUID, out of a hash.
    #[cfg(feature = "idempotency")]
    pub(super) fn derived(hash: [u8; 16]) -> Self {
        Self(uuid::v8(hash).into())
    }

    pub(super) fn from_uuid(bytes: [u8; 16]) -> Self {
        Self(uuid::text(bytes).into())
    }

    /// The key itself. It belongs into the header of a request, and beside the business data that it was made for; not into a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was made, since 1970, in milliseconds, if it is a UUID of version 7: so says whoever made it.
    #[must_use]
    pub fn created(&self) -> Option<Duration> {
        uuid::created(&self.0)
    }

    /// The value of a header, such that [`KeyRules::parse`] gives the same key.
    ///
    /// ```
    /// use resilience_core::idempotency::{IdempotencyKey, KeyFormat};
    ///
    /// let key = IdempotencyKey::new("order-7").expect("valid");
    /// assert_eq!(key.to_header(KeyFormat::Raw), "order-7");
    /// assert_eq!(key.to_header(KeyFormat::StructuredString), "\"order-7\"");
    /// ```
    #[must_use]
    pub fn to_header(&self, format: KeyFormat) -> Cow<'_, str> {
        if format == KeyFormat::Raw && self.0.bytes().all(is_raw) {
            return Cow::Borrowed(&self.0);
        }
        let mut quoted = String::with_capacity(self.0.len() + 2);
        quoted.push('"');
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        Cow::Owned(quoted)
    }
}

/// As [`KeyRules::parse`] reads it by default.
impl TryFrom<&[u8]> for IdempotencyKey {
    type Error = InvalidKey;

    fn try_from(header: &[u8]) -> Result<Self, InvalidKey> {
        KeyRules::new().parse(header)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(..)")
    }
}
