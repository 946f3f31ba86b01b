//! A bounded table of policies by key: one breaker per host, one limiter per tenant.
//!
//! Keys come from outside, so the table must survive a flood of them: it never holds more than its capacity, hashes with a
//! random seed, and to make room it gives up entries that are as good as new before any other, and never one whose
//! [worth](Worth) is protection. A flood of keys can therefore neither grow memory nor turn an open breaker into a fresh
//! one. When none of the entries looked at may give way, a new key shares one overflow entry with others in that plight.
//!
//! There is no background task: each insertion looks at a few entries and drops those that are idle.

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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// An entry that says itself what it is worth.
    #[derive(Clone, Debug)]
    struct Policy(Rc<Cell<Worth>>, u32);

    impl Entry for Policy {
        fn worth(&self, _: Instant) -> Worth {
            self.0.get()
        }
    }

    /// A table of four with entries that are forgotten after a minute.
    struct Lab {
        table: Keyed<u32, Policy>,
        now: Instant,
    }

    impl Lab {
        #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
        fn new() -> Self {
            let capacity = NonZeroUsize::new(4).expect("not zero");
            Self { table: Keyed::new(capacity, 60 * SECOND), now: Instant::now() }
        }

        fn put(&mut self, key: u32, worth: Worth) -> Policy {
            self.now += SECOND;
            self.table.get_or_insert_with(key, self.now, || Policy(Rc::new(Cell::new(worth)), key))
        }

        fn keys(&self) -> Vec<u32> {
            let mut keys: Vec<u32> = self.table.entries().into_iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys
        }
    }

    #[test]
    fn one_key_one_entry() {
        let mut lab = Lab::new();
        lab.put(1, Worth::History).0.set(Worth::Protection);
        assert_eq!(lab.put(1, Worth::History).0.get(), Worth::Protection);
        assert_eq!(lab.table.get(&1, lab.now).map(|policy| policy.1), Some(1));
        assert!(lab.table.get(&2, lab.now).is_none());
    }

    #[test]
    fn the_one_worth_least_goes_and_among_equals_the_longest_unused() {
        let mut lab = Lab::new();
        for (key, worth) in
            [(1, Worth::History), (2, Worth::Nothing), (3, Worth::Protection), (4, Worth::History)]
        {
            lab.put(key, worth);
        }
        lab.put(5, Worth::History);
        assert_eq!(lab.keys(), [1, 3, 4, 5], "2 was as good as new");
        lab.put(1, Worth::History);
        lab.put(6, Worth::History);
        assert_eq!(lab.keys(), [1, 3, 5, 6], "4 was the longest unused");
    }

    #[test]
    fn protection_does_not_give_way_and_new_keys_share_one_entry() {
        let mut lab = Lab::new();
        for key in 1..=2 {
            lab.put(key, Worth::Protection);
            lab.put(key + 2, Worth::InForce);
        }
        assert_eq!([lab.put(5, Worth::Nothing).1, lab.put(6, Worth::Nothing).1], [5, 5], "they share");
        assert_eq!(lab.keys(), [1, 2, 3, 4]);
        assert_eq!(lab.table.overflow().map(|policy| policy.1), Some(5));
    }

    #[test]
    fn a_clone_is_the_same_table() {
        let mut lab = Lab::new();
        let clone = lab.table.clone();
        for key in 1..=5 {
            lab.put(key, Worth::InForce);
        }
        assert_eq!((clone.len(), clone.overflow().map(|policy| policy.1)), (4, Some(5)));
        assert_eq!(clone.get(&3, lab.now).map(|policy| policy.1), Some(3));
    }

    #[test]
    fn what_is_idle_goes_but_not_what_is_in_force() {
        let mut lab = Lab::new();
        lab.put(1, Worth::InForce);
        lab.put(2, Worth::Protection);
        lab.now += 58 * SECOND;
        lab.put(3, Worth::History);
        assert_eq!(lab.keys(), [1, 2, 3], "2 was used 59 seconds ago");
        for key in 4..=6 {
            lab.put(key, Worth::History);
        }
        assert!(lab.keys().contains(&1) && !lab.keys().contains(&2), "{:?}", lab.keys());
        assert!(lab.table.len() <= 4);
    }

    #[test]
    fn a_snapshot_tells_how_many_there_are_and_why_others_went() {
        let mut lab = Lab::new();
        assert_eq!(lab.table.snapshot(), Snapshot::default());
        for key in 1..=4 {
            lab.put(key, Worth::Nothing);
        }
        let [five, six] = [5, 6].map(|key| lab.put(key, Worth::Protection).1);
        let snapshot = lab.table.snapshot();
        assert_eq!((snapshot.entries, snapshot.breakers, five, six), (4, None, 5, 6));
        assert_eq!(snapshot.evictions, Evictions { idle: 0, capacity: 2 });
        lab.now += 60 * SECOND;
        lab.put(7, Worth::History);
        let snapshot = lab.table.snapshot();
        assert_eq!((snapshot.entries, snapshot.evictions), (1, Evictions { idle: 4, capacity: 2 }));
        assert_eq!((lab.table.len(), lab.table.evictions()), (snapshot.entries, snapshot.evictions));
    }

    #[test]
    fn every_entry_is_shown_once_and_the_shared_one_too_with_the_table_free() {
        let capacity = NonZeroUsize::new(128).expect("not zero");
        let table = Keyed::new(capacity, 60 * SECOND);
        let now = Lab::new().now;
        let policy = |key| move || Policy(Rc::new(Cell::new(Worth::InForce)), key);
        for key in 0..1000 {
            table.get_or_insert_with(key, now, policy(key));
        }
        let shared = table.overflow().map(|policy| policy.1).expect("it is full");
        let mut expected: Vec<u32> =
            table.entries().into_iter().map(|(key, _)| key).chain([shared]).collect();
        let mut shown = Vec::new();
        table.for_each(|policy| {
            let _ = table.get(&policy.1, now);
            shown.push(policy.1);
        });
        assert_eq!(shown.last(), Some(&shared));
        expected.sort_unstable();
        shown.sort_unstable();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_breaker_is_worth_what_it_protects() {
        use crate::{FailureKind, Verdict, circuit_breaker::Config};

        let lab = Lab::new();
        let breaker = CircuitBreaker::new(Config::new().consecutive_failures(2), lab.now);
        let fail = || {
            let permit = breaker.try_acquire(|| lab.now).0.unwrap();
            permit.finish(Verdict::Failure(FailureKind::Fault), None, || lab.now)
        };
        assert_eq!(breaker.worth(lab.now), Worth::Nothing);
        assert_eq!(fail(), None);
        assert_eq!(breaker.worth(lab.now), Worth::History);
        assert_eq!(breaker.worth(lab.now + 60 * SECOND), Worth::History, "the run of failures has no age");
        assert!(fail().is_some());
        assert_eq!(breaker.worth(lab.now), Worth::InForce);
        assert_eq!(breaker.worth(lab.now + 2 * SECOND), Worth::Protection, "the wait is over");
        breaker.force_open(lab.now);
        assert_eq!(breaker.worth(lab.now + 60 * SECOND), Worth::InForce);
    }
}
