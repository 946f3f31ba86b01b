//! Fallbacks, on one thread and on two, with allocations per call.

mod support;

use benches::policies::fallback::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn fallback(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, fallback);
criterion_main!(benches);
