//! Load shedding, on one thread and on two, with allocations per call.

mod support;

use benches::policies::load_shed::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn load_shed(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, load_shed);
criterion_main!(benches);
