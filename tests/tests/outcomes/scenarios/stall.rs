//! S2: a dependency with little to spare stalls; what has arrived waits, abandoned or not.

use super::{run, sub_seed};
use crate::{
    arrivals::Load,
    dependency::{Dependency, Work},
    report::{Figure, Goal, Run, judge},
    schedule::{Mode, Schedule},
    stacks::{Times, preset},
};

const CALLERS: usize = 10;
const TIMES: Times = Times::millis(1000, 2000);

/// It bears 300 calls per second, and stalls from 15 s to 25 s.
fn stall(rate: f64, seed: u64) -> Run {
    run(async {
        let schedule = Schedule::healthy().then(15.0, Mode::Works(0.0)).then(25.0, Mode::Works(1.0));
        let dependency = Dependency::new(30, 0.1, Work::Half, schedule, sub_seed(seed, 1));
        let stacks: Vec<_> =
            (0..CALLERS as u64).map(|n| preset(TIMES, sub_seed(seed, 10 + n), dependency.clone())).collect();
        let load = Load { rate, callers: CALLERS, length: 55.0, seed: sub_seed(seed, 2) };
        let calls = load.through(&stacks).await;
        Run::new(calls, dependency.seen(), 2.0)
    })
}

fn figures(run: &Run) -> Vec<Figure> {
    vec![
        Figure("ok before, %", run.ok(5.0, 13.0), Goal::AtLeast(99.0)),
        Figure("recovers, s", run.recovers(25.0, 55.0), Goal::AtMost(5.0)),
        Figure("amplification in the stall", run.amplification(15.0, 25.0), Goal::AtMost(1.0)),
        Figure("backlog", run.seen.backlog as f64, Goal::AtMost(500.0)),
        Figure("ok from 5 s to 30 s after, %", run.ok(30.0, 55.0), Goal::None),
    ]
}

#[test]
fn s2_two_thirds_of_the_capacity() {
    judge("S2", |seed| figures(&stall(200.0, seed)));
}

#[test]
fn s2h_nearly_all_of_the_capacity() {
    judge("S2h", |seed| figures(&stall(280.0, seed)));
}

#[test]
fn a_run_repeats_to_the_bit() {
    let (one, again) = (stall(200.0, 1), stall(200.0, 1));
    assert!(one == again);
    assert!(one != stall(200.0, 2));
}
