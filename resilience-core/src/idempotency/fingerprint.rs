//! What was asked for, as a hash.

use std::fmt;

use super::hash::Parts;

/// What was asked for: two requests under one key must have the same.
///
/// ```
/// use resilience_core::idempotency::Fingerprint;
///
/// let of = |body: &str| Fingerprint::of_parts().part("POST").part("/charges?dry_run=1").part(body).finish();
/// assert_eq!(of("amount=5"), of("amount=5"));
/// assert_ne!(of("amount=5"), of("amount=50"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// A hash made elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Begins one from the parts of a request.
    #[must_use]
    pub fn of_parts() -> FingerprintParts {
        FingerprintParts(Parts::new(NAME))
    }

    /// The same, such that nobody without the secret can try out what was asked for.
    #[must_use]
    pub fn of_parts_keyed(secret: &FingerprintSecret) -> FingerprintParts {
        FingerprintParts(Parts::keyed(&secret.0, NAME))
    }

    /// What a store writes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The version is a part of it: a later one that hashes otherwise shall match nothing of this one.
const NAME: &str = "resilience idempotency fingerprint 1";

/// A fingerprint in the making.
///
/// Each part goes in with its length: `a` and `bc` are not `ab` and `c`, and an empty part is not an absent one.
///
/// ```
/// use resilience_core::idempotency::Fingerprint;
///
/// let of = |one: &str, other: &str| Fingerprint::of_parts().part(one).part(other).finish();
/// assert_ne!(of("a", "bc"), of("ab", "c"));
///
/// let content_type = |value: Option<&str>| Fingerprint::of_parts().part_if_any(value).finish();
/// assert_ne!(content_type(None), content_type(Some("")));
/// ```
#[derive(Clone)]
pub struct FingerprintParts(Parts);

impl FingerprintParts {
    /// The next part.
    #[must_use]
    pub fn part(self, bytes: impl AsRef<[u8]>) -> Self {
        Self(self.0.part(bytes.as_ref()))
    }

    /// The next part, which may be absent.
    #[must_use]
    pub fn part_if_any(self, bytes: Option<impl AsRef<[u8]>>) -> Self {
        match bytes {
            Some(bytes) => self.part(bytes),
            None => Self(self.0.absent()),
        }
    }

    /// The fingerprint of all of them.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finish())
    }
}

/// What makes fingerprints useless to whoever reads the store.
///
/// A plain hash of a body that has few possible values, such as a card number, can be found by trying them all. All instances of a
/// deployment must have the same secret, and with another one every key that is in use is answered with a mismatch until its record
/// is gone.
///
/// ```
/// use resilience_core::idempotency::{Fingerprint, FingerprintSecret};
///
/// let secret = FingerprintSecret::new("thirty-two random bytes or so...");
/// let keyed = Fingerprint::of_parts_keyed(&secret).part("4111111111111111").finish();
/// assert_ne!(keyed, Fingerprint::of_parts().part("4111111111111111").finish());
/// assert_eq!(format!("{secret:?}"), "FingerprintSecret(..)");
/// ```
#[derive(Clone)]
pub struct FingerprintSecret([u8; 32]);

impl FingerprintSecret {
    /// The shortest secret.
    const MIN: usize = 16;

    /// A secret of at least 16 random bytes.
    ///
    /// # Panics
    ///
    /// If it is shorter.
    #[must_use]
    #[track_caller]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        assert!(
            secret.len() >= Self::MIN,
            "secret is of {} bytes, it must be of at least {}",
            secret.len(),
            Self::MIN
        );
        Self(Parts::new("resilience idempotency fingerprint secret 1").part(secret).finish())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

impl fmt::Debug for FingerprintParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintParts(..)")
    }
}

impl fmt::Debug for FingerprintSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintSecret(..)")
    }
}
