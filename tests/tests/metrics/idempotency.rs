//! What becomes of requests with idempotency keys, and what a store in memory holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use resilience_core::{
    Event, Observer,
    idempotency::{Ending, Fingerprint, IdempotencyKey, MemoryStore, RecordKey, Scope, memory::Config},
};
use resilience_metrics::{IdempotencyMetrics, Telemetry};
use resilience_tower::idempotency::{Guard, Settings, memory_store};
use tests::recorded::{Readings, Recorded};

use super::{MS, SECOND};

const REQUESTS: &str = "resilience_idempotency_requests_total";
const EVICTIONS: &str = "resilience_idempotency_evictions_total";

fn labels(result: &str) -> String {
    format!("pipeline=pay,policy=idempotency,result={result}")
}

#[test]
fn each_ending_has_a_counter_of_its_own() {
    let recorded = Recorded::start();
    let observer = Telemetry::new("pay").idempotency("idempotency");
    let there = recorded.take();
    let expected: BTreeMap<String, u64> =
        Ending::ALL.into_iter().map(|ending| (labels(ending.as_str()), 0)).collect();
    let there = there.labelled(REQUESTS);
    assert!(there.into_iter().eq(expected.iter().map(|(at, &count)| (at.as_str(), count))), "from the start");

    for (index, ending) in Ending::ALL.into_iter().enumerate() {
        (0..=index).for_each(|_| observer.clone().observe(&Event::Idempotency(ending)));
    }
    observer.observe(&Event::LoadShed { waited: MS });
    let readings = recorded.take();
    let counted = readings.counted(REQUESTS);
    assert_eq!(counted.len(), Ending::ALL.len());
    for (count, ending) in (1..).zip(Ending::ALL) {
        assert_eq!(counted.get(labels(ending.as_str()).as_str()), Some(&count), "{ending:?}");
    }
}

async fn run(guard: &Guard<MemoryStore, IdempotencyMetrics>, key: &str, content: u8) {
    let key = RecordKey::new("pay", &Scope::single_tenant(), &IdempotencyKey::new(key).unwrap());
    let work = async |_| Ok::<_, ()>(Bytes::from_static(b"done"));
    let _ = guard.run(key, Fingerprint::from_bytes([content; 32]), work).await;
}

fn evictions(readings: &Readings) -> [u64; 2] {
    ["expired", "capacity"].map(|reason| {
        readings.counters[&format!("{EVICTIONS}{{pipeline=pay,policy=idempotency,reason={reason}}}")]
    })
}

fn entries(readings: &Readings) -> Option<f64> {
    readings.gauge("resilience_idempotency_entries{pipeline=pay,policy=idempotency}")
}

#[tokio::test(start_paused = true)]
async fn a_guard_counts_each_request_once() {
    let recorded = Recorded::start();
    let observer = Telemetry::new("pay").idempotency("idempotency");
    let guard = Guard::with_observer(memory_store(Config::new()), Settings::new(), observer);
    for (key, content) in
        [("first", 1), ("first", 1), ("first", 1), ("first", 2), ("second", 1), ("second", 1)]
    {
        run(&guard, key, content).await;
    }
    let readings = recorded.take();
    let expected =
        [("mismatch", 1), ("replayed", 3), ("stored", 2)].map(|(result, count)| (labels(result), count));
    let counted = readings.counted(REQUESTS);
    assert!(counted.iter().map(|(at, &count)| ((*at).to_owned(), count)).eq(expected), "{counted:?}");
}

#[tokio::test(start_paused = true)]
async fn records_and_evictions_are_those_of_the_store() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let store = memory_store(Config::new().max_entries(4));
    let settings = Settings::new().lease(SECOND).max_execution(SECOND).retain(60 * SECOND);
    let observer = telemetry.idempotency("idempotency");
    let guard = Guard::with_observer(store.clone(), settings, observer);
    for key in ["1", "2", "3", "4", "5", "6"] {
        run(&guard, key, 1).await;
    }
    telemetry.idempotency_store("idempotency", move || store.snapshot());
    let readings = recorded.take();
    assert_eq!((entries(&readings), evictions(&readings)), (Some(4.0), [0, 2]), "there from the start");

    tokio::time::advance(61 * SECOND).await;
    // A store that is full clears away what has expired.
    run(&guard, "7", 1).await;
    let before = guard.store().snapshot();
    assert!(before.evictions.expired > 0);
    assert_eq!(evictions(&recorded.take()), [0, 0], "nobody has published");
    telemetry.publish();
    telemetry.publish();
    let readings = recorded.take();
    assert_eq!(evictions(&readings), [before.evictions.expired, 0]);
    assert_eq!(entries(&readings), Some(f64::from(u32::try_from(before.entries).unwrap())));
}
