//! Measures a group of subjects against each other, in interleaved batches.

use std::thread;
use std::time::Duration;

use crate::alloc;
use crate::recorder;
use crate::stats::{self, Batch, Cost, Sample};
use crate::subject::{Caller, Subject};
use crate::thread::{Barrier, runtime};
use crate::time::now;

/// How long one batch of calls should take: long against the clock, short against the scheduler.
const BATCH: Duration = Duration::from_millis(1);
/// Batches per subject and pass. The median over all of them is the result.
const ROUNDS: usize = 25;
/// Thread counts take turns this often, because a machine's pace drifts within seconds.
const PASSES: usize = 6;
/// On a busy machine there are more passes, but none begins later than this.
const PATIENCE: Duration = Duration::from_secs(3);
/// Calls that fill caches, windows and thread-locals before anything is measured.
const WARM_UP: u64 = 2_000;

/// Measures all subjects with each number of threads, which share each subject's state.
///
/// Batches go round the subjects, so that whatever else the machine does hits all of them alike.
/// Returns the costs by number of threads and subject.
///
/// # Panics
///
/// If a call was refused that should have got through, or the other way round: its cost would be
/// that of something else.
#[must_use]
pub fn measure<const N: usize>(subjects: &[Subject], threads: [usize; N]) -> [Vec<Cost>; N] {
    let mut series = threads.map(|threads| Series::new(subjects, threads));
    let begun = now();
    let mut passes = 0;
    while passes < PASSES || (now() - begun < PATIENCE && !series.iter().all(Series::is_enough)) {
        series.iter_mut().for_each(Series::pass);
        passes += 1;
    }
    series.map(|series| series.costs())
}

/// The measurement of all subjects with one number of threads.
struct Series<'a> {
    subjects: &'a [Subject],
    callers: Vec<Vec<Caller>>,
    /// Calls per batch.
    calls: Vec<u64>,
    allocs: Vec<f64>,
    samples: Vec<Vec<Sample>>,
}

impl<'a> Series<'a> {
    /// Warms up and finds out how many calls fill a batch.
    fn new(subjects: &'a [Subject], threads: usize) -> Self {
        let mut callers = callers(subjects, threads);
        let mut calls = vec![WARM_UP; subjects.len()];
        run(subjects, &mut callers, &calls, 1);
        let pilot = run(subjects, &mut callers, &calls, ROUNDS);
        for (calls, samples) in calls.iter_mut().zip(&pilot) {
            *calls = (BATCH.as_nanos() as f64 / stats::median(samples)).clamp(1.0, 1e7) as u64;
        }
        let allocs = count(&mut callers, &calls);
        Self { subjects, callers, calls, allocs, samples: vec![Vec::new(); subjects.len()] }
    }

    fn pass(&mut self) {
        let more = run(self.subjects, &mut self.callers, &self.calls, ROUNDS);
        self.samples.iter_mut().zip(more).for_each(|(samples, more)| samples.extend(more));
    }

    fn is_enough(&self) -> bool {
        self.samples.iter().all(|samples| stats::together(samples) > PASSES * ROUNDS / 2)
    }

    fn costs(self) -> Vec<Cost> {
        let rows = self.subjects.iter().zip(self.samples).zip(self.allocs);
        rows.map(|((subject, samples), allocs)| stats::cost(subject.name, &samples, allocs)).collect()
    }
}

/// The time of `calls` calls of one subject on each of `threads` threads at once.
///
/// # Panics
///
/// As [`measure`].
#[must_use]
pub fn time(subject: &Subject, threads: usize, calls: u64) -> Duration {
    let subjects = std::slice::from_ref(subject);
    let mut callers = callers(subjects, threads);
    let sample = run(subjects, &mut callers, &[calls], 1)[0][0];
    Duration::from_nanos((sample.ns * calls as f64) as u64)
}

/// The allocations of one call of `subject`, once it is warm.
#[must_use]
pub fn allocations(subject: &Subject) -> f64 {
    let mut callers = callers(std::slice::from_ref(subject), 1);
    count(&mut callers, &[WARM_UP]);
    count(&mut callers, &[WARM_UP])[0]
}

