//! Memory under a flood of keys.
//!
//! The counts are those of the whole process, so this binary has one test. `FLOOD_KEYS` is how many keys come, 300 000 by default.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{alloc::System, num::NonZeroUsize, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{Quota, RateLimiter, keyed::Keyed};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tests::{
    seed::{number, seed},
    time,
};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CAPACITY: usize = 10_000;
const IDLE: Duration = Duration::from_secs(600);

fn live() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Bytes of a table at its capacity after each tenth of the flood, the first tenth left out.
fn flood(keys: u64) -> Vec<usize> {
    let start = time::now();
    let before = live();
    let mut rng = SmallRng::seed_from_u64(seed("FLOOD_SEED"));
    let table = Keyed::new(NonZeroUsize::new(CAPACITY).unwrap(), IDLE);
    let mut sizes = Vec::with_capacity(10);
    for n in 0..keys {
        let now = start + Duration::from_micros(n);
        let limiter = table
            .get_or_insert_with(rng.random::<u64>(), now, || RateLimiter::new(Quota::per_second(10), now));
        limiter.check(1, now).unwrap();
        if (n + 1) % (keys / 10) == 0 {
            sizes.push(live() - before);
        }
    }
    assert!(table.len() <= CAPACITY);
    assert!(table.len() > CAPACITY * 4 / 5, "{} keys: it is a table that is used", table.len());
    sizes.split_off(1)
}

#[test]
fn trap_25_a_flood_of_keys_grows_no_memory() {
    let keys = number("FLOOD_KEYS", 300_000);
    let sizes = flood(keys);
    println!("{sizes:?}");
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    // Shards are not equally full, and hash tables grow by doubling: within a tenth, while the keys are thirty times the capacity.
    assert!(most - least <= least / 10, "{sizes:?}");
}
