//! How much the records may take, counted over all shards.

use crate::sync::{AtomicU64, Ordering};

/// A number of records, and the bytes that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// What is taken, never more than may be.
///
/// All orderings are relaxed: what is counted is changed under the lock of its shard, and nobody concludes from a count that
/// anything is there.
#[derive(Debug)]
pub(super) struct Room {
    most: Size,
    entries: AtomicU64,
    bytes: AtomicU64,
}

impl Room {
    pub(super) fn new(most: Size) -> Self {
        Self { most, entries: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Whether there would be room for it if nothing else was there.
    pub(super) fn fits(&self, size: Size) -> bool {
        size.entries <= self.most.entries && size.bytes <= self.most.bytes
    }

    /// Takes both or neither.
    pub(super) fn take(&self, size: Size) -> bool {
        if !take(&self.entries, size.entries, self.most.entries) {
            return false;
        }
        let both = take(&self.bytes, size.bytes, self.most.bytes);
        if !both {
            self.entries.fetch_sub(size.entries, Ordering::Relaxed);
        }
        both
    }

    pub(super) fn give_back(&self, size: Size) {
        self.entries.fetch_sub(size.entries, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) -> Size {
        Size { entries: self.entries.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

fn take(count: &AtomicU64, size: u64, most: u64) -> bool {
    let with = |now: u64| now.checked_add(size).filter(|&then| then <= most);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_ok()
}
