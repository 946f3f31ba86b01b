//! That nobody knows what a request has done.

use std::fmt;

use super::{IdempotencyKey, uuid};

/// That an operation ended without an answer that says what it has done, and the key to ask again with.
///
/// It comes with the last answer or error, which stays what it is: see [`Error::outcome_unknown`](crate::Error::outcome_unknown). Whoever sends
/// the same request with the same key to a server that honours it gets the one result, or has the operation run for the first time.
///
/// ```
/// use resilience_core::idempotency::{IdempotencyKey, OutcomeUnknown};
///
/// let key = IdempotencyKey::random();
/// let unknown = OutcomeUnknown::of(&key);
/// assert_eq!(unknown.key(), Some(key));
/// assert_eq!(unknown.to_string(), "what the request has done is unknown");
/// assert_eq!(format!("{unknown:?}"), "OutcomeUnknown { .. }");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OutcomeUnknown {
    /// Small and `Copy`, as the errors are that it is in.
    uuid: Option<[u8; 16]>,
}

impl OutcomeUnknown {
    /// For layers that send requests with a key.
    #[must_use]
    pub fn of(key: &IdempotencyKey) -> Self {
        Self { uuid: uuid::parse(key.as_str()) }
    }

    /// The key that the request was sent with, if it is a UUID, in lower case and with hyphens, as all are that this library makes. Of any
    /// other `None`: that is its caller's own, who has it. It is shown nowhere else.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.uuid.map(IdempotencyKey::from_uuid)
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
