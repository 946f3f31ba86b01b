//! The adaptive limit, on one thread and on two, with allocations per call.

mod support;

use benches::policies::adaptive::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn adaptive(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, adaptive);
criterion_main!(benches);
