//! Somebody who changes the settings and overrides the breaker while it works.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{CircuitBreaker, circuit_breaker::Config, circuit_breaker::Mode};
use tests::time;

use super::{ATTEMPT, MS, watch::Watch};

pub(crate) struct Operator {
    breaker: CircuitBreaker,
    watch: Arc<Watch>,
    rng: SmallRng,
    longest_wait: Duration,
    longest_probe: Duration,
    longest_window: Duration,
    longest_count_window: u32,
}

impl Operator {
    pub(crate) fn new(breaker: CircuitBreaker, watch: Arc<Watch>, seed: u64) -> Self {
        Self {
            breaker,
            watch,
            rng: SmallRng::seed_from_u64(seed),
            longest_wait: Duration::ZERO,
            longest_probe: Duration::ZERO,
            longest_window: Duration::ZERO,
            longest_count_window: 0,
        }
    }

    /// The longest that a breaker may refuse calls to a dependency that is well: probes from before hang until
    /// they are cut or given up, then comes the wait, then good probes one after the other.
    pub(crate) fn longest_refusal(&self) -> Duration {
        self.longest_probe.min(ATTEMPT) + self.longest_wait + 100 * MS
    }

    pub(crate) const fn longest_window(&self) -> Duration {
        self.longest_window
    }

    pub(crate) const fn longest_count_window(&self) -> u32 {
        self.longest_count_window
    }

    /// Does one thing to the breaker.
    pub(crate) fn meddle(&mut self) {
        let now = time::now();
        let transition = match self.rng.random_range(0..12) {
            0 => self.breaker.force_open(now),
            1 => self.breaker.force_closed(now),
            2 => self.breaker.disable(now),
            3 => self.breaker.reset(),
            4..8 => self.breaker.release(now),
            _ => return self.reconfigure(),
        };
        self.watch.note(transition);
    }

    /// Leaves the breaker to itself, in whatever state it is.
    pub(crate) fn leave(&self) {
        let now = time::now();
        if self.breaker.snapshot(now).mode != Mode::Automatic {
            self.watch.note(self.breaker.release(now));
        }
    }

    /// Puts random settings in force, and remembers the longest of each.
    pub(crate) fn reconfigure(&mut self) {
        let rng = &mut self.rng;
        let first = rng.random_range(20..200) * MS;
        let max = first * rng.random_range(1..8);
        let hint = rng.random_range(0..500) * MS;
        let hang = rng.random_range(50..1000) * MS;
        let probes = rng.random_range(1..6);
        let window = rng.random_bool(0.7).then(|| rng.random_range(100..2000) * MS);
        let count = rng.random_bool(0.5).then(|| rng.random_range(5..50));

        let mut config = Config::new()
            .open_for(first, max)
            .max_hint(hint)
            .half_open_timeout(hang)
            .probes(probes)
            .time_window(window)
            .count_window(count)
            .buckets(rng.random_range(1..20))
            .min_calls(rng.random_range(1..20))
            .failure_rate(rng.random_bool(0.7).then(|| rng.random_range(0.1..1.0)))
            .consecutive_failures(rng.random_bool(0.5).then(|| rng.random_range(1..10)));
        if rng.random_bool(0.5) {
            config = config.slow_calls(rng.random_range(20..200) * MS, rng.random_range(0.1..1.0));
        }

        // A wait is drawn from up to a tenth more; it stays as it was drawn when the settings change.
        self.longest_wait = self.longest_wait.max(max * 11 / 10).max(hint);
        self.longest_probe = self.longest_probe.max(hang);
        self.longest_window = self.longest_window.max(window.unwrap_or_default());
        self.longest_count_window = self.longest_count_window.max(count.unwrap_or_default());
        self.watch.set_probes(probes, hang);
        self.watch.note(self.breaker.reconfigure(config, time::now()));
    }
}
