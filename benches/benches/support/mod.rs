//! Runs the cases of one policy under Criterion: a group named after the file, all rows in it.

use std::time::Duration;

use benches::harness;
use benches::policies::Policy;
use criterion::{BenchmarkId, Criterion};

/// Measures every implementation in every case, on one thread and on two.
pub fn policy(criterion: &mut Criterion, policy: &Policy) {
    let mut group = criterion.benchmark_group(policy.name);
    // Dozens of rows of nanoseconds: Criterion's defaults would take a quarter of an hour.
    group.sample_size(50);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for case in policy.cases {
        for threads in [1, 2] {
            for subject in (case.subjects)() {
                let row = format!("{}/{}", case.name, subject.name);
                if threads == 1 {
                    let allocs = harness::allocations(&subject);
                    println!("{}/{row}: {allocs:.2} allocations per call", policy.name);
                }
                group.bench_function(BenchmarkId::new(row, threads), |bencher| {
                    bencher.iter_custom(|calls| harness::time(&subject, threads, calls));
                });
            }
        }
    }
    group.finish();
}
