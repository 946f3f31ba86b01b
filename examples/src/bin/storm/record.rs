//! What is written down about each call while the storm rages.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{clock, schedule::Schedule};

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was launched, from the start of the run.
    pub(crate) at: Duration,
    /// How long its caller waited.
    pub(crate) took: Duration,
    pub(crate) ok: bool,
}

/// The counts of one phase, calls by the phase they were launched in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) finished: u64,
    pub(crate) ok: u64,
    /// Attempts that left the client for the server during the phase.
    pub(crate) attempts: u64,
    /// The most calls that were under way at once, seen by the callers.
    pub(crate) peak: u64,
}

impl Tally {
    /// Attempts over calls, of which some may be for calls of the phase before; `None` without calls.
    pub(crate) fn attempts_per_call(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.attempts as f64 / self.calls as f64)
    }

    /// How many of a hundred ended calls were ok; `None` if none has ended.
    pub(crate) fn ok_percent(&self) -> Option<f64> {
        (self.finished > 0).then(|| 100.0 * self.ok as f64 / self.finished as f64)
    }
}

/// Everything known of one stack's run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) samples: Vec<Sample>,
    /// When each attempt left, from the start of the run.
    pub(crate) attempts: Vec<Duration>,
    pub(crate) tallies: Vec<Tally>,
}

impl Log {
    /// The counts of the whole run.
    pub(crate) fn total(&self) -> Tally {
        self.tallies.iter().fold(Tally::default(), |sum, tally| Tally {
            calls: sum.calls + tally.calls,
            finished: sum.finished + tally.finished,
            ok: sum.ok + tally.ok,
            attempts: sum.attempts + tally.attempts,
            peak: sum.peak.max(tally.peak),
        })
    }
}

/// Writes the log of one stack; clones write the same log.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    start: Instant,
    schedule: Arc<Schedule>,
    log: Arc<Mutex<Log>>,
}

impl Recorder {
    pub(crate) fn new(start: Instant, schedule: Arc<Schedule>) -> Self {
        let tallies = vec![Tally::default(); schedule.spans().len()];
        let log = Log { tallies, ..Log::default() };
        Self { start, schedule, log: Arc::new(Mutex::new(log)) }
    }

    /// Notes that a call begins; hand the result to [`finish`](Self::finish).
    pub(crate) fn launch(&self) -> Duration {
        let at = self.elapsed();
        let mut log = self.log.lock();
        let total = log.total();
        let tally = &mut log.tallies[self.schedule.index_at(at)];
        tally.calls += 1;
        tally.peak = tally.peak.max(total.calls + 1 - total.finished);
        at
    }

    /// Notes that an attempt leaves the client.
    pub(crate) fn attempt(&self) {
        let at = self.elapsed();
        let mut log = self.log.lock();
        log.tallies[self.schedule.index_at(at)].attempts += 1;
        log.attempts.push(at);
    }

    /// Notes how the call launched at `at` ended.
    pub(crate) fn finish(&self, at: Duration, ok: bool) {
        let took = self.elapsed().saturating_sub(at);
        let mut log = self.log.lock();
        let tally = &mut log.tallies[self.schedule.index_at(at)];
        tally.finished += 1;
        tally.ok += u64::from(ok);
        log.samples.push(Sample { at, took, ok });
    }

    /// Reads the log in place.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock())
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }
}
