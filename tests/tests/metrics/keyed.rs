//! The size of keyed tables, and what they have given up.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use resilience_core::{Call, CircuitBreaker, Quota, RetryBudget, bulkhead, keyed};
use resilience_metrics::Telemetry;
use resilience_tower::{
    PerKeyLayer, bulkhead::BulkheadByRequestLayer, per_key::Settings, rate_limit::KeyedRateLimitLayer,
    retry::KeyedBudgets,
};
use tests::{
    recorded::{Readings, Recorded},
    time,
};

use super::SECOND;

const EVICTIONS: &str = "resilience_keyed_evictions_total";

fn entries(readings: &Readings) -> Option<f64> {
    readings.gauge("resilience_keyed_entries{pipeline=pay,policy=hosts}")
}

/// Those evicted because they were idle, and for want of room.
fn evictions(readings: &Readings) -> [u64; 2] {
    ["idle", "capacity"]
        .map(|reason| readings.counters[&format!("{EVICTIONS}{{pipeline=pay,policy=hosts,reason={reason}}}")])
}

#[tokio::test(start_paused = true)]
async fn keys_and_evictions_are_those_of_the_table() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let capacity = NonZeroUsize::new(4).unwrap();
    let table = Arc::new(keyed::Keyed::new(capacity, 60 * SECOND));
    let use_key = |key: u32| {
        let breaker = || CircuitBreaker::new(resilience_core::circuit_breaker::Config::new(), time::now());
        table.get_or_insert_with(key, time::now(), breaker)
    };
    (0..6).for_each(|key| drop(use_key(key)));
    let shown = Arc::clone(&table);
    telemetry.keyed("hosts", move || shown.snapshot());
    let readings = recorded.take();
    assert_eq!((entries(&readings), evictions(&readings)), (Some(4.0), [0, 2]), "there from the start");
    assert_eq!((readings.gauges.len(), readings.counters.len()), (1, 2));

    tokio::time::advance(60 * SECOND).await;
    use_key(7);
    assert_eq!(evictions(&recorded.take()), [0, 0], "nobody has published");
    telemetry.publish();
    telemetry.publish();
    let readings = recorded.take();
    assert_eq!((entries(&readings), evictions(&readings)), (Some(1.0), [4, 0]));
}

/// Each publisher tells of more than the one before, and they overtake each other.
#[test]
fn however_many_publish_at_once_an_eviction_counts_once() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 2000;
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (telemetry, total) = (Telemetry::new("pay"), Arc::new(AtomicU64::new(0)));
    let read = Arc::clone(&total);
    metrics::with_local_recorder(&recorder, || {
        telemetry.keyed("hosts", move || {
            let mut snapshot = keyed::Snapshot::default();
            snapshot.evictions.idle = read.fetch_add(1, Relaxed) + 1;
            thread::yield_now();
            snapshot
        });
    });
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                (0..ROUNDS).for_each(|_| telemetry.publish());
            });
        }
    });
    let counted = snapshotter.snapshot().into_vec().into_iter().find_map(|(key, _, _, value)| {
        let is_idle = key.key().labels().any(|label| label.value() == "idle");
        match value {
            DebugValue::Counter(count) if is_idle => Some(count),
            _ => None,
        }
    });
    let published = u64::try_from(THREADS).unwrap() * ROUNDS + 1;
    assert_eq!((total.load(Relaxed), counted), (published, Some(published)));
}

/// All tables that are inside of layers can be shown.
#[tokio::test(start_paused = true)]
async fn a_table_inside_of_a_layer_can_be_shown() {
    let key = |call: &Call<u32>| *call.request();
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let limits = KeyedRateLimitLayer::new(key, Quota::per_second(1));
    let bulkheads = BulkheadByRequestLayer::keyed(bulkhead::Config::new(1), key);
    let budgets = KeyedBudgets::new(RetryBudget::new, key);
    let policies = PerKeyLayer::new(Settings::new(), key);
    telemetry.keyed("limits", {
        let limits = limits.clone();
        move || limits.limiters().snapshot()
    });
    telemetry.keyed("bulkheads", {
        let bulkheads = bulkheads.clone();
        move || bulkheads.bulkheads().snapshot()
    });
    telemetry.keyed("budgets", {
        let budgets = budgets.clone();
        move || budgets.budgets().snapshot()
    });
    telemetry.keyed("policies", {
        let policies = policies.clone();
        move || policies.table().snapshot()
    });
    let _ = limits.limiter_of(&0);
    let _ = [0, 1].map(|key| bulkheads.bulkhead_of(key));
    let _ = [0, 1, 2].map(|key| budgets.budget_of(key));
    let _ = [0, 1, 2, 3].map(|key| policies.policies(&key));
    telemetry.publish();
    let gauges = recorded.take().gauges;
    let entries = ["limits", "bulkheads", "budgets", "policies"]
        .map(|policy| gauges[&format!("resilience_keyed_entries{{pipeline=pay,policy={policy}}}")]);
    assert_eq!(entries, [1.0, 2.0, 3.0, 4.0]);
}
