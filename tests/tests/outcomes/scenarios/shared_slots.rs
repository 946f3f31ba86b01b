//! S3: two routes share the slots of their process; what one of them calls becomes slow.

use std::sync::Arc;

use resilience_core::Error;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{run, sub_seed};
use crate::{
    arrivals::{Called, End, Load},
    dependency::{Dependency, Work},
    report::{Figure, Goal, Run, judge},
    schedule::{Mode, Schedule},
    stacks::{Times, preset},
};

const RATE: f64 = 500.0;
const TIMES: Times = Times::millis(250, 1000);
const A: usize = 0;

/// A's dependency takes 20 times as long from 10 s to 30 s. Who finds no slot waits for one, in the order of arrival.
fn shared_slots(seed: u64) -> (Run, Run) {
    run(async {
        let schedule = Schedule::healthy().then(10.0, Mode::Works(0.05)).then(30.0, Mode::Works(1.0));
        let dependency = Dependency::new(50, 0.050, Work::Half, schedule, sub_seed(seed, 1));
        let local = Dependency::new(100, 0.010, Work::Half, Schedule::healthy(), sub_seed(seed, 3));
        let stack = preset(TIMES, sub_seed(seed, 10), dependency.clone());
        let slots = Arc::new(Semaphore::new(100));
        let load = Load { rate: 2.0 * RATE, callers: 2, length: 50.0, seed: sub_seed(seed, 2) };
        let calls = load.drive(|route| {
            let (slots, stack, local) = (Arc::clone(&slots), stack.clone(), local.clone());
            async move {
                let _slot = slots.acquire_owned().await.unwrap();
                match route {
                    A => stack.oneshot(()).await,
                    _ => local.oneshot(()).await.map_err(Error::inner),
                }
            }
        });
        let (a, b): (Vec<Called>, Vec<Called>) =
            calls.await.into_iter().partition(|called| called.caller == A);
        (Run::new(a, dependency.seen(), 1.0), Run::new(b, local.seen(), 1.0))
    })
}

#[test]
fn s3_the_other_route_is_not_hurt() {
    judge("S3", |seed| {
        let (a, b) = shared_slots(seed);
        vec![
            Figure("ok of A before, %", a.ok(5.0, 9.0), Goal::AtLeast(99.9)),
            Figure("ok of B, %", b.ok(10.0, 30.0), Goal::AtLeast(99.9)),
            Figure("p99 of B, ms", b.quantile(10.0, 30.0, 0.99, |_| true), Goal::AtMost(50.0)),
            Figure(
                "A fails within, ms (median)",
                a.quantile(10.0, 30.0, 0.5, |called| called.end != End::Answered),
                Goal::AtMost(1.0),
            ),
            Figure("A recovers, s", a.recovers(30.0, 50.0), Goal::AtMost(3.0)),
            Figure("ok of A while slow, %", a.ok(10.0, 30.0), Goal::None),
        ]
    });
}
