//! What the calls of a window come to, as threads count it.

use std::time::Duration;

use super::Window;
use crate::{
    nanos::nanos,
    sync::{AtomicU64, Ordering},
};

/// The counts of one window.
///
/// All accesses are relaxed: each word is complete in itself, and a call that is counted while the window ends belongs to the one
/// or the other. Only the number of samples and their sum have to agree, so they share a word.
#[derive(Debug)]
pub(super) struct Tally {
    /// The number of samples in the lower 20 bits, the sum of their microseconds above.
    samples: AtomicU64,
    /// Nanoseconds; `u64::MAX` if there is no sample.
    shortest: AtomicU64,
    overloads: AtomicU64,
    peak: AtomicU64,
    refused: AtomicU64,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Latency(Duration),
    Overload,
}

const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Longer ones count as this: a full count of them fits into the word.
const LONGEST_MICROS: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// A window with this many samples ends, due or not: before the count overflows.
pub(super) const FULL: u64 = COUNT / 2;

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            samples: AtomicU64::new(0),
            shortest: AtomicU64::new(u64::MAX),
            overloads: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts a call, and says how many have been counted.
    #[inline]
    pub(super) fn count(&self, sample: Sample) -> u64 {
        match sample {
            Sample::Latency(latency) => {
                let took = nanos(latency);
                let micros = (took / 1000).min(LONGEST_MICROS);
                let before = self.samples.fetch_add((micros << COUNT_BITS) | 1, Ordering::Relaxed);
                if took < self.shortest.load(Ordering::Relaxed) {
                    self.shortest.fetch_min(took, Ordering::Relaxed);
                }
                (before & COUNT) + 1 + self.overloads.load(Ordering::Relaxed)
            }
            Sample::Overload => {
                let before = self.overloads.fetch_add(1, Ordering::Relaxed);
                before + 1 + (self.samples.load(Ordering::Relaxed) & COUNT)
            }
        }
    }

    /// So many calls were in flight.
    #[inline]
    pub(super) fn saw(&self, in_flight: u32) {
        let in_flight = u64::from(in_flight);
        if in_flight > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(in_flight, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn refuse(&self) {
        if self.refused.load(Ordering::Relaxed) == 0 {
            self.refused.store(1, Ordering::Relaxed);
        }
    }

    pub(super) fn calls(&self) -> u64 {
        (self.samples.load(Ordering::Relaxed) & COUNT) + self.overloads.load(Ordering::Relaxed)
    }

    /// Takes out what was counted, and begins anew.
    pub(super) fn take(&self) -> Window {
        let word = self.samples.swap(0, Ordering::Relaxed);
        let (samples, micros) = (word & COUNT, word >> COUNT_BITS);
        let shortest = self.shortest.swap(u64::MAX, Ordering::Relaxed);
        let average = Duration::from_micros(micros.checked_div(samples).unwrap_or(0));
        Window {
            samples: count(samples),
            average,
            shortest: if samples == 0 { Duration::ZERO } else { Duration::from_nanos(shortest).min(average) },
            overloads: count(self.overloads.swap(0, Ordering::Relaxed)),
            peak: count(self.peak.swap(0, Ordering::Relaxed)),
            refused: self.refused.swap(0, Ordering::Relaxed) != 0,
        }
    }
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
