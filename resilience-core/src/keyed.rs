//! A bounded table of policies by key: one breaker per host, one limiter per tenant.
//!
//! Keys come from outside, so the table must survive a flood of them: it never holds more than its capacity, hashes with a
//! random seed, and to make room it gives up entries that are as good as new before any other, and never one whose
//! [worth](Worth) is protection. A flood of keys can therefore neither grow memory nor turn an open breaker into a fresh
//! one. When none of the entries looked at may give way, a new key shares one overflow entry with others in that plight.
//!
//! There is no background task: each insertion looks at a few entries and drops those that are idle.

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashTable;
use parking_lot::Mutex;

use crate::{CircuitBreaker, circuit_breaker::States, striped::Padded};

/// What would be lost with an entry, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Nothing: it equals a new one.
    Nothing,
    /// Some history, which a new one would gather again.
    History,
    /// Protection: it must not give way to a new key, and goes only when it is idle.
    Protection,
    /// A decision that is still in force: it must not go at all.
    InForce,
}

/// What a [`Keyed`] table holds: cheap to clone, a clone being the same policy.
pub trait Entry: Clone {
    /// What would be lost with this entry at `now`. It must not use the table.
    fn worth(&self, now: Instant) -> Worth;

    /// The table holds it no longer: it has been evicted or replaced. It must not use the table. Nothing by default.
    fn given_up(&self) {}
}

/// A breaker that is overridden by hand or refuses is in force; one that probes, or would, is protection.
impl Entry for CircuitBreaker {
    fn worth(&self, now: Instant) -> Worth {
        self.worth_at(now)
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
///
/// # Clone
///
/// A clone is the same table.
pub struct Keyed<K, V> {
    hasher: RandomState,
    shards: Arc<[Locked<K, V>]>,
    shard_capacity: usize,
    idle: Duration,
    overflow: Arc<Mutex<Option<V>>>,
}

type Locked<K, V> = Padded<Mutex<Shard<K, V>>>;

struct Shard<K, V> {
    entries: HashTable<Slot<K, V>>,
    /// The place at which the next look for room begins.
    hand: usize,
    evictions: Evictions,
}

struct Slot<K, V> {
    key: K,
    value: V,
    used: Instant,
}

/// How many entries a [`Keyed`] table has given up, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// Nobody had used them for long enough.
    pub idle: u64,
    /// The table was full, and a new key came.
    pub capacity: u64,
}

/// What a [`Keyed`] table shows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of keys held.
    pub entries: usize,
    /// How many have been given up so far.
    pub evictions: Evictions,
    /// The circuit breakers of the entries by state, if somebody who knows that they have one has looked: the table does not.
    pub breakers: Option<States>,
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
        let shard = || Shard { entries: HashTable::new(), hand: 0, evictions: Evictions::default() };
        Self {
            shards: (0..shards).map(|_| Padded(Mutex::new(shard()))).collect(),
            shard_capacity: capacity.get() / shards,
            hasher: RandomState::new(),
            idle,
            overflow: Arc::new(Mutex::new(None)),
        }
    }

    /// The entry of `key`, made by `make` if there is none.
    ///
    /// If there is no room and none of the entries looked at may be given up, it is an entry shared by all keys in that
    /// plight. `make` runs outside of every lock; of two threads that make an entry for one key, the first wins.
    pub fn get_or_insert_with(&self, key: K, now: Instant, make: impl FnOnce() -> V) -> V {
        let hash = self.hasher.hash_one(&key);
        if let Some(value) = self.shard(hash).lock().find(hash, &key, now) {
            return value.clone();
        }
        self.insert(key, hash, now, make())
    }

    /// The entry of `key`, if it has one of its own; this counts as using it.
    pub fn get<B>(&self, key: &B, now: Instant) -> Option<V>
    where
        K: Borrow<B>,
        B: Hash + Eq + ?Sized,
    {
        self.with(key, now, V::clone)
    }

    /// What `look` sees in the entry of `key`, if it has one of its own; this counts as using it.
    ///
    /// `look` runs under a lock, which spares it a count of references: it must be short, and must not use the table.
    #[inline]
    pub fn with<B, R>(&self, key: &B, now: Instant, look: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<B>,
        B: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).lock();
        shard.find(hash, key, now).map(look)
    }

    #[inline(never)]
    fn insert(&self, key: K, hash: u64, now: Instant, new: V) -> V {
        let mut shard = self.shard(hash).lock();
        if let Some(value) = shard.find(hash, &key, now) {
            return value.clone();
        }
        let full = shard.entries.len() >= self.shard_capacity;
        let looks = if full { Self::LOOKS_FOR_ROOM } else { Self::LOOKS_FOR_IDLE };
        let evicted = shard.evict(looks, full, self.idle, now);
        if full && evicted.is_empty() {
            drop(shard);
            return self.overflow.lock().get_or_insert(new).clone();
        }
        let slot = Slot { key, value: new.clone(), used: now };
        shard.entries.insert_unique(hash, slot, |slot| self.hasher.hash_one(&slot.key));
        drop(shard);
        // Outside the lock: told, and dropped.
        evicted.iter().for_each(|slot| slot.value.given_up());
        new
    }

    /// The number of keys held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.snapshot().entries
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
        for shard in self.shards.iter() {
            let shard = shard.0.lock();
            all.extend(shard.entries.iter().map(|slot| (slot.key.clone(), slot.value.clone())));
        }
        all
    }

    /// The entry that keys share for which there was no room, once there was such a key.
    #[must_use]
    pub fn overflow(&self) -> Option<V> {
        self.overflow.lock().clone()
    }

    /// Puts `new` in the place of the entry of `key`, if there is one and `is_old` says that it is the one that is meant. That counts
    /// as no use of it.
    pub fn replace(&self, key: &K, is_old: impl FnOnce(&V) -> bool, new: V) {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).lock();
        let slot = shard.entries.find_mut(hash, |slot| slot.key == *key);
        replace(slot.map(|slot| &mut slot.value), is_old, new);
    }

    /// Does the same with the entry that keys share for which there was no room.
    pub fn replace_overflow(&self, is_old: impl FnOnce(&V) -> bool, new: V) {
        replace(self.overflow.lock().as_mut(), is_old, new);
    }

    /// How many entries have been given up so far.
    #[must_use]
    pub fn evictions(&self) -> Evictions {
        self.snapshot().evictions
    }

    /// What there is and what was, one shard after the other.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for shard in self.shards.iter() {
            let shard = shard.0.lock();
            sum.entries += shard.entries.len();
            sum.evictions.idle += shard.evictions.idle;
            sum.evictions.capacity += shard.evictions.capacity;
        }
        sum
    }

    /// Shows all entries to `look`, one shard after the other, and last the one that [keys share](Self::overflow).
    ///
    /// `look` runs outside of every lock, on clones; this counts as no use of the entries.
    pub fn for_each(&self, mut look: impl FnMut(&V)) {
        let mut clones = Vec::new();
        for shard in self.shards.iter() {
            clones.extend(shard.0.lock().entries.iter().map(|slot| slot.value.clone()));
            clones.drain(..).for_each(|value| look(&value));
        }
        self.overflow().iter().for_each(look);
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Shard<K, V>> {
        // The table inside a shard uses the low and the topmost bits.
        &self.shards[(hash >> 32) as usize % self.shards.len()].0
    }
}

