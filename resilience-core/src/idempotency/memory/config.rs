//! The settings of a store in memory.

use super::{room::Size, shard::RECORD_BYTES};
use crate::range::Range;

const MAX_ENTRIES: Range<u32> = Range::new("max_entries", 1, u32::MAX);
const MAX_BYTES: Range<u64> = Range::new("max_bytes", RECORD_BYTES, u64::MAX);

/// The settings of a store in memory.
///
/// ```
/// use resilience_core::idempotency::memory::Config;
///
/// let config = Config::new().max_entries(10_000).max_bytes(16 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    max_entries: u32,
    max_bytes: u64,
}

impl Config {
    /// At most 100 000 records that take 64 MiB.
    ///
    /// # Choosing a value
    ///
    /// What a store has to hold is requests per second times the time that records are kept times what one takes: a hundred requests
    /// a second with responses of 512 bytes are 8.6 million records and 7.7 GB in a day. If that is too much, keep records for less
    /// time: a store that is full gives up responses before their time, and whoever asks for those again runs the operation again.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_entries: 100_000, max_bytes: 64 << 20 }
    }

    /// How many records are kept at most. 100 000 by default.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn max_entries(mut self, entries: u32) -> Self {
        self.max_entries = MAX_ENTRIES.expect(entries);
        self
    }

    /// How many bytes they take at most: their responses and, for each, the 384 bytes that a record takes besides. 64 MiB by default.
    /// A response that is greater than that is never stored.
    ///
    /// # Panics
    ///
    /// If it is below 384.
    #[must_use]
    #[track_caller]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = MAX_BYTES.expect(bytes);
        self
    }

    pub(super) fn most(self) -> Size {
        Size { entries: self.max_entries.into(), bytes: self.max_bytes }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
