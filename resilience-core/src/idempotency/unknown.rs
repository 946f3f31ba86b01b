//! That nobody knows what a request has done.

use std::fmt;

use super::IdempotencyKey;

/// That an operation ended without an answer that says what it has done, and the key to ask again with.
///
/// It comes with the last answer or error, which stays what it is: see [`Error::outcome_unknown`](crate::Error::outcome_unknown). Whoever sends
/// the same request with the same key to a server that honours it gets the one result, or has the operation run for the first time.
///
/// ```
/// use resilience_core::idempotency::{IdempotencyKey, OutcomeUnknown};
///
/// let key = IdempotencyKey::random();
/// let unknown = OutcomeUnknown::new(key.clone());
/// assert_eq!(unknown.key(), &key);
/// assert_eq!(unknown.to_string(), "what the request has done is unknown");
/// assert_eq!(format!("{unknown:?}"), "OutcomeUnknown { .. }");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OutcomeUnknown {
    key: IdempotencyKey,
}

impl OutcomeUnknown {
    /// For layers that send requests with a key.
    #[must_use]
    pub const fn new(key: IdempotencyKey) -> Self {
        Self { key }
    }

    /// The key that the request was sent with. It is shown nowhere else.
    #[must_use]
    pub const fn key(&self) -> &IdempotencyKey {
        &self.key
    }
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the request has done is unknown")
    }
}

impl fmt::Debug for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeUnknown").finish_non_exhaustive()
    }
}

impl std::error::Error for OutcomeUnknown {}
