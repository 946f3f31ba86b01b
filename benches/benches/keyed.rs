//! The rate limit by key, on one thread and on two, with allocations per call.

mod support;

use benches::policies::keyed::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn keyed(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, keyed);
criterion_main!(benches);
