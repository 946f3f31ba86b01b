//! The circuit breaker, on one thread and on two, with allocations per call.

mod support;

use benches::policies::circuit_breaker::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn circuit_breaker(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, circuit_breaker);
criterion_main!(benches);
