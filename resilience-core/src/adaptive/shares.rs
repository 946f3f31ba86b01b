//! How many calls each key has in flight, in a table of fixed size.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::sync::{AtomicU64, Ordering};

/// Two rows of counters; a key has one in each, and holds no more than the smaller of the two says.
///
/// A count-min sketch: no key is stored, nothing is evicted, no lock is taken, and a flood of keys costs no memory. Two keys
/// share a part only if they meet in both rows, once in 16 million pairs, and who hashes to what nobody outside can know.
///
/// All accesses are relaxed: a decision goes by what was true a moment ago, and each call takes away exactly what it has added.
#[derive(Debug)]
pub(super) struct Shares {
    hasher: RandomState,
    rows: [Box<[AtomicU64]>; 2],
    /// The number of counters of the first row that are not zero: about the number of keys with calls in flight.
    active: AtomicU64,
}

#[cfg(not(loom))]
const SLOTS: usize = 4096;
#[cfg(loom)]
const SLOTS: usize = 1;

/// Where a key is counted: a slot of each row in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots(u64);

/// The part of a limit that everybody may fill; beyond it, a key that holds more than its fair part is held back.
const FREE_TENTHS: u64 = 8;

impl Shares {
    pub(super) fn new() -> Self {
        let row = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), rows: [row(), row()], active: AtomicU64::new(0) }
    }

    pub(super) fn slots(&self, key: &impl Hash) -> Slots {
        Slots(self.hasher.hash_one(key))
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is less than the number of slots")]
    fn counters(&self, slots: Slots) -> [&AtomicU64; 2] {
        let [low, high] = [slots.0, slots.0 >> 32].map(|hash| (hash % SLOTS as u64) as usize);
        [&self.rows[0][low], &self.rows[1][high]]
    }

    /// How many of `allowed` calls may be in flight for this key to have another.
    ///
    /// A key under its fair part may have the last one. Another is held back the earlier the more it holds: at `n` times the fair
    /// part it leaves free `1 - 1 / n` of the last fifth.
    pub(super) fn part_of(&self, allowed: u32, limit: u32, slots: Slots) -> u32 {
        let held = self.held(slots);
        let active = self.active() + u64::from(held == 0);
        let fair = (u64::from(limit) / active.max(1)).max(1);
        if held < fair {
            return allowed;
        }
        let most = u64::from(allowed);
        let free = most * FREE_TENTHS / 10;
        u32::try_from(free + (most - free) * fair / held.max(1)).unwrap_or(allowed)
    }

    /// A counter may be back at zero before it was noted that it had left it: for that moment one too few is noted, even -1.
    pub(super) fn active(&self) -> u64 {
        i64::try_from(self.active.load(Ordering::Relaxed)).map_or(0, i64::unsigned_abs)
    }

    fn held(&self, slots: Slots) -> u64 {
        let [one, other] = self.counters(slots).map(|counter| counter.load(Ordering::Relaxed));
        one.min(other)
    }

    pub(super) fn add(&self, slots: Slots) {
        let [one, other] = self.counters(slots);
        if one.fetch_add(1, Ordering::Relaxed) == 0 {
            self.active.fetch_add(1, Ordering::Relaxed);
        }
        other.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, slots: Slots) {
        let [one, other] = self.counters(slots);
        if one.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.active.fetch_sub(1, Ordering::Relaxed);
        }
        other.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    /// Of a call without a key. A key that hashes to this counts nowhere, once in 2⁶⁴.
    pub(super) const NONE: Self = Self(u64::MAX);

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }
}
