//! The adaptive throttle, on one thread and on two, with allocations per call.

mod support;

use benches::policies::throttle::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn throttle(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, throttle);
criterion_main!(benches);
