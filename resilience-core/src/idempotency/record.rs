//! What a record is found by, and what whoever claims it says.

use std::{fmt, time::Duration};

use rand::RngExt as _;

use super::{Fingerprint, IdempotencyKey, Scope, hash::Parts};

/// What a record is stored under: a hash, so that a caller's key is never in a store, and no key is too long for one.
///
/// ```
/// use resilience_core::idempotency::{IdempotencyKey, RecordKey, Scope};
///
/// let key = IdempotencyKey::random();
/// let tenant = |name| Scope::new(name).expect("not empty");
/// let record = RecordKey::new("payments", &tenant("a"), &key);
/// assert_ne!(record, RecordKey::new("payments", &tenant("b"), &key));
/// assert_eq!(format!("{record:?}"), "RecordKey(..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// The record of `key` as `scope` uses it, in one of possibly several namespaces of a store: one for each service that shares it.
    #[must_use]
    pub fn new(namespace: &str, scope: &Scope, key: &IdempotencyKey) -> Self {
        let parts = Parts::new("resilience idempotency record 1").part(namespace.as_bytes());
        Self(parts.part(scope.as_bytes()).part(key.as_str().as_bytes()).finish())
    }

    /// A record of its own for each `part` of what the key is used for, such as a route: then one key can be used once for each.
    ///
    /// ```
    /// use resilience_core::idempotency::RecordKey;
    ///
    /// let record = RecordKey::from_bytes([7; 32]);
    /// assert_ne!(record.narrowed("POST /charges"), record.narrowed("POST /refunds"));
    /// ```
    #[must_use]
    pub fn narrowed(&self, part: impl AsRef<[u8]>) -> Self {
        Self(Parts::new("resilience idempotency narrowed 1").part(&self.0).part(part.as_ref()).finish())
    }

    /// The key to send along when a step of the operation calls another service: the same each time that this step of this operation
    /// is run, and no other's. It tells nothing of the caller's key, and looks like a UUID (of version 8).
    ///
    /// ```
    /// use resilience_core::idempotency::RecordKey;
    ///
    /// let record = RecordKey::from_bytes([7; 32]);
    /// assert_eq!(record.derived_key("charge"), record.derived_key("charge"));
    /// assert_ne!(record.derived_key("charge"), record.derived_key("refund"));
    /// ```
    #[must_use]
    pub fn derived_key(&self, step: impl AsRef<[u8]>) -> IdempotencyKey {
        let hash = Parts::new("resilience idempotency derived 1").part(&self.0).part(step.as_ref()).finish();
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        IdempotencyKey::derived(half)
    }

    /// A key that has been hashed already.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What a store writes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Who carries an operation out: drawn anew for each execution, and the same when one `begin` is sent twice.
///
/// ```
/// use resilience_core::idempotency::Owner;
///
/// assert_ne!(Owner::random(), Owner::random());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// 128 bits that nobody can guess, from the thread's cryptographic generator, which the operating system seeds.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// An owner read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What a store writes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What whoever wants to carry an operation out says of itself.
///
/// It goes with `renew` and `finish` too: a record that the store has lost is made again from it.
///
/// ```
/// use resilience_core::idempotency::{Claim, Fingerprint, OnLostOwner, Owner};
/// use std::time::Duration;
///
/// let claim = Claim::new(Fingerprint::from_bytes([0; 32]), Owner::random());
/// assert_eq!((claim.lease, claim.retain), (Duration::from_secs(30), Duration::from_secs(24 * 3600)));
/// assert_eq!(claim.on_lost_owner, OnLostOwner::TakeOver);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// What was asked for.
    pub fingerprint: Fingerprint,
    /// Who asks.
    pub owner: Owner,
    /// For how long the claim lives without being renewed. 30 s by default: longer than a stall that is worth waiting out, and not
    /// longer than a caller should wait after a crash. Stores count in milliseconds; what is shorter counts as one.
    pub lease: Duration,
    /// For how long the record is kept, counted from the first `begin` on. 24 h by default, as callers of payment services expect.
    pub retain: Duration,
    /// What happens to a record whose owner is gone.
    pub on_lost_owner: OnLostOwner,
}

impl Claim {
    /// A claim with the defaults.
    #[must_use]
    pub const fn new(fingerprint: Fingerprint, owner: Owner) -> Self {
        Self {
            fingerprint,
            owner,
            lease: Duration::from_secs(30),
            retain: Duration::from_secs(24 * 60 * 60),
            on_lost_owner: OnLostOwner::TakeOver,
        }
    }
}

/// What happens to a record whose owner has let its lease run out without a result: nobody knows what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLostOwner {
    /// The next one runs it, and is told by its [attempt](Held::attempt) that it is not the first. The default: most operations
    /// can find out what has been done, and a refusal for a day helps nobody.
    #[default]
    TakeOver,
    /// Nobody runs it again: at most once.
    Refuse,
}

/// What an owner holds.
///
/// ```
/// use resilience_core::idempotency::Held;
///
/// let held = Held::new(2, 7);
/// assert_eq!((held.attempt, held.fence), (2, 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Held {
    /// Which run this is, from 1. At 2 and more, somebody before may have done a part, or all but storing the answer.
    pub attempt: u32,
    /// Greater than that of every earlier owner of this key: a system that the work writes to can refuse a smaller one.
    pub fence: u64,
}

impl Held {
    /// For stores.
    #[must_use]
    pub const fn new(attempt: u32, fence: u64) -> Self {
        Self { attempt, fence }
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(..)")
    }
}
