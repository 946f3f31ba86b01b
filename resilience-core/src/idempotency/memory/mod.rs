//! A store in the memory of one process: for tests, for services of one instance, and in front of nothing else.
//!
//! Its records are gone with the process, and its fences count from one again. What it holds is bounded in number and in bytes; when it is full it clears away what has
//! expired, then gives up the done record that expires first, and never one that is pending: a claim that were given up would let a
//! second owner in. When nothing may go, it refuses: [`Full`](super::StoreErrorKind::Full).
//!
//! A record is what `state.rs` says, purely; `shard.rs` finds it and keeps the order; `shared.rs` has the locks. There is no background
//! task: each operation clears away a few records that have expired. It never waits, so it is the same under every runtime.

mod config;
mod room;
mod shard;
mod shared;
mod state;

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod model_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use self::shared::Shared;
use super::{Begin, Claim, Finish, Held, Owner, RecordKey, Release, Released, Renew, Store, StoreError};

pub use self::config::Config;

/// A store in the memory of one process.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::idempotency::{MemoryStore, RecordKey, memory::Config};
///
/// let store = MemoryStore::new(Config::new(), Instant::now);
/// assert_eq!(store.snapshot().entries, 0);
/// assert!(!store.purge(&RecordKey::from_bytes([7; 32])));
/// ```
///
/// # Clone
///
/// A clone is the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

/// What a [`MemoryStore`] shows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of records, with those that have expired and are not cleared away yet.
    pub entries: u64,
    /// How many of them are pending; the others hold a response.
    pub pending: u64,
    /// What they take: their responses, and 384 bytes for each record.
    pub bytes: u64,
    /// How many were given up so far, and why.
    pub evictions: Evictions,
}

/// How many records a [`MemoryStore`] has given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evictions {
    /// They had been kept for their time.
    pub expired: u64,
    /// The store was full. Each of these was given up before its time: who asks for it again runs the operation again.
    pub capacity: u64,
}

impl MemoryStore {
    /// An empty store, whose clock is `now`: `Instant::now`, or that of the runtime, which a test can move.
    #[must_use]
    pub fn new(config: Config, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared::new(config, Box::new(now))) }
    }

    /// Removes a record, whatever its state, for whoever knows that the operation may run again. Whether there was one.
    ///
    /// Its owner, if it runs still, brings it back with its next `renew` or `finish`.
    pub fn purge(&self, key: &RecordKey) -> bool {
        let purged = self.shared.with(key, |shard, place, now, room| Ok(shard.purge(place, now, room)));
        // It takes no room.
        purged.unwrap_or(false)
    }

    /// What there is and what was, one shard after the other.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }
}

impl Store for MemoryStore {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        self.shared.with(key, |shard, place, now, room| shard.begin(place, claim, now, room))
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        self.shared.with(key, |shard, place, now, room| shard.renew(place, claim, held, now, room))
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        _held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        // A copy of its own: the response may be a small part of a large buffer, which would be kept with it.
        let response = Bytes::copy_from_slice(&response);
        self.shared.with(key, |shard, place, now, room| shard.finish(place, claim, &response, now, room))
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        self.shared.with(key, |shard, place, now, room| Ok(shard.release(place, owner, how, now, room)))
    }
}
