//! Outages and overloads in virtual time: what is wasted, and how long it takes to be back.

#![cfg(not(loom))]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Config, Permit, Throttle};
use crate::{FailureKind, Rng, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Verdict = Verdict::Failure(FailureKind::Timeout);

/// What one client saw of an outage.
struct Saw {
    /// The part of the calls in the outage that was sent.
    wasted: f64,
    /// Seconds from its end until five seconds in a row are at least 95 % good.
    back_after: usize,
}

/// A client that makes `rate` calls per second, at random, for 30 s of health, 30 s of outage, and 120 s after it. In the
/// outage calls hang until they are cut after 250 ms.
fn outage(config: Config, rate: f64, seed: u64) -> Saw {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    let start = Instant::now();
    let (begin, end) = (start + 30 * SECOND, start + 60 * SECOND);
    let throttle = Throttle::with_seed(config, start, seed);
    let mut arrivals = Rng::from_seed(seed + 1000);
    let mut hanging: VecDeque<(Instant, Permit)> = VecDeque::new();
    let (mut calls, mut sent) = (0, 0);
    let mut seconds = vec![(0, 0); 125];
    let mut now = start;
    while now < end + 120 * SECOND {
        now += SECOND.mul_f64(-(1.0 - arrivals.unit()).ln() / rate);
        while hanging.front().is_some_and(|(cut, _)| *cut <= now) {
            let (cut, permit) = hanging.pop_front().unwrap();
            permit.abandon(true, || cut);
        }
        let is_down = (begin..end).contains(&now);
        let admitted = throttle.try_acquire(|| now).ok();
        calls += u32::from(is_down);
        let mut is_good = false;
        if let Some(permit) = admitted {
            sent += u32::from(is_down);
            if is_down {
                hanging.push_back((now + SECOND / 4, permit));
            } else {
                is_good = true;
                permit.finish(Verdict::Success, || now);
            }
        }
        if now >= end {
            let second = usize::try_from((now - end).as_secs()).unwrap();
            let (all, good) = &mut seconds[second];
            *all += 1;
            *good += u32::from(is_good);
        }
    }
    let is_well = |&(all, good): &(u32, u32)| 100 * good >= 95 * all;
    let back_after = seconds.windows(5).position(|five| five.iter().all(is_well));
    Saw { wasted: f64::from(sent) / f64::from(calls), back_after: back_after.unwrap_or(usize::MAX) }
}

/// The means of ten clients.
fn mean(config: Config, rate: f64) -> (f64, f64) {
    let all: Vec<Saw> = (0..10).map(|seed| outage(config, rate, seed)).collect();
    let mean = |of: fn(&Saw) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    (mean(|saw| saw.wasted), mean(|saw| saw.back_after as f64))
}

#[test]
fn after_an_outage_traffic_is_back_within_seconds_and_little_was_wasted() {
    for (rate, wasted, back) in
        [(5.0, 0.25, 15.0), (20.0, 0.12, 5.0), (100.0, 0.085, 2.0), (1000.0, 0.08, 1.0)]
    {
        let (seen_wasted, seen_back) = mean(Config::new(), rate);
        println!("{rate} per second: {:.1} % wasted, back after {seen_back} s", 100.0 * seen_wasted);
        assert!(seen_wasted <= wasted, "{rate} per second: {seen_wasted} wasted");
        assert!(seen_back <= back, "{rate} per second: back after {seen_back} s");
    }
}

/// What the bound in number is for: the same without it.
#[test]
fn with_a_window_of_time_alone_it_takes_longer() {
    let by_time = Config::new().window(30 * SECOND).max_requests(1_000_000);
    let (wasted, back) = mean(by_time, 20.0);
    assert!(wasted > 0.5 && back > 30.0, "{wasted} wasted, back after {back} s");
}

/// A dependency that takes 50 calls per second is offered 200: it gets about twice what it takes, and takes all it can.
#[test]
fn an_overloaded_dependency_is_offered_about_k_times_what_it_accepts() {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    let start = Instant::now();
    let throttle = Throttle::with_seed(Config::new(), start, 7);
    let (mut sent, mut accepted) = (0, 0);
    for n in 0..60 * 200_u32 {
        let now = start + n * SECOND / 200;
        if n % 20 == 0 {
            // Five more can be taken each tenth of a second.
            accepted = 0;
        }
        if let Ok(permit) = throttle.try_acquire(|| now) {
            sent += 1;
            accepted += 1;
            let verdict = if accepted <= 5 { Verdict::Success } else { FAILED };
            permit.finish(verdict, || now);
        }
    }
    let per_second = f64::from(sent) / 60.0;
    assert!((90.0..125.0).contains(&per_second), "{per_second}");
}

/// Errors that have nothing to do with load, and are fewer than half of the calls, cost next to nothing.
#[test]
fn errors_at_random_are_no_overload() {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    let start = Instant::now();
    let throttle = Throttle::with_seed(Config::new(), start, 7);
    let mut errors = Rng::from_seed(8);
    let mut refused = 0;
    for n in 0..20_000_u32 {
        let now = start + n * SECOND / 100;
        match throttle.try_acquire(|| now) {
            Ok(permit) => {
                let verdict = if errors.unit() < 0.3 { FAILED } else { Verdict::Success };
                permit.finish(verdict, || now);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused < 200, "{refused} of 20000");
}