fn replace<V: Entry>(place: Option<&mut V>, is_old: impl FnOnce(&V) -> bool, new: V) {
    if let Some(place) = place.filter(|value| is_old(value)) {
        place.given_up();
        *place = new;
    }
}

impl<K, V> Shard<K, V> {
    /// The entry of `key`, which is being used.
    #[inline]
    fn find<B>(&mut self, hash: u64, key: &B, now: Instant) -> Option<&V>
    where
        K: Borrow<B>,
        B: Eq + ?Sized,
    {
        let slot = self.entries.find_mut(hash, |slot| slot.key.borrow() == key)?;
        slot.used = slot.used.max(now);
        Some(&slot.value)
    }
}

impl<K, V: Entry> Shard<K, V> {
    /// Looks at some entries after the hand. Takes out those that are idle, and, if one must go and none was
    /// idle, the first that is worth nothing, or else the one that is worth least, the longest unused among equals.
    fn evict(&mut self, looks: usize, one_must_go: bool, idle: Duration, now: Instant) -> Vec<Slot<K, V>> {
        let places = self.entries.num_buckets();
        // A full table must be looked at until enough entries were found; a sparse one is not searched for the sake of tidiness.
        let reach = if one_must_go { places } else { places.min(8 * looks) };
        let mut looks = looks.min(self.entries.len());
        let mut evicted = Vec::new();
        let mut least: Option<(Worth, Instant, usize)> = None;
        for at in (self.hand..self.hand + reach).map(|at| at % places.max(1)) {
            if looks == 0 {
                break;
            }
            self.hand = at + 1;
            let Ok(entry) = self.entries.get_bucket_entry(at) else { continue };
            looks -= 1;
            let Slot { value, used, .. } = entry.get();
            let worth = value.worth(now);
            if now.saturating_duration_since(*used) >= idle && worth < Worth::InForce {
                self.evictions.idle += 1;
                evicted.push(entry.remove().0);
                continue;
            }
            let candidate = (worth, *used, at);
            least = Some(least.map_or(candidate, |least| least.min(candidate)));
            if worth == Worth::Nothing && one_must_go {
                // As good as new: nothing is gained by looking at others, each of which is another fetch from memory.
                break;
            }
        }
        if one_must_go && evicted.is_empty() {
            let victim = least.filter(|&(worth, ..)| worth < Worth::Protection);
            if let Some(Ok(entry)) = victim.map(|(.., at)| self.entries.get_bucket_entry(at)) {
                self.evictions.capacity += 1;
                evicted.push(entry.remove().0);
            }
        }
        evicted
    }
}

impl<K, V> Clone for Keyed<K, V> {
    fn clone(&self) -> Self {
        Self {
            hasher: self.hasher.clone(),
            shards: Arc::clone(&self.shards),
            overflow: Arc::clone(&self.overflow),
            ..*self
        }
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
