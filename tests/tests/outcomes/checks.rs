//! The lab against what is known: a lab that is wrong would justify anything.

use std::time::Duration;

use tower::ServiceExt;

use crate::{
    arrivals::Load,
    dependency::{Dependency, Work},
    report::Run,
    scenarios::{run, sub_seed},
    schedule::{Mode, Schedule},
    stacks::{hop, naive},
};

/// The probability that a call has to wait behind `servers` servers, of which `load` are busy on average: Erlang's formula C, by the
/// usual recursion of his formula B.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let b = (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    b / (1.0 - load / f64::from(servers) * (1.0 - b))
}

/// The example of every textbook: two servers, one of them busy on average.
#[test]
fn erlang_c_is_right() {
    assert!((erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
    assert!((erlang_c(1, 0.7) - 0.7).abs() < 1e-12);
}

/// M/M/10 at 0.8 of its capacity: how many wait, and for how long.
#[test]
fn the_queue_is_erlangs() {
    let (workers, mean, rate) = (10, 0.1, 80.0);
    let mut waited = 0;
    let mut total = 0.0;
    let mut calls = 0;
    for seed in 1..=3 {
        let seen = run(async {
            let dependency =
                Dependency::new(workers, mean, Work::Exponential, Schedule::healthy(), sub_seed(seed, 1));
            let load = Load { rate, callers: 1, length: 700.0, seed: sub_seed(seed, 2) };
            let bare = |_| {
                let call = dependency.clone().oneshot(());
                async { call.await.map_err(resilience_core::Error::inner) }
            };
            let _ = load.drive(bare).await;
            dependency.seen()
        });
        waited += seen.waits.iter().filter(|&&wait| wait > 0.0).count();
        total += seen.waits.iter().sum::<f64>();
        calls += seen.waits.len();
    }
    let busy = rate * mean;
    let c = erlang_c(workers, busy);
    let wait = c * mean / (f64::from(workers) - busy);
    let (share, average) = (waited as f64 / calls as f64, total / calls as f64);
    println!(
        "M/M/10 at 0.8: {share:.4} wait, {:.2} ms on average; Erlang says {c:.4} and {:.2} ms",
        1e3 * average,
        1e3 * wait
    );
    assert!((share / c - 1.0).abs() < 0.05, "{share} instead of {c}");
    assert!((average / wait - 1.0).abs() < 0.10, "{average} instead of {wait}");
}

/// Three hops of four attempts: 64 calls at the end for each at the beginning.
#[test]
fn retries_multiply() {
    let run = run(async {
        let schedule = Schedule::healthy().errors(0.0, 1.0);
        let d = Dependency::new(1000, 0.001, Work::Half, schedule, 1);
        let attempt = Duration::from_secs(3600);
        let c = hop(naive(4, attempt, 2, d.clone()));
        let b = hop(naive(4, attempt, 3, c));
        let a = naive(4, attempt, 4, b);
        let load = Load { rate: 10.0, callers: 1, length: 10.0, seed: 5 };
        let calls = load.through(&[a]).await;
        Run::new(calls, d.seen(), 1.0)
    });
    assert_eq!(run.seen.arrivals.len(), 64 * run.calls.len());
}

/// A stall of ten seconds, retries that nothing bounds: the storm goes on for as long as anybody looks.
#[test]
fn a_naive_storm_outlives_its_trigger() {
    let run = run(async {
        let schedule = Schedule::healthy().then(15.0, Mode::Works(0.0)).then(25.0, Mode::Works(1.0));
        let dependency = Dependency::new(30, 0.1, Work::Half, schedule, 1);
        let stacks: Vec<_> =
            (0..10).map(|n| naive(3, Duration::from_secs(1), sub_seed(1, n), dependency.clone())).collect();
        let load = Load { rate: 200.0, callers: 10, length: 85.0, seed: 2 };
        let calls = load.through(&stacks).await;
        Run::new(calls, dependency.seen(), 2.0)
    });
    assert_eq!(run.ok(5.0, 13.0), 100.0);
    assert!(run.ok(65.0, 85.0) < 1.0, "{}", run.ok(65.0, 85.0));
    assert!(run.amplification(65.0, 85.0) > 2.5, "{}", run.amplification(65.0, 85.0));
}
