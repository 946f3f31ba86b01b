//! Random calls and reports against plain counters.

#![cfg(not(loom))]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{AdaptiveLimit, Config, Permit, Priority};
use crate::{FailureKind, Verdict};

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(Priority),
    AcquireFor(u8, Priority),
    Finish(usize, Verdict),
    Abandon(usize, bool),
    Drop(usize),
    Pass(u64),
    Bounds(u32, u32),
}

fn priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(Priority::ALL.to_vec())
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let kinds = FailureKind::ALL.map(Verdict::Failure);
    prop::sample::select([&kinds[..], &[Verdict::Success, Verdict::Success, Verdict::Ignored]].concat())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => priority().prop_map(Step::Acquire),
        4 => (0..3u8, priority()).prop_map(|(key, priority)| Step::AcquireFor(key, priority)),
        8 => (any::<usize>(), verdict()).prop_map(|(call, verdict)| Step::Finish(call, verdict)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(call, cut)| Step::Abandon(call, cut)),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => (0..60u64).prop_map(Step::Pass),
        1 => (1..5u32, 5..30u32).prop_map(|(min, max)| Step::Bounds(min, max)),
    ]
}

proptest! {
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn model_what_is_in_flight_and_within_bounds(steps in prop::collection::vec(step(), 1..400)) {
        let mut now = Instant::now();
        let limit = AdaptiveLimit::new(Config::default().initial(5).bounds(1, 30), now);
        let mut calls: Vec<(Permit, Option<u8>)> = Vec::new();
        let mut bounds = (1, 30);
        for step in steps {
            let before = limit.snapshot();
            match step {
                Step::Acquire(priority) => {
                    let room = (before.in_flight as usize) < priority.part_of(before.limit) as usize;
                    let permit = limit.try_acquire(priority, || now);
                    prop_assert_eq!(permit.is_ok(), room);
                    calls.extend(permit.map(|permit| (permit, None)));
                }
                Step::AcquireFor(key, priority) => {
                    let mut held: HashMap<u8, u32> = HashMap::new();
                    for key in calls.iter().filter_map(|call| call.1) {
                        *held.entry(key).or_default() += 1;
                    }
                    let own = held.entry(key).or_default().to_owned();
                    let fair = (before.limit / u32::try_from(held.len()).unwrap()).max(1);
                    let most = priority.part_of(before.limit);
                    let free = most * 8 / 10;
                    let part = if own < fair { most } else { free + (most - free) * fair / own };
                    let permit = limit.try_acquire_for(&key, priority, || now);
                    prop_assert_eq!(permit.is_ok(), before.in_flight < part);
                    calls.extend(permit.map(|permit| (permit, Some(key))));
                }
                Step::Finish(call, verdict) if !calls.is_empty() => {
                    calls.swap_remove(call % calls.len()).0.finish(verdict, || now);
                }
                Step::Abandon(call, cut) if !calls.is_empty() => {
                    calls.swap_remove(call % calls.len()).0.abandon(cut, || now);
                }
                Step::Drop(call) if !calls.is_empty() => drop(calls.swap_remove(call % calls.len())),
                Step::Finish(..) | Step::Abandon(..) | Step::Drop(_) => {}
                Step::Pass(ms) => now += Duration::from_millis(ms),
                Step::Bounds(min, max) => {
                    bounds = (min, max);
                    limit.reconfigure(Config::default().bounds(min, max));
                }
            }
            let snapshot = limit.snapshot();
            prop_assert_eq!(snapshot.in_flight as usize, calls.len());
            prop_assert!((bounds.0..=bounds.1).contains(&snapshot.limit), "{:?}", snapshot);
        }
    }
}
