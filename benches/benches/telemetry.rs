//! Telemetry, on one thread and on two, with allocations per call.

mod support;

use benches::policies::telemetry::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn telemetry(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, telemetry);
criterion_main!(benches);
