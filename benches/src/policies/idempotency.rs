//! Idempotency records in memory: the first of a key, a later one that gets its response, and one that comes too early; and the same
//! around an HTTP handler.

mod http;

use std::time::Duration;

use bytes::Bytes;
use resilience_core::idempotency::{
    Begin, Claim, Fingerprint, Finish, Held, IdempotencyKey, MemoryStore, Owner, RecordKey, Scope, Store,
    memory::Config,
};

use super::{Case, Policy};
use crate::subject::Subject;
use crate::thread::{HOUR, runtime};
use crate::time::now;

/// Idempotency keys.
pub const POLICY: Policy = Policy {
    name: "idempotency",
    cases: &[
        Case { name: "first", subjects: first },
        Case { name: "replay", subjects: replay },
        Case { name: "conflict", subjects: conflict },
        Case { name: "names", subjects: names },
        Case { name: "http_without_key", subjects: http::without_key },
        Case { name: "http_first", subjects: http::first },
        Case { name: "http_replay", subjects: http::replay },
    ],
};

/// What a small answer in JSON takes, with its headers.
const RESPONSE: [u8; 1024] = [b'x'; 1024];
/// Keys that are asked for again and again.
const KNOWN: u64 = 1024;

/// `begin` and `finish`: in a store whose records expire before it is full, and in one that is full all the time.
fn first() -> Vec<Subject> {
    vec![
        first_of("resilience, memory", Duration::from_millis(10)),
        first_of("resilience, memory, full", HOUR),
    ]
}

fn first_of(name: &'static str, retain: Duration) -> Subject {
    let (store, response) = (store(), Bytes::from_static(&RESPONSE));
    Subject::function(name, async move |n| {
        let (key, claim) = (key(n), claim(retain));
        let Ok(Begin::Acquired(held)) = store.begin(&key, &claim).await else { return Err(()) };
        match store.finish(&key, &claim, held, response.clone()).await {
            // A thread that did not get a core for the 10 ms finds its record expired.
            Ok(Finish::Ok | Finish::Healed) => Ok(n),
            _ => Err(()),
        }
    })
}

fn replay() -> Vec<Subject> {
    let store = filled(true);
    vec![Subject::function("resilience, memory", async move |n| {
        match store.begin(&key(n % KNOWN), &claim(HOUR)).await {
            Ok(Begin::Done(response)) => Ok(response.len() as u64),
            _ => Err(()),
        }
    })]
}

fn conflict() -> Vec<Subject> {
    let store = filled(false);
    vec![Subject::function("resilience, memory", async move |n| {
        match store.begin(&key(n % KNOWN), &claim(HOUR)).await {
            Ok(Begin::Busy { attempt, .. }) => Ok(attempt.into()),
            _ => Err(()),
        }
    })]
}

/// What a request is known by: a hash of its tenant and key, and one of its content.
fn names() -> Vec<Subject> {
    let scope = Scope::new("tenant-17").expect("not empty");
    let header = IdempotencyKey::random();
    let key = header.clone();
    vec![
        Subject::function("key from header", async move |n| {
            IdempotencyKey::try_from(header.as_str().as_bytes()).map(|key| n + key.as_str().len() as u64)
        }),
        Subject::function("record key", async move |n| {
            let record = RecordKey::new("payments", &scope, &key);
            Ok::<_, ()>(n + u64::from(record.as_bytes()[0]))
        }),
        Subject::function("fingerprint of 1 KiB", async move |n: u64| {
            let parts = Fingerprint::of_parts().part("POST").part("/charges").part("application/json");
            let fingerprint = parts.part(n.to_le_bytes()).part(RESPONSE).finish();
            Ok::<_, ()>(n + u64::from(fingerprint.as_bytes()[0]))
        }),
    ]
}

fn store() -> MemoryStore {
    MemoryStore::new(Config::new(), now)
}

/// A store that has all known keys, done or pending.
fn filled(done: bool) -> MemoryStore {
    let store = store();
    runtime().block_on(async {
        for n in 0..KNOWN {
            let mut claim = claim(HOUR);
            claim.lease = HOUR;
            let begun = store.begin(&key(n), &claim).await;
            assert!(matches!(begun, Ok(Begin::Acquired(_))), "nobody has it yet");
            if done {
                let response = Bytes::from_static(&RESPONSE);
                let finished = store.finish(&key(n), &claim, Held::new(1, 1), response).await;
                assert!(matches!(finished, Ok(Finish::Ok)), "it is ours");
            }
        }
    });
    store
}

/// As a hash would be: different in all its bytes.
fn key(n: u64) -> RecordKey {
    let mut bytes = [0; 32];
    for (part, factor) in bytes.chunks_exact_mut(8).zip([1, 3, 5, 7_u64]) {
        let mixed = (n + 1).wrapping_mul(factor).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        part.copy_from_slice(&mixed.to_le_bytes());
    }
    RecordKey::from_bytes(bytes)
}

/// The claim of a new owner.
fn claim(retain: Duration) -> Claim {
    let mut claim = Claim::new(Fingerprint::from_bytes([7; 32]), Owner::random());
    claim.retain = retain;
    claim
}
