//! Whole stacks, on one thread and on two, with allocations per call.

mod support;

use benches::policies::stack::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn stack(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, stack);
criterion_main!(benches);
