//! The retry, on one thread and on two, with allocations per call.

mod support;

use benches::policies::retry::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn retry(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, retry);
criterion_main!(benches);
