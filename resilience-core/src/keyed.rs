//! A bounded table of policies by key: one breaker per host, one limiter per tenant.
//!
//! Keys come from outside, so the table must survive a flood of them: it never holds more than its capacity, hashes with a
//! random seed, and to make room it gives up entries that are as good as new before any other, and never one
//! that [must be kept](Worth::Keep). A flood of keys can therefore neither grow memory nor turn an open breaker
//! into a fresh one. When everything that could make room must be kept, new keys share one overflow entry.
//!
//! There is no background task: each insertion looks at a few entries and drops those that are idle.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroUsize,
    sync::OnceLock,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::CircuitBreaker;

/// What would be lost with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Nothing: it equals a new one.
    Nothing,
    /// Some history, which a new one would gather again.
    History,
    /// Protection: it must not give way to a new key.
    Keep,
}

/// What a [`Keyed`] table holds: cheap to clone, a clone being the same policy.
pub trait Entry: Clone {
    /// What would be lost with this entry at `now`.
    fn worth(&self, now: Instant) -> Worth;
}

/// A breaker that refuses, probes, or is overridden by hand is kept.
impl Entry for CircuitBreaker {
    fn worth(&self, now: Instant) -> Worth {
        use crate::circuit_breaker::{Mode, State};

        let snapshot = self.snapshot(now);
        if snapshot.mode != Mode::Automatic || snapshot.state != State::Closed {
            Worth::Keep
        } else if self.is_as_new(now) {
            Worth::Nothing
        } else {
            Worth::History
        }
    }
}

/// A bounded, evicting table of policies by key.
///
/// ```
/// use std::{num::NonZeroUsize, time::{Duration, Instant}};
/// use resilience_core::{CircuitBreaker, circuit_breaker::Config, keyed::Keyed};
///
/// let now = Instant::now();
/// let capacity = NonZeroUsize::new(10_000).expect("not zero");
/// let breakers = Keyed::new(capacity, Duration::from_secs(600));
///
/// let make = || CircuitBreaker::new(Config::new(), now);
/// let a = breakers.get_or_insert_with("a.example".to_owned(), now, make);
/// a.force_open(now);
/// let again = breakers.get_or_insert_with("a.example".to_owned(), now, make);
/// assert!(again.try_acquire(|| now).0.is_err());
/// assert_eq!(breakers.len(), 1);
/// ```
pub struct Keyed<K, V> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K, V>>]>,
    shard_capacity: usize,
    idle: Duration,
    overflow: OnceLock<V>,
}

struct Shard<K, V> {
    entries: IndexMap<K, Slot<V>, RandomState>,
    /// Where the next look for room begins.
    hand: usize,
}

struct Slot<V> {
    value: V,
    used: Instant,
}

impl<K: Hash + Eq, V: Entry> Keyed<K, V> {
    /// How many entries an insertion into a full table looks at for one that may go.
    const LOOKS_FOR_ROOM: usize = 16;
    /// How many entries any other insertion looks at for one that is idle.
    const LOOKS_FOR_IDLE: usize = 2;
    const MOST_SHARDS: usize = 16;

    /// An empty table that never holds more than `capacity` entries and forgets those not used for `idle`.
    #[must_use]
    pub fn new(capacity: NonZeroUsize, idle: Duration) -> Self {
        // Few entries need no shards, and a shard needs room to choose what to give up.
        let shards = (capacity.get() / 64).clamp(1, Self::MOST_SHARDS);
        let hasher = RandomState::new();
        let shard = || Shard { entries: IndexMap::with_hasher(hasher.clone()), hand: 0 };
        Self {
            shards: (0..shards).map(|_| Mutex::new(shard())).collect(),
            shard_capacity: capacity.get() / shards,
            hasher,
            idle,
            overflow: OnceLock::new(),
        }
    }

    /// The entry of `key`, made by `make` if there is none.
    ///
    /// If there is no room and nothing may be given up, it is an entry shared by all keys in that plight.
    pub fn get_or_insert_with(&self, key: K, now: Instant, make: impl FnOnce() -> V) -> V {
        let mut shard = self.shard(&key).lock();
        if let Some(slot) = shard.entries.get_mut(&key) {
            slot.used = slot.used.max(now);
            return slot.value.clone();
        }
        let full = shard.entries.len() >= self.shard_capacity;
        let looks = if full { Self::LOOKS_FOR_ROOM } else { Self::LOOKS_FOR_IDLE };
        let evicted = shard.evict(looks, full, self.idle, now);
        if full && evicted.is_empty() {
            drop(shard);
            return self.overflow.get_or_init(make).clone();
        }
        let value = make();
        shard.entries.insert(key, Slot { value: value.clone(), used: now });
        drop(shard);
        // Only now, outside the lock, the evicted are dropped.
        drop(evicted);
        value
    }

    /// The number of keys held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().entries.len()).sum()
    }

    /// Whether no key is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All keys with their entries, one shard after the other.
    #[must_use]
    pub fn entries(&self) -> Vec<(K, V)>
    where
        K: Clone,
    {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            all.extend(shard.entries.iter().map(|(key, slot)| (key.clone(), slot.value.clone())));
        }
        all
    }

    /// The entry that keys share for which there was no room, once there was such a key.
    #[must_use]
    pub fn overflow(&self) -> Option<V> {
        self.overflow.get().cloned()
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        // The table inside a shard uses the low and the topmost bits of the same hash.
        let hash = self.hasher.hash_one(key) >> 32;
        &self.shards[hash as usize % self.shards.len()]
    }
}

impl<K: Hash + Eq, V: Entry> Shard<K, V> {
    /// Looks at some entries after the hand. Takes out those that are idle, and, if one must go and none was
    /// idle, the one that is worth least, the longest unused among equals.
    fn evict(&mut self, looks: usize, one_must_go: bool, idle: Duration, now: Instant) -> Vec<(K, Slot<V>)> {
        let mut evicted = Vec::new();
        let mut least: Option<(Worth, Instant, usize)> = None;
        for _ in 0..looks.min(self.entries.len()) {
            let at = self.hand % self.entries.len().max(1);
            let Some((_, slot)) = self.entries.get_index(at) else { break };
            if now.saturating_duration_since(slot.used) >= idle {
                // The last entry takes its place, so the hand stays and looks at that one next.
                evicted.extend(self.entries.swap_remove_index(at));
                // A place remembered may have moved; something goes anyway.
                least = None;
                continue;
            }
            self.hand = at + 1;
            if one_must_go && evicted.is_empty() {
                let candidate = (slot.value.worth(now), slot.used, at);
                least = Some(least.map_or(candidate, |least| least.min(candidate)));
            }
        }
        if let Some((_, _, at)) = least.filter(|&(worth, ..)| worth < Worth::Keep) {
            evicted.extend(self.entries.swap_remove_index(at));
        }
        evicted
    }
}

impl<K, V> fmt::Debug for Keyed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("shards", &self.shards.len())
            .field("shard_capacity", &self.shard_capacity)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
