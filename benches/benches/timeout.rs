//! The timeout, on one thread and on two, with allocations per call.

mod support;

use benches::policies::timeout::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn timeout(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, timeout);
criterion_main!(benches);
