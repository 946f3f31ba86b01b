//! What a table of rate limits holds for each of its keys, which are numbers.

use std::num::NonZeroUsize;

use governor::clock::MonotonicClock;
use resilience_core::RateLimiter;
use resilience_core::keyed::Keyed;

use crate::alloc::{Tally, tally};
use crate::policies::keyed::{peer, scramble};
use crate::policies::rate_limit::AMPLE;
use crate::thread::HOUR;
use crate::time::now;

/// How many keys the tables are measured with. They grow by doubling: what a key takes depends on how long ago they did.
pub const KEYS: [u64; 3] = [1_000, 100_000, 1_000_000];

/// A table, filled for the measurement.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The name in the output.
    pub name: &'static str,
    fill: fn(u64) -> Tally,
}

/// What one key takes, with its share of the table itself.
#[derive(Clone, Copy, Debug)]
pub struct PerKey {
    /// Bytes asked of the allocator.
    pub bytes: f64,
    /// Blocks they are in; the allocator adds some bytes to each.
    pub blocks: f64,
}

/// The tables to compare.
pub const TABLES: [Table; 2] =
    [Table { name: "resilience core", fill: resilience }, Table { name: "governor dashmap", fill: governor }];

impl Table {
    /// Fills a new table with so many keys.
    ///
    /// # Panics
    ///
    /// If it does not hold all of them then.
    #[must_use]
    pub fn per_key(&self, keys: u64) -> PerKey {
        let Tally { blocks, bytes, .. } = (self.fill)(keys);
        PerKey { bytes: bytes as f64 / keys as f64, blocks: blocks as f64 / keys as f64 }
    }
}

/// With room for twice as many keys, so that no shard gives one up.
fn resilience(keys: u64) -> Tally {
    let room = NonZeroUsize::new(2 * keys as usize).expect("not zero");
    let start = now();
    let mut made = None;
    let tally = tally(|| {
        let table = made.insert(Keyed::new(room, HOUR));
        for key in 0..keys {
            table.get_or_insert_with(scramble(key), start, || RateLimiter::new(AMPLE, start));
        }
    });
    assert_eq!(made.map(|table| table.len() as u64), Some(keys));
    tally
}

fn governor(keys: u64) -> Tally {
    let mut made = None;
    let tally = tally(|| {
        let limiter = made.insert(peer(MonotonicClock));
        for key in 0..keys {
            assert!(limiter.check_key(&scramble(key)).is_ok(), "a key has tokens at first");
        }
    });
    assert_eq!(made.map(|limiter| limiter.len() as u64), Some(keys));
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_at_least_itself_and_its_state() {
        for table in TABLES {
            let PerKey { bytes, blocks } = table.per_key(1_000);
            assert!((16.0..500.0).contains(&bytes), "{}: {bytes}", table.name);
            assert!((0.0..2.0).contains(&blocks), "{}: {blocks}", table.name);
        }
    }
}
