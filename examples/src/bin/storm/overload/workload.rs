//! What the servers are asked to do: the same for each, and for each run with the same seed.

use std::{ops::Range, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::shares;
use crate::{load::exponential, split::split};

/// What is offered in each phase, in parts of the capacity.
pub(super) const FACTORS: [f64; 3] = [0.8, 2.0, 5.0];

/// What the polite tenants offer together in every phase, in parts of the capacity.
const POLITE: f64 = 0.3;

/// The tenants from 1 to this are polite; tenant 0 sends the rest.
pub(super) const POLITE_TENANTS: u32 = 6;

/// How many calls are worked on at once.
pub(super) const WORKERS: u32 = 4;

/// A call to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Job {
    /// From the start of the part.
    pub(super) at: Duration,
    pub(super) phase: usize,
    pub(super) tenant: u32,
    /// How long a worker has to work on it.
    pub(super) takes: Duration,
}

#[derive(Debug)]
pub(super) struct Workload {
    /// Calls per second that the workers can serve.
    pub(super) capacity: u32,
    pub(super) stretches: Vec<Range<Duration>>,
    pub(super) jobs: Vec<Job>,
}

impl Workload {
    /// `None` if the phases do not fit into `seconds`.
    pub(super) fn new(seed: u64, capacity: u32, seconds: u32) -> Option<Self> {
        let stretches = split(seconds, &shares())?;
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut jobs = Vec::new();
        for (phase, (stretch, factor)) in stretches.iter().zip(FACTORS).enumerate() {
            let gap = 1.0 / (factor * f64::from(capacity));
            let mut at = stretch.start + exponential(&mut dice, gap);
            while at < stretch.end {
                let is_polite = dice.random_bool(POLITE / factor);
                let tenant = if is_polite { dice.random_range(1..=POLITE_TENANTS) } else { 0 };
                jobs.push(Job { at, phase, tenant, takes: takes(&mut dice, capacity) });
                at += exponential(&mut dice, gap);
            }
        }
        Some(Self { capacity, stretches, jobs })
    }

    /// The phases and what is to be said of them.
    pub(super) fn phases(&self) -> Vec<(Range<Duration>, String)> {
        let about = |factor: f64| format!("{factor} times what the servers can bear");
        self.stretches.iter().cloned().zip(FACTORS.map(about)).collect()
    }
}

/// Half of the mean for everybody, and the rest by chance.
fn takes(dice: &mut SmallRng, capacity: u32) -> Duration {
    let half = 0.5 * f64::from(WORKERS) / f64::from(capacity);
    Duration::from_secs_f64(half) + exponential(dice, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_repeats_with_the_seed() {
        let jobs = |seed| Workload::new(seed, 400, 12).unwrap().jobs;
        assert_eq!(jobs(7), jobs(7));
        assert_ne!(jobs(7), jobs(8));
    }

    #[test]
    fn each_phase_offers_its_factor_and_the_polite_their_part() {
        let workload = Workload::new(1, 400, 120).unwrap();
        for (phase, factor) in FACTORS.into_iter().enumerate() {
            let of = |polite: bool| {
                let jobs =
                    workload.jobs.iter().filter(|job| job.phase == phase && (job.tenant > 0) == polite);
                jobs.count() as f64
                    / (400.0 * workload.stretches[phase].clone().end.as_secs_f64() / (phase + 1) as f64)
            };
            assert!((of(true) - POLITE).abs() < 0.02, "{}", of(true));
            assert!((of(true) + of(false) - factor).abs() < 0.05, "{}", of(false));
        }
        assert!(workload.jobs.is_sorted_by_key(|job| job.at));
        assert!((1..=POLITE_TENANTS).all(|tenant| workload.jobs.iter().any(|job| job.tenant == tenant)));
    }

    #[test]
    fn workers_can_serve_the_capacity() {
        let workload = Workload::new(1, 400, 120).unwrap();
        let seconds: f64 = workload.jobs.iter().map(|job| job.takes.as_secs_f64()).sum();
        let capacity = f64::from(WORKERS) * workload.jobs.len() as f64 / seconds;
        assert!((capacity - 400.0).abs() < 4.0, "{capacity}");
    }
}
