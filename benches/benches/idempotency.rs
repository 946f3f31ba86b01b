//! Idempotency records in memory, on one thread and on two, with allocations per call.

mod support;

use benches::policies::idempotency::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn idempotency(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, idempotency);
criterion_main!(benches);
