use super::{Limit, Window};

/// Estimates the queue from the lowest latency seen, without a target: Vegas of Netflix's concurrency-limits
/// (`limit/VegasLimit.java`), with its constants.
///
/// `queue = limit * (1 - lowest / average)`. With `log = max(1, log10(limit))` the limit grows by `6 log` for a queue of at most
/// `log`, by `log` under `3 log`, and shrinks by `log` above `6 log`. The lowest average is forgotten every 300 windows, so that a
/// service that has become slower for good is not taken for one that queues. For latencies that differ little from call to call:
/// with others the average of a quiet window is far under that of a busy one, queue or no queue.
///
/// Overload verdicts shrink the limit by [their share](Window::back_off), where the original takes off `log`.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::adaptive::{Limit, Vegas, Window};
///
/// let mut vegas = Vegas::new();
/// let steady = Window { samples: 50, average: Duration::from_millis(40), peak: 16, ..Window::default() };
/// assert_eq!(vegas.next(10.0, &steady), 10.0, "learns the lowest first");
/// assert_eq!(vegas.next(10.0, &steady), 16.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vegas {
    /// Seconds; zero if not known.
    lowest: f64,
    /// Since it was last forgotten.
    windows: u32,
}

/// The original forgets after about 30 windows for each call of the limit; by time, that depends on the limit.
const FORGETS_AFTER: u32 = 300;

impl Vegas {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the average is the lowest so far, or the first after the last was forgotten.
    fn learn(&mut self, average: f64) -> bool {
        self.windows += 1;
        let is_lowest = self.lowest == 0.0 || average < self.lowest || self.windows > FORGETS_AFTER;
        if is_lowest {
            self.lowest = average;
            self.windows = 0;
        }
        is_lowest
    }
}

impl Limit for Vegas {
    fn next(&mut self, limit: f64, window: &Window) -> f64 {
        if let Some(less) = window.back_off(limit) {
            return less;
        }
        let average = window.average.as_secs_f64();
        if average == 0.0 || self.learn(average) || !window.uses(limit) {
            return limit;
        }
        let queue = (limit * (1.0 - self.lowest / average)).ceil();
        let log = limit.log10().max(1.0);
        if queue <= log {
            limit + 6.0 * log
        } else if queue < 3.0 * log {
            limit + log
        } else if queue > 6.0 * log {
            limit - log
        } else {
            limit
        }
    }
}
