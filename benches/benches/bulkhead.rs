//! The bulkhead, on one thread and on two, with allocations per call.

mod support;

use benches::policies::bulkhead::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn bulkhead(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, bulkhead);
criterion_main!(benches);
