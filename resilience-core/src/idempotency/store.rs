//! What a store of records does: four operations, each of them atomic, each on one record.

use std::{error, fmt, future::Future, time::Duration};

use bytes::Bytes;

use super::{Claim, Held, Owner, RecordKey};

/// Keeps the records of operations.
///
/// Each method is one atomic operation on one record, by the **store's own clock**: two processes with clocks that differ must
/// agree on who owns a record. Each is safe to send again with the same owner, because a request whose answer was lost may have been
/// carried out. Whoever writes a store runs the conformance suite against it: the module `conformance`, with the feature
/// `idempotency-conformance`.
///
/// A store does not wait for a record to become free, and bounds how long it waits for its server: callers give it half a second
/// by default, and drop the future then, which may leave the operation done or not.
pub trait Store: Send + Sync + 'static {
    /// Claims the record.
    ///
    /// In this order: no record, or one kept for its time → [`Acquired`](Begin::Acquired), attempt 1; another fingerprint →
    /// [`Mismatch`](Begin::Mismatch), in whatever state; done → [`Done`](Begin::Done); pending with this very owner →
    /// [`Acquired`](Begin::Acquired) with the same attempt and fence, the lease anew; pending with a live lease →
    /// [`Busy`](Begin::Busy); a lease that is over → [`Acquired`](Begin::Acquired) with the next attempt and a greater fence, or
    /// [`Abandoned`](Begin::Abandoned) if the claim refuses that. Of any number who come at once, exactly one acquires it.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]. After a [`Timeout`](StoreErrorKind::Timeout) the record may be claimed: send it again with the same owner, or
    /// release it.
    fn begin(&self, key: &RecordKey, claim: &Claim)
    -> impl Future<Output = Result<Begin, StoreError>> + Send;

    /// Extends the lease, counted from now on.
    ///
    /// Only for the owner of a pending record. A record that is gone is made again, pending, with what is held, and kept from then on.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: the lease may have been extended or not.
    fn renew(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
    ) -> impl Future<Output = Result<Renew, StoreError>> + Send;

    /// Stores the response, for as long as the record is kept.
    ///
    /// Also when the lease is over, as long as nobody has taken the record over. To send it again is harmless. A record that is gone
    /// is made again, done, and kept from then on. What is done is never overwritten.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: the response may have been stored or not.
    fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> impl Future<Output = Result<Finish, StoreError>> + Send;

    /// Gives the record up, without a response. Never touches one that is done, or of another owner.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: the record may have been released or not.
    fn release(
        &self,
        key: &RecordKey,
        owner: Owner,
        how: Release,
    ) -> impl Future<Output = Result<Released, StoreError>> + Send;
}

/// The answer to [`Store::begin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The caller owns the record and runs the operation.
    Acquired(Held),
    /// Somebody else runs it.
    Busy {
        /// What is left of their lease.
        retry_in: Duration,
        /// Which run it is.
        attempt: u32,
    },
    /// It has been run: this is the response.
    Done(Bytes),
    /// The key was used for something else.
    Mismatch,
    /// Its owner is gone, nobody knows how far it got, and the claim refuses to run it again.
    Abandoned {
        /// Which run was the last.
        attempt: u32,
    },
}

/// The answer to [`Store::renew`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// The lease is extended.
    Ok,
    /// The store had lost the record, and has it again.
    Healed,
    /// The record has another owner, or is done.
    Lost,
}

/// The answer to [`Store::finish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The response is stored.
    Ok,
    /// The store had lost the record; the response is stored.
    Healed,
    /// The record has another owner, and nothing was written.
    Lost {
        /// Their response, if they have finished, and were asked for the same: after a record was lost, its key may have been used
        /// for something else.
        winner: Option<Bytes>,
    },
}

/// What becomes of a record that its owner gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// Nothing has happened: the record goes, and the key is as good as new.
    Delete,
    /// Nobody knows what has happened: the lease ends, the record stays.
    Abandon,
}

/// The answer to [`Store::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The record was given up.
    Ok,
    /// It has another owner, or is done; nothing was written.
    Lost,
    /// There is no record.
    Gone,
}

/// What kind of error a store met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store could not be reached, or refused: nothing was written.
    Unavailable,
    /// No answer came in time, or the connection broke: it may have been written or not.
    Timeout,
    /// There is no room, and nothing was written.
    Full,
    /// What lies under the key is not a record, or one of a version that this library does not know. It was left as it is.
    Corrupt,
    /// Anything else; it may have been written or not.
    Other,
}

/// An operation of a store failed.
///
/// Its text says which kind it is and nothing of the record; what the driver said is its [source](error::Error::source).
///
/// ```
/// use resilience_core::idempotency::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Full);
/// assert_eq!(error.kind(), StoreErrorKind::Full);
/// assert_eq!(error.to_string(), "idempotency store has no room");
/// ```
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a source.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds what the driver said. It is never logged by this library; it must not hold the response or a key.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl StoreErrorKind {
    /// As a label of a metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::Corrupt => "corrupt",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "idempotency store is unavailable",
            StoreErrorKind::Timeout => "idempotency store did not answer in time",
            StoreErrorKind::Full => "idempotency store has no room",
            StoreErrorKind::Corrupt => "idempotency store holds something that is not a record",
            StoreErrorKind::Other => "idempotency store failed",
        })
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}
