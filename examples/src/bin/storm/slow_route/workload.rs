//! The calls on both routes: the same for each stack, and for each run with the same seed.

use std::{ops::Range, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;

use crate::load::exponential;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Route {
    /// Its dependency turns slow.
    A,
    /// Always quick.
    B,
}

impl Route {
    pub(super) const ALL: [Self; 2] = [Self::A, Self::B];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::A => "/a",
            Self::B => "/b",
        }
    }
}

/// A call to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Job {
    /// From the start of the part.
    pub(super) at: Duration,
    pub(super) phase: usize,
    pub(super) route: Route,
}

/// Calls in all of `stretches`, `pace` per second in the mean on each route.
pub(super) fn jobs(seed: u64, pace: u32, stretches: &[Range<Duration>]) -> Vec<Job> {
    let gap = 0.5 / f64::from(pace);
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut jobs = Vec::new();
    let mut at = exponential(&mut dice, gap);
    for (phase, stretch) in stretches.iter().enumerate() {
        while at < stretch.end {
            let route = if dice.random() { Route::A } else { Route::B };
            jobs.push(Job { at, phase, route });
            at += exponential(&mut dice, gap);
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(seed: u64) -> Vec<Job> {
        let second = |n| Duration::from_secs(n)..Duration::from_secs(n + 10);
        jobs(seed, 400, &[second(0), second(10)])
    }

    #[test]
    fn calls_repeat_with_the_seed() {
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
    }

    #[test]
    fn both_routes_get_their_pace_in_every_phase() {
        let jobs = some(1);
        for phase in 0..2 {
            for route in Route::ALL {
                let calls = jobs.iter().filter(|job| (job.phase, job.route) == (phase, route)).count();
                assert!((3700..4300).contains(&calls), "{calls}");
            }
        }
        assert!(jobs.is_sorted_by_key(|job| job.at));
    }
}
