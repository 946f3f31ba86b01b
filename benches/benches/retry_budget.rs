//! The retry budget by itself, on one thread and on two, with allocations per call.

mod support;

use benches::policies::retry_budget::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn retry_budget(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, retry_budget);
criterion_main!(benches);
