use std::{fmt, sync::Arc};

use bytes::Bytes;
use resilience_core::idempotency::RecordKey;

/// Encrypts what is stored, and decrypts it.
///
/// The record's key belongs into what is authenticated: then nobody who can write to the store can swap two responses.
///
/// ```
/// use bytes::Bytes;
/// use resilience_core::idempotency::RecordKey;
/// use resilience_tower::idempotency::{Seal, Settings};
///
/// /// In place of a real cipher.
/// struct Backwards;
///
/// impl Seal for Backwards {
///     fn seal(&self, _: &RecordKey, response: Bytes) -> Bytes {
///         response.iter().rev().copied().collect()
///     }
///
///     fn open(&self, record: &RecordKey, sealed: Bytes) -> Option<Bytes> {
///         Some(self.seal(record, sealed))
///     }
/// }
///
/// let settings = Settings::new().sealed_by(Backwards);
/// # let _ = settings;
/// ```
pub trait Seal: Send + Sync + 'static {
    /// What is stored of a response.
    fn seal(&self, record: &RecordKey, response: Bytes) -> Bytes;

    /// The response in what is stored; nothing if it is not one of ours. It is then refused, like any record that cannot be read.
    fn open(&self, record: &RecordKey, sealed: Bytes) -> Option<Bytes>;
}

/// Responses are stored as they are, unless there is a seal.
#[derive(Clone, Default)]
pub(super) struct Sealing(Option<Arc<dyn Seal>>);

impl Sealing {
    pub(super) fn by(seal: impl Seal) -> Self {
        Self(Some(Arc::new(seal)))
    }

    pub(super) fn seal(&self, record: &RecordKey, response: Bytes) -> Bytes {
        match &self.0 {
            Some(seal) => seal.seal(record, response),
            None => response,
        }
    }

    pub(super) fn open(&self, record: &RecordKey, sealed: Bytes) -> Option<Bytes> {
        match &self.0 {
            Some(seal) => seal.open(record, sealed),
            None => Some(sealed),
        }
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealing").field(&self.0.is_some()).finish()
    }
}
