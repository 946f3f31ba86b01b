//! The rate limit, on one thread and on two, with allocations per call.

mod support;

use benches::policies::rate_limit::POLICY;
use criterion::{Criterion, criterion_group, criterion_main};

fn rate_limit(criterion: &mut Criterion) {
    support::policy(criterion, &POLICY);
}

criterion_group!(benches, rate_limit);
criterion_main!(benches);
