//! S7: a chain of services, each with the stack around its calls of the next; the last one fails.

use super::{run, sub_seed};
use crate::{
    arrivals::Load,
    dependency::{Dependency, Work},
    report::{Figure, Goal, Run, judge},
    schedule::Schedule,
    stacks::{Times, hop, preset},
};

const TIMES: Times = Times::millis(1000, 2000);

/// Users call A, A calls B, B calls C, C calls D, which fails from 10 s to 30 s.
fn chain(errors: f64, seed: u64) -> Run {
    run(async {
        let schedule = Schedule::healthy().errors(10.0, errors).errors(30.0, 0.0);
        let d = Dependency::new(10, 0.010, Work::Half, schedule, sub_seed(seed, 1));
        let c = hop(preset(TIMES, sub_seed(seed, 12), d.clone()));
        let b = hop(preset(TIMES, sub_seed(seed, 11), c));
        let a = preset(TIMES, sub_seed(seed, 10), b);
        let load = Load { rate: 200.0, callers: 1, length: 50.0, seed: sub_seed(seed, 2) };
        let calls = load.through(&[a]).await;
        Run::new(calls, d.seen(), 2.0)
    })
}

#[test]
fn s7a_all_fails() {
    judge("S7a", |seed| {
        let run = chain(1.0, seed);
        vec![
            Figure("ok before, %", run.ok(5.0, 9.0), Goal::AtLeast(99.9)),
            Figure("amplification at D", run.amplification(10.0, 30.0), Goal::AtMost(1.1)),
            Figure("recovers, s", run.recovers(30.0, 50.0), Goal::AtMost(3.0)),
        ]
    });
}

#[test]
fn s7b_a_tenth_fails() {
    judge("S7b", |seed| {
        let run = chain(0.1, seed);
        vec![
            Figure("ok before, %", run.ok(5.0, 9.0), Goal::AtLeast(99.9)),
            Figure("ok, %", run.ok(10.0, 30.0), Goal::AtLeast(100.0)),
            Figure("amplification at D", run.amplification(10.0, 30.0), Goal::AtMost(1.12)),
        ]
    });
}
