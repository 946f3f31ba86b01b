//! From the batches of one subject to the numbers in its row.

use std::time::{Duration, Instant};

/// What a call cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The subject.
    pub name: &'static str,
    /// Nanoseconds per call as one thread sees them: the median over the batches.
    pub ns: f64,
    /// Half of the batches lie within a band this wide, as a share of the median.
    pub spread: f64,
    /// The share of batches in which all threads had a core of their own; the others do not count.
    pub together: f64,
    /// Allocations per call.
    pub allocs: f64,
}

/// What one thread saw of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// When its calls began.
    pub start: Instant,
    /// When its last call was answered.
    pub end: Instant,
    /// Calls answered with `Ok`.
    pub answered: u64,
}

/// One batch of all threads.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the first thread's start to the last one's end, divided by the calls of one thread.
    pub ns: f64,
    /// The threads started at the same time. On a busy machine they run one after the other
    /// instead, and then the batch says nothing about how they get along.
    pub together: bool,
}

impl Sample {
    /// The sample of a batch of `calls` calls on each of the threads.
    ///
    /// # Panics
    ///
    /// If there was no thread.
    #[must_use]
    pub fn new(threads: &[Batch], calls: u64) -> Self {
        let starts = threads.iter().map(|batch| batch.start);
        let first = starts.clone().min().expect("at least one thread");
        let skew = starts.max().map_or(Duration::ZERO, |last| last - first);
        let wall = threads.iter().map(|batch| batch.end).max().map_or(Duration::ZERO, |end| end - first);
        Self { ns: wall.as_nanos() as f64 / calls as f64, together: skew <= wall / 20 }
    }
}

/// The samples in which the threads ran together; all of them if there is none.
fn counting(samples: &[Sample]) -> Vec<f64> {
    let together = samples.iter().any(|sample| sample.together);
    let mut ns: Vec<f64> =
        samples.iter().filter(|sample| sample.together == together).map(|sample| sample.ns).collect();
    ns.sort_by(f64::total_cmp);
    ns
}

/// How many of the samples count.
#[must_use]
pub fn together(samples: &[Sample]) -> usize {
    samples.iter().filter(|sample| sample.together).count()
}

/// The median nanoseconds per call.
#[must_use]
pub fn median(samples: &[Sample]) -> f64 {
    quantile(&counting(samples), 0.5)
}

/// The row of a subject.
#[must_use]
pub fn cost(name: &'static str, samples: &[Sample], allocs: f64) -> Cost {
    let sorted = counting(samples);
    let ns = quantile(&sorted, 0.5);
    let spread = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / ns;
    Cost { name, ns, spread, together: together(samples) as f64 / samples.len() as f64, allocs }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::now;

    #[test]
    fn the_wall_clock_runs_from_the_first_start_to_the_last_end() {
        let origin = now();
        let batch = |start, end| Batch {
            start: origin + Duration::from_micros(start),
            end: origin + Duration::from_micros(end),
            answered: 0,
        };
        let side_by_side = Sample::new(&[batch(1, 90), batch(0, 100)], 100);
        assert_eq!((side_by_side.ns, side_by_side.together), (1_000.0, true));
        let in_turn = Sample::new(&[batch(0, 50), batch(50, 100)], 100);
        assert_eq!((in_turn.ns, in_turn.together), (1_000.0, false));
    }

    #[test]
    fn samples_in_turn_do_not_count() {
        let sample = |ns, together| Sample { ns, together };
        let samples = [5.0, 1.0, 3.0, 2.0, 4.0].map(|ns| sample(ns, true));
        let noise = [sample(90.0, false); 5];
        let cost = cost("row", &[samples, noise].concat(), 0.0);
        assert_eq!((cost.ns, cost.together), (3.0, 0.5));
        assert_eq!(cost.spread, 2.0 / 3.0);
        assert_eq!(median(&noise), 90.0);
    }
}
