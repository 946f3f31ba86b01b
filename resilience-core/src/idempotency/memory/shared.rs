//! The shards, each behind its lock, and the way to room in a store that is full.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    time::Instant,
};

use super::{
    Config, Evictions, Snapshot,
    room::{Room, Size},
    shard::{NoRoom, Place, Shard},
    state::Moment,
};
use crate::{
    idempotency::{RecordKey, StoreError, StoreErrorKind},
    nanos::nanos,
    striped::Padded,
    sync::{AtomicU64, Mutex, Ordering},
};

const SHARDS: usize = 16;
const NEVER: u64 = u64::MAX;

pub(super) struct Shared {
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    made: Instant,
    /// With a seed of its own: callers choose keys, and could choose such that all fall together.
    hasher: RandomState,
    pub(super) most: Size,
    room: Room,
    shards: [Padded<Locked>; SHARDS],
}

/// A shard, and when its first records expire, for those who look for the one to give up.
///
/// Those are hints, written under the lock and read without: who goes by one that is old finds a shard with nothing to give up, or
/// gives up a record that is not quite the oldest. So relaxed orderings do.
struct Locked {
    shard: Mutex<Shard>,
    first_pending: AtomicU64,
    first_done: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: Config, clock: Box<dyn Fn() -> Instant + Send + Sync>) -> Self {
        Self {
            made: clock(),
            clock,
            hasher: RandomState::new(),
            most: config.most(),
            room: Room::new(config.most()),
            shards: std::array::from_fn(|_| Padded(Locked::new())),
        }
    }

    /// Runs `operation` on the shard of `key`, again and again as long as it finds no room and some can be made.
    pub(super) fn with<R>(
        &self,
        key: &RecordKey,
        mut operation: impl FnMut(&mut Shard, Place<'_>, Moment, &Room) -> Result<R, NoRoom>,
    ) -> Result<R, StoreError> {
        let place = Place { hash: self.hasher.hash_one(key), key };
        // The table inside a shard uses the low and the topmost bits.
        let shard = &self.shards[(place.hash >> 32) as usize % SHARDS].0;
        let now = self.now();
        loop {
            match shard.with(|shard| operation(shard, place, now, &self.room)) {
                Ok(answer) => return Ok(answer),
                Err(NoRoom(size)) if self.room.fits(size) && self.make_room(now) => {}
                Err(_) => return Err(StoreError::new(StoreErrorKind::Full)),
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let Size { entries, bytes } = self.room.taken();
        let (mut pending, mut evictions) = (0, Evictions::default());
        for Padded(Locked { shard, .. }) in &self.shards {
            let shard = shard.lock();
            pending += shard.pending();
            evictions.expired += shard.evictions.expired;
            evictions.capacity += shard.evictions.capacity;
        }
        Snapshot { entries, pending: pending as u64, bytes, evictions }
    }

    fn now(&self) -> Moment {
        Moment(nanos((self.clock)().saturating_duration_since(self.made)))
    }

    /// Gives up one record, of whatever shard. Whether there was one that may go.
    fn make_room(&self, now: Moment) -> bool {
        // Each turn gives up a record or finds out that a hint was old, and corrects it.
        loop {
            let worth = |locked: &&Padded<Locked>| locked.0.worth(now);
            let Some(Padded(first)) = self.shards.iter().min_by_key(worth) else { return false };
            if first.worth(now) == NEVER {
                return false;
            }
            if first.with(|shard| shard.give_up_one(now, &self.room)) {
                return true;
            }
        }
    }
}

impl Locked {
    fn new() -> Self {
        Self {
            shard: Mutex::new(Shard::default()),
            first_pending: AtomicU64::new(NEVER),
            first_done: AtomicU64::new(NEVER),
        }
    }

    fn with<R>(&self, operation: impl FnOnce(&mut Shard) -> R) -> R {
        let mut shard = self.shard.lock();
        let answer = operation(&mut shard);
        let (pending, done) = shard.first();
        for (hint, first) in [(&self.first_pending, pending), (&self.first_done, done)] {
            let first = first.map_or(NEVER, |at| at.0);
            // Mostly it is the same, and the line stays where it is.
            if hint.load(Ordering::Relaxed) != first {
                hint.store(first, Ordering::Relaxed);
            }
        }
        answer
    }

    /// When what this shard can give up first expires; a pending record is one only when it has.
    fn worth(&self, now: Moment) -> u64 {
        let pending = self.first_pending.load(Ordering::Relaxed);
        let done = self.first_done.load(Ordering::Relaxed);
        if pending <= now.0 { pending.min(done) } else { done }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("most", &self.most)
            .field("taken", &self.room.taken())
            .finish_non_exhaustive()
    }
}
