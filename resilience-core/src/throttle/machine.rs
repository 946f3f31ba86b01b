//! What a throttle decides: no lock, no atomic, no clock.
//!
//! Time comes as nanoseconds since the throttle was made.

use super::{
    Config,
    window::{Counts, SLICES, Window},
};
use crate::keyed::Worth;

/// A throttle at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The probability with which the next call is refused, from 0 to 1. Every so often one passes all the same: see
    /// [`probe_one_in`](Config::probe_one_in).
    pub probability: f64,
    /// Calls in the window that have ended, refused ones included.
    pub requests: u64,
    /// Those among them that the dependency accepted.
    pub accepts: u64,
}

/// The window, the settings, and how long ago a call has passed.
#[derive(Debug)]
pub(super) struct Machine {
    config: Config,
    window: Window,
    /// Refusals since a call has passed that might have been refused.
    refused_in_a_row: u32,
    /// Counts resets.
    generation: u64,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Self { window: Window::new(&config), config, refused_in_a_row: 0, generation: 0 }
    }

    pub(super) const fn config(&self) -> Config {
        self.config
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Admits the next call, or counts it and says with which probability, in thousandths, it was refused.
    ///
    /// `unit` draws a number from 0 to 1, and is asked only if there is something to draw for.
    pub(super) fn admit(&mut self, now: u64, unit: impl FnOnce() -> f64) -> Result<(), u16> {
        self.window.advance(now);
        let counts = self.window.total();
        let probability = self.probability(counts);
        if probability <= 0.0 {
            return Ok(());
        }
        let is_probe = self.refused_in_a_row + 1 >= self.config.probe_one_in;
        if is_probe || unit() >= probability {
            self.refused_in_a_row = 0;
            return Ok(());
        }
        self.refused_in_a_row += 1;
        self.window.add(false);
        Err(self.per_mille(counts))
    }

    /// Counts a call that has ended.
    pub(super) fn record(&mut self, accepted: bool, now: u64) {
        self.window.advance(now);
        self.window.add(accepted);
    }

    /// Counts `n` calls that were accepted in the present tick, before anything else that has yet to be counted.
    pub(super) fn absorb(&mut self, n: u64) {
        self.window.add_accepted(n);
    }

    /// Whether no call will be refused before another has failed, whatever is accepted and whatever leaves the window.
    pub(super) fn is_calm(&self) -> bool {
        self.admits_all_of(self.min_requests())
    }

    /// Until when no call will be refused before another has failed, whatever is accepted: till then accepted calls need not
    /// be counted one by one, but may be [absorbed](Self::absorb) later.
    pub(super) fn defers_until(&self) -> u64 {
        let fewest = self.min_requests().max(self.window.least_total());
        if self.admits_all_of(fewest) { self.window.tick_ends() } else { 0 }
    }

    /// Whether the probability is zero for any window that holds the failures of this one and at least so many requests.
    ///
    /// With `f` failures among `r` requests it is if `r <= K * (r - f)`.
    fn admits_all_of(&self, fewest: u64) -> bool {
        let Counts { requests, accepts } = self.window.total();
        let k = u64::from(self.config.multiplier);
        k * (requests - accepts) <= (k - ONE) * fewest
    }

    pub(super) fn reset(&mut self) {
        self.window.clear();
        self.refused_in_a_row = 0;
        self.generation += 1;
    }

    pub(super) fn reconfigure(&mut self, config: Config, now: u64) {
        self.window.advance(now);
        self.window = self.window.resized(&config, now);
        self.config = config;
    }

    pub(super) fn snapshot(&self, now: u64) -> Snapshot {
        let counts = self.window.total_at(now);
        let Counts { requests, accepts } = counts;
        Snapshot { probability: self.probability(counts), requests, accepts }
    }

    /// What would be lost with this throttle.
    pub(super) fn worth(&self, now: u64) -> Worth {
        let counts = self.window.total_at(now);
        if self.probability(counts) > 0.0 {
            Worth::InForce
        } else if counts.accepts < counts.requests {
            Worth::History
        } else {
            Worth::Nothing
        }
    }

    /// `max(0, (requests - K * accepts) / (requests + 1))`, 0 for too few requests.
    #[expect(clippy::cast_precision_loss, reason = "a window holds at most a million")]
    fn probability(&self, Counts { requests, accepts }: Counts) -> f64 {
        if requests < self.min_requests() {
            return 0.0;
        }
        self.excess(Counts { requests, accepts }) as f64 / (ONE * (requests + 1)) as f64
    }

    /// A probability above 0 and below 1 in thousandths, rounded down but for the first.
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 999")]
    fn per_mille(&self, counts: Counts) -> u16 {
        ((self.excess(counts) / (counts.requests + 1)) as u16).max(1)
    }

    /// `max(0, requests - K * accepts)` in thousandths: whole numbers, so that it is zero exactly where it should be.
    fn excess(&self, Counts { requests, accepts }: Counts) -> u64 {
        (ONE * requests).saturating_sub(u64::from(self.config.multiplier) * accepts)
    }

    /// No more than a full window holds when its oldest slice has just gone.
    fn min_requests(&self) -> u64 {
        let Config { min_requests, max_requests, .. } = self.config;
        u64::from(min_requests.min(max_requests - max_requests / SLICES))
    }
}

/// K = 1 in thousandths.
const ONE: u64 = 1000;
