//! What a store in memory takes, beside what it says it takes.
//!
//! The counts are those of the whole process, so this binary has one test. `STORE_KEYS` is how many keys come, a million by default.

use std::{alloc::System, pin::pin, task, task::Poll};

use bytes::Bytes;
use resilience_core::idempotency::{
    Begin, Claim, Fingerprint, Finish, MemoryStore, Owner, RecordKey, Store, memory::Config,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tests::{seed::number, time};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: u64 = 1 << 20;
const RESPONSE: &[u8] = &[b'x'; 512];

fn live() -> u64 {
    let stats = GLOBAL.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

/// A store in memory never waits.
fn at_once<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

fn key(n: u64) -> RecordKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    RecordKey::from_bytes(bytes)
}

#[test]
fn a_million_keys_stay_within_the_bytes_that_were_given() {
    let keys = number("STORE_KEYS", 1_000_000);
    let before = live();
    let store = MemoryStore::new(Config::new().max_entries(u32::MAX).max_bytes(64 * MIB), time::now);
    let claim = Claim::new(Fingerprint::from_bytes([1; 32]), Owner::random());
    let mut most = 0;
    for n in 0..keys {
        let Begin::Acquired(held) = at_once(store.begin(&key(n), &claim)).unwrap() else { panic!("{n}") };
        let finished = at_once(store.finish(&key(n), &claim, held, Bytes::from_static(RESPONSE)));
        assert_eq!(finished.unwrap(), Finish::Ok);
        if n % 1000 == 0 {
            most = most.max(live() - before);
        }
    }
    let snapshot = store.snapshot();
    println!("{most} bytes at most, {snapshot:?}");
    assert!(snapshot.bytes <= 64 * MIB && snapshot.bytes > 63 * MIB, "{snapshot:?}: it is full");
    assert!(snapshot.evictions.capacity > 0);
    assert!(most <= 64 * MIB, "{most} bytes");
}