/// One caller per thread and subject.
fn callers(subjects: &[Subject], threads: usize) -> Vec<Vec<Caller>> {
    (0..threads).map(|_| subjects.iter().map(Subject::caller).collect()).collect()
}

/// Runs `rounds` batches of every subject on all threads at once; returns the samples of each.
fn run(subjects: &[Subject], callers: &mut [Vec<Caller>], calls: &[u64], rounds: usize) -> Vec<Vec<Sample>> {
    let barrier = &Barrier::new(callers.len());
    let seen: Vec<Vec<Vec<Batch>>> = thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter_mut()
            .map(|callers| scope.spawn(move || batches(callers, calls, rounds, barrier)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a measuring thread")).collect()
    });
    recorder::drain();

    let sample = |subject: usize, round: usize| {
        let threads: Vec<Batch> = seen.iter().map(|thread| thread[round][subject]).collect();
        check(&subjects[subject], calls[subject], &threads);
        Sample::new(&threads, calls[subject])
    };
    (0..subjects.len()).map(|subject| (0..rounds).map(|round| sample(subject, round)).collect()).collect()
}

/// The part of one thread in [`run`]: its batches, by round and subject.
fn batches(callers: &mut [Caller], calls: &[u64], rounds: usize, barrier: &Barrier) -> Vec<Vec<Batch>> {
    let runtime = runtime();
    let _inside = runtime.enter();
    let batch = |(caller, calls): (&mut Caller, &u64)| {
        barrier.wait();
        let start = now();
        let answered = caller(&runtime, *calls);
        Batch { start, end: now(), answered }
    };
    (0..rounds).map(|_| callers.iter_mut().zip(calls).map(batch).collect()).collect()
}

/// Allocations per call, in a pass of its own so that counting costs the timed calls nothing.
///
/// The threads' callers take turns: what a call allocates does not depend on who else is calling.
fn count(callers: &mut [Vec<Caller>], calls: &[u64]) -> Vec<f64> {
    let runtime = runtime();
    let _inside = runtime.enter();
    let threads = callers.len() as f64;
    let mut allocs = vec![0.0; calls.len()];
    for callers in callers {
        for ((caller, &calls), allocs) in callers.iter_mut().zip(calls).zip(&mut allocs) {
            let counted = alloc::tally(|| {
                caller(&runtime, calls);
            });
            *allocs += counted.allocations as f64 / calls as f64 / threads;
        }
    }
    allocs
}

fn check(subject: &Subject, calls: u64, threads: &[Batch]) {
    let expected = subject.expected(calls);
    for Batch { answered, .. } in threads {
        assert!(
            *answered == expected,
            "{}: {answered} of {calls} calls were answered with `Ok`, not {expected}",
            subject.name,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::hint::black_box;

    use super::*;

    #[test]
    fn measures_every_subject_on_one_thread_and_on_two() {
        let subjects = [
            Subject::function("free", |n| ready(Ok::<_, ()>(n))),
            Subject::function("boxed", |n| ready(Ok::<_, ()>(*black_box(Box::new(n))))),
            Subject::function("refused", |_| ready(Err(()))).refusing(),
        ];
        for costs in measure(&subjects, [1, 2]) {
            let allocs: Vec<_> = costs.iter().map(|cost| (cost.name, cost.allocs)).collect();
            assert_eq!(allocs, [("free", 0.0), ("boxed", 1.0), ("refused", 0.0)]);
            assert!(costs.iter().all(|cost| cost.ns > 0.0));
        }
    }

    #[test]
    #[should_panic(expected = "odd: 1000 of 2000 calls were answered with `Ok`, not 2000")]
    fn a_refused_call_is_not_taken_for_a_cheap_one() {
        let odd = Subject::function("odd", |n| ready(if n % 2 == 0 { Ok(n) } else { Err(()) }));
        let _ = measure(&[odd], [1]);
    }
}
